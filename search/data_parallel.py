"""Training a supernet on Ray: one worker by default, data-parallel on several.

Each worker is an actor that trains as `supernet.training.run.train` does, on its own images. Torch's process
group (gloo, or nccl on GPUs) joins them; the gradients of every step are averaged by it, or in shared memory.
The folder must be the same for all workers: the first one writes checkpoints and the result there, and all go
on from them.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from search.errors import InvalidBudget, WorkerFailed
from search.executors.ray import connect
from supernet.errors import SupernetError
from supernet.training.run import TrainingEvent, train
from supernet.training.spec import TrainingSpec


def train_on_ray(
    spec: TrainingSpec,
    workdir: Path | str,
    *,
    workers: int = 1,
    threads: int = 1,
    address: str | None = None,
) -> Iterator[TrainingEvent]:
    """Train on so many workers and yield the first one's events; to stop iterating is to stop training.

    Each step sees `workers` times `batch_size` images. With several workers the norms' running statistics are
    the first one's, and scores estimate them anew anyway.

    Args:
        spec: of the training.
        workdir: see `supernet.training.run.train`.
        workers: processes, each with a GPU of its own where the spec's device is one.
        threads: CPUs of each.
        address: of a Ray cluster; RAY_ADDRESS, or a Ray of this machine, where there is none.

    Raises:
        InvalidBudget: no worker, or more than the cluster has CPUs for.
        SupernetError: see `supernet.training.run.train`; from whichever worker it comes first.
        WorkerFailed: a worker died; what was trained up to the last checkpoint is kept.
    """
    started = connect(workers * threads, address)
    members: list[Any] = []
    try:
        members += join_members(Member, workers, threads, on_gpu=spec.device.startswith("cuda"))
        yield from _events(members, spec, Path(workdir).absolute())
    except RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, SupernetError):
            raise cause from error
        raise WorkerFailed(f"a training worker died: {error}") from error
    finally:
        for member in members:
            ray.kill(member)
        if started:
            ray.shutdown()


def join_members(kind: type, workers: int, threads: int, *, on_gpu: bool) -> list[Any]:
    """Return actors of a `kind` of `Member`, joined to one process group.

    Raises:
        InvalidBudget: no worker, or more than the cluster has CPUs for.
    """
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if workers < 1 or workers * threads > cpus:
        raise InvalidBudget(f"{workers} workers of {threads} CPUs; the cluster has {cpus} CPUs")
    make: Any = ray.remote(num_cpus=threads, num_gpus=1 if on_gpu else 0, max_restarts=0)(kind).remote
    backend = "nccl" if on_gpu else "gloo"
    members: list[Any] = [make(rank, workers, threads, backend) for rank in range(workers)]
    if workers > 1:
        meeting = ray.get(members[0].meeting.remote())
        ray.get([member.join.remote(meeting) for member in members])
    return members


def _events(members: list[Any], spec: TrainingSpec, folder: Path) -> Iterator[TrainingEvent]:
    """Yield the first member's events, and raise what another one raises."""
    record, place = spec.to_json(), str(folder)
    others = [member.follow.remote(record, place) for member in members[1:]]
    leader: Any = members[0].lead.options(num_returns="streaming").remote(record, place)
    waiting: list[Any] = [leader, *others]
    while leader in waiting:
        (ready,), waiting = ray.wait(waiting, num_returns=1)
        if ready in others:
            ray.get(ready)
            continue
        try:
            event: TrainingEvent = ray.get(next(leader))
        except StopIteration:
            return
        except RayError:
            _raise_cause(others)
            raise
        yield event
        waiting.append(leader)


def _raise_cause(others: list[Any]) -> None:
    """Raise what another member failed by, which broke the connection to it; nothing where none did."""
    ready, _ = ray.wait(others, num_returns=len(others), timeout=5.0) if others else ([], [])
    for reference in ready:
        with suppress(ray.exceptions.RayActorError):
            ray.get(reference)


class Member:
    """One worker. Its methods are called through Ray only."""

    def __init__(self, rank: int, count: int, threads: int, backend: str) -> None:
        import torch

        torch.set_num_threads(threads)
        self._rank, self._count, self._backend = rank, count, backend

    def meeting(self) -> str:
        """Return an address on this member's machine that all can reach."""
        import socket

        with socket.socket() as free:
            free.bind(("", 0))
            return f"tcp://{ray.util.get_node_ip_address()}:{free.getsockname()[1]}"

    def join(self, meeting: str) -> None:
        """Wait for all others."""
        import torch.distributed as dist

        dist.init_process_group(self._backend, init_method=meeting, rank=self._rank, world_size=self._count)

    def lead(self, record: str, folder: str) -> Iterator[TrainingEvent]:
        """Train and yield the events."""
        try:
            yield from train(TrainingSpec.from_json(record), folder)
        finally:
            self._leave()

    def follow(self, record: str, folder: str) -> None:
        """Train beside the first member."""
        try:
            for _ in train(TrainingSpec.from_json(record), folder):
                pass
        finally:
            self._leave()

    def _leave(self) -> None:
        """Close the connections, so that nobody waits for this member."""
        import torch.distributed as dist

        if self._count > 1:
            dist.destroy_process_group()
