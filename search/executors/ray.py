"""Evaluates on Ray actors that live as long as the executor: on this machine, or on a cluster.

Each actor makes its evaluator once; the weights travel once, through the object store. An actor that dies is
replaced and its architectures tried again, each alone on its actor, so that the next death can be blamed on
one of them only: an answer and a death may overtake each other on their way. One that was alone in `kills`
deaths is quarantined: it fails, and the rest goes on. When Ray's own process on this machine dies, no new
actor could ever start and Ray keeps silent about it: the executor looks for itself, and fails.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any, Self

import ray
from ray.exceptions import RayError, RaySystemError

from search.cluster import start
from search.errors import ExecutorClosed, InvalidBudget, WorkerFailed
from search.execution import Evaluator, Factory, Outcome, evaluated
from search_space.architecture import Architecture

LOOK_S = 1.0
"""Without news for so long, look whether Ray itself still lives."""
FIRST_CPU_S = 30.0
"""How long a cluster may have no CPU, as when its nodes are still starting."""
SETTINGS = {
    "RAY_health_check_period_ms": "1000",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",
    "RAY_worker_niceness": "5",
}
"""Of a Ray on this machine, where the environment says nothing else: it notices soon that one of its own
processes is gone, and its workers, nice to others, do not starve beside them as they would at Ray's own 15.
"""
DEPTH = 2
"""Architectures an actor may hold: the one at work and the next, so that it never waits for the driver."""


class _Actor:
    """The process that evaluates. Its methods are called through Ray only."""

    def __init__(self, factory: Factory, attempts: int, weights: object) -> None:
        self._evaluate: Evaluator = factory() if weights is None else factory(weights)
        self._attempts = attempts

    def evaluate(self, architecture: Architecture) -> Outcome:
        return evaluated(self._evaluate, architecture, self._attempts)


@dataclass(frozen=True, eq=False)
class _Task:
    """An architecture, and between which two cancellations it was submitted."""

    epoch: int
    architecture: Architecture


@dataclass(eq=False)
class _Seat:
    """An actor and the architectures it holds, the one at work first."""

    actor: Any
    """The handle of an `_Actor`."""
    held: deque[_Task] = field(default_factory=deque)


@dataclass(frozen=True)
class _Done:
    """An actor's answer, or its death."""

    seat: _Seat
    outcome: Outcome | None
    error: BaseException | None


class RayExecutor:
    """Long-lived actors of one CPU each.

    Attributes:
        workers: actors wanted; no more than the cluster has CPUs are made, and `notices` says so.
        notices: what was reduced, and why.
    """

    concurrent = True

    def __init__(
        self,
        factory: Factory,
        *,
        workers: int,
        weights: object = None,
        attempts: int = 2,
        kills: int = 3,
        gpus: float = 0.0,
        address: str | None = None,
    ) -> None:
        self._owns_ray = connect(workers, address)
        self._node = ray.get_runtime_context().get_node_id()
        self.workers, self.notices = _affordable(workers)
        self._make = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(_Actor).remote
        self._arguments = (factory, attempts, None if weights is None else ray.put(weights))
        self._kills, self._suspects = kills, dict[str, int]()
        self._queue: deque[_Task] = deque()
        self._inbox: Queue[_Done | Sequence[Architecture] | int | None] = Queue()
        self._outbox: Queue[tuple[int, Outcome | WorkerFailed]] = Queue()
        self._epoch, self._current, self._outstanding, self._closed = 0, 0, 0, False
        self._barren, self._patience = 0, 2 * kills * self.workers
        self._seats = [self._seat() for _ in range(self.workers)]
        self._thread = threading.Thread(target=self._serve, name="ray-executor", daemon=True)
        self._thread.start()

    def submit(self, architectures: Sequence[Architecture]) -> None:
        """Queue architectures; returns at once.

        Raises:
            ExecutorClosed.
        """
        if self._closed:
            raise ExecutorClosed("this executor was closed; make another")
        self._outstanding += len(architectures)
        self._inbox.put(tuple(architectures))

    def wait(self, timeout_s: float | None = None) -> Outcome | None:
        """Return the next finished architecture; None where nothing is queued or the time is over.

        Raises:
            WorkerFailed: a worker cannot even be made; carries the reason.
        """
        while self._outstanding:
            try:
                epoch, found = self._outbox.get(timeout=timeout_s)
            except Empty:
                return None
            if epoch != self._epoch:
                continue  # cancelled since
            if isinstance(found, WorkerFailed):
                raise found
            self._outstanding -= 1
            return found
        return None

    def cancel(self) -> None:
        """Forget what is queued and what is being worked on; actors stay and finish what they hold."""
        self._epoch, self._outstanding = self._epoch + 1, 0
        self._inbox.put(self._epoch)

    def close(self) -> None:
        """Stop every actor, and Ray too if this executor started it."""
        if self._closed:
            return
        self._closed, self._outstanding = True, 0
        self._inbox.put(None)
        self._thread.join()
        for seat in self._seats:
            ray.kill(seat.actor)
        if self._owns_ray:
            ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Everything below runs on the executor's own thread, so that actors are fed while the caller thinks.

    def _serve(self) -> None:
        try:
            while (message := self._news()) is not None:
                self._take(message)
                self._feed()
        except RayError as error:
            self._fail(f"Ray is gone: {error}")

    def _news(self) -> "_Done | Sequence[Architecture] | int | None":
        """Return the next message.

        Raises:
            RaySystemError: none came, and the node that this process belongs to is dead.
        """
        while True:
            try:
                return self._inbox.get(timeout=LOOK_S)
            except Empty:
                if not any(node["Alive"] for node in ray.nodes() if node["NodeID"] == self._node):
                    raise RaySystemError("its node on this machine died") from None

    def _take(self, message: "_Done | Sequence[Architecture] | int") -> None:
        if isinstance(message, _Done):
            self._settle(message)
        elif isinstance(message, int):
            self._current = message
            self._queue.clear()
        else:
            self._queue.extend(_Task(self._current, architecture) for architecture in message)

    def _settle(self, done: _Done) -> None:
        if done.seat not in self._seats:
            return  # its architectures were queued again when the first news of its death came
        if done.outcome is None:
            self._replace(done)
        else:
            self._barren = 0
            self._outbox.put((done.seat.held.popleft().epoch, done.outcome))

    def _replace(self, done: _Done) -> None:
        self._barren += 1
        if getattr(done.error, "actor_init_failed", False) or self._barren > self._patience:
            self._fail(f"a worker could not be made, or dies whatever it evaluates: {done.error}")
            return
        self._seats[self._seats.index(done.seat)] = self._seat()
        held = [task for task in done.seat.held if task.epoch == self._current]
        alone = len(done.seat.held) == 1
        for task in held:
            self._suspects[task.architecture.key] = self._suspects.get(task.architecture.key, 0) + alone
        if held and self._suspects[held[0].architecture.key] >= self._kills:
            error = f"quarantined: its worker died {self._kills} times while evaluating it"
            lost = Outcome(held.pop(0).architecture.key, (), error, 0.0, self._kills)
            self._outbox.put((self._current, lost))
        self._queue.extendleft(reversed(held))

    def _fail(self, reason: str) -> None:
        self._outbox.put((self._current, WorkerFailed(reason)))

    def _feed(self) -> None:
        while self._queue:
            seat = min(self._seats, key=lambda entry: len(entry.held))
            if not self._room(seat, self._queue[0]):
                return
            self._hand(seat, self._queue.popleft())

    def _room(self, seat: _Seat, task: _Task) -> bool:
        suspects = [entry for entry in (*seat.held, task) if entry.architecture.key in self._suspects]
        return len(seat.held) < (1 if suspects else DEPTH)

    def _hand(self, seat: _Seat, task: _Task) -> None:
        seat.held.append(task)
        future: Future[Outcome] = seat.actor.evaluate.remote(task.architecture).future()
        future.add_done_callback(lambda ended: self._inbox.put(_done(seat, ended)))

    def _seat(self) -> _Seat:
        return _Seat(self._make(*self._arguments))


def _done(seat: _Seat, ended: "Future[Outcome]") -> _Done:
    error = ended.exception()
    return _Done(seat, ended.result() if error is None else None, error)


def connect(workers: int, address: str | None = None) -> bool:
    """Join the Ray at `address`, else at RAY_ADDRESS, else start one here; return whether one was started.

    A cluster that asks for a token takes it from RAY_AUTH_MODE and RAY_AUTH_TOKEN, as Ray itself does.
    """
    if ray.is_initialized():
        return False
    found = address or os.environ.get("RAY_ADDRESS")
    if found:
        ray.init(address=found, log_to_driver=False)
        return True
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    cpus = min(workers, os.cpu_count() or 1)
    start(cpus)
    return True


def _affordable(workers: int) -> tuple[int, tuple[str, ...]]:
    """Return how many workers the cluster has CPUs for, and a notice where that is fewer.

    Raises:
        InvalidBudget: no worker is asked for.
        WorkerFailed: the cluster has no CPU, and gets none while one waits for it.
    """
    if workers < 1:
        raise InvalidBudget(f"a search needs at least one worker, got {workers}")
    cpus = _cpus()
    if workers <= cpus:
        return workers, ()
    return cpus, (f"{workers} workers were asked for, the cluster has {cpus} CPUs: running {cpus}",)


def _cpus() -> int:
    """Return the cluster's CPUs, at least one.

    Raises:
        WorkerFailed: there is none, and none comes.
    """
    for _ in range(round(FIRST_CPU_S / LOOK_S)):
        found = int(ray.cluster_resources().get("CPU", 0))
        if found:
            return found
        time.sleep(LOOK_S)
    raise WorkerFailed(
        f"the Ray cluster has had no CPU for {FIRST_CPU_S:g} s: start a node that has some, "
        "as by `ray start --address=HOST:PORT`"
    )
