"""Random SIGKILLs over API, workers, Ray actors, raylet and PostgreSQL while seeded searches run.

Every search must end with no evaluation lost or stored twice, and with the front of an uninterrupted run.
The searches have synthetic scores; queue, loop, executors, store and processes are the service's own.

    python -m benchmarks.chaos            # 200 kills, half on SQLite and half on PostgreSQL, and 20 of real
                                          # searches; about an hour. Parts measured within 6 hours are kept
    python -m benchmarks.chaos --part sqlite     # one part: sqlite, postgres or demo
    python -m benchmarks.chaos --quick    # 8 kills on PostgreSQL with shorter leases
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from benchmarks import form, synthetic
from benchmarks.demo_kills import suffer
from benchmarks.fleet import Fleet, fleet, kill
from benchmarks.form import Figure, Target
from service import schema
from service.records import Job
from service.settings import Settings
from service.states import ENDED, State
from service.stores import evaluations, jobs, searches
from service.wiring import open_store

SEEDS = (0,)
TARGETS = {
    f"{prefix}{name}": Target(">=" if name == "kills" else "<=", float(bound))
    for prefix, kills in (("", 200), ("demo_", 20))
    for name, bound in {
        "kills": kills,
        "unfinished": 0,
        "lost": 0,
        "duplicated": 0,
        "fronts_different": 0,
        "kill_to_resume_p99_s": 45,
    }.items()
}
PARTS = Path(__file__).parents[1] / "artifacts" / "chaos"
KEPT_S = 6 * 3600
DEMO_KILLS = 20
VICTIMS = ("api", "worker", "actor", "raylet", "postgres")
FAST = {"lease_s": 8.0, "heartbeat_s": 1.0, "sweep_s": 1.0, "poll_s": 0.2, "attempts": 20}
DELAY_S = 0.1
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Plan:
    """One chaos run.

    Attributes:
        kills: SIGKILLs to send.
        searches: seeded searches that run meanwhile, submitted again when all have ended before the kills.
        evaluations: of each search.
        pause_s: mean seconds between two kills.
        timing: settings in place of the service's own.
        end_s: seconds after the last kill within which every search must end.
    """

    postgres: bool
    executor: str
    kills: int
    searches: int
    evaluations: int
    pause_s: float
    timing: Mapping[str, float] = field(default_factory=dict)
    workers: int = 2
    end_s: float = 900.0


@dataclass(frozen=True)
class Report:
    """What a chaos run came to; `resume_s` are seconds from the death of a worker, or of its raylet, to the
    next result of its job in a new attempt; a job that is hit again before counts from the last hit.
    """

    killed: Counter[str]
    searches: int
    unfinished: int
    lost: int
    duplicated: int
    different: int
    resume_s: tuple[float, ...]
    faults: tuple[str, ...] = ()


PACE_S = 10.0
"""Between two kills: a worker's return costs some ten seconds of a core, and where kills come faster than the
cores work, the times tell how long their queue is.
"""
PLANS = {
    name: Plan(name == "postgres", "ray", 100, 12, 160, PACE_S, {"attempts": 20})
    for name in ("sqlite", "postgres")
}
QUICK_PLANS = {"postgres": Plan(True, "ray", 8, 3, 24, 4.0, FAST, end_s=400.0)}


def run(plan: Plan, seed: int) -> Report:
    """Carry out a plan and return what it came to."""
    wanted = {number: uninterrupted(number, plan.evaluations) for number in range(plan.searches)}
    with fleet(
        workers=plan.workers, postgres=plan.postgres, executor=plan.executor, timing=plan.timing
    ) as running:
        watch = _Watch(running)
        killed: Counter[str] = Counter()
        rng = random.Random(seed)
        while sum(killed.values()) < plan.kills:
            _submit(plan, watch)
            killed += _kill_at_random(plan, watch, rng, plan.kills - sum(killed.values()))
        _wait_for_end(watch, plan.end_s)
        return _report(plan, wanted, killed, watch)


def _submit(plan: Plan, watch: _Watch) -> None:
    """Submit every search once, as clients do who ask again while the database does not answer."""
    for number in range(plan.searches):
        submit = partial(
            synthetic.submit,
            watch.fleet.store,
            owner=f"owner{number % 3}",
            evaluations=plan.evaluations,
            seed=number,
            delay_s=DELAY_S,
        )
        identifier = _patiently(submit)
        watch.submitted[identifier] = number


def _patiently(submit: Callable[[], str]) -> str:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return submit()
        except DBAPIError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.5)


def uninterrupted(seed: int, evaluations_: int) -> list[str]:
    """Return the keys of the front of the same search, left alone."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder), executor="local", low_water_bytes=0)
        store = open_store(settings)
        schema.upgrade(store.database)
        identifier = synthetic.submit(store, evaluations=evaluations_, seed=seed)
        synthetic.worker(store, "reference").run_one(("search",))
        with store.database.read() as tx:
            found = searches.front(tx, identifier)
        store.close()
    assert found is not None, "the uninterrupted search has no front"
    return _keys(found[1])


@dataclass
class _Watch:
    """Looks at the database as a client would: what has ended, and when a killed worker's job goes on."""

    fleet: Fleet
    submitted: dict[str, int] = field(default_factory=dict)
    """The seed of each search, by its id."""
    waiting: dict[str, tuple[float, int]] = field(default_factory=dict)
    """By job: when it was hit last, and in which attempt."""
    resumed_s: list[float] = field(default_factory=list)

    def look(self) -> list[Job] | None:
        """Return the searches' jobs, None while the database does not answer."""
        try:
            with self.fleet.store.database.read() as tx:
                found = [
                    job for identifier in self.submitted if (job := jobs.get(tx, identifier)) is not None
                ]
        except DBAPIError:
            return None
        for job in found:
            self._note(job)
        return found

    def _note(self, job: Job) -> None:
        hit_s, attempt = self.waiting.get(job.id, (0.0, job.attempt))
        if job.attempt > attempt and (job.fruitless == 0 or job.state in ENDED):
            self.resumed_s.append(time.monotonic() - hit_s)
        if (job.attempt > attempt and job.fruitless == 0) or job.state in ENDED:
            self.waiting.pop(job.id, None)

    def mourn(self, pid: int) -> None:
        """Note that a worker, or the Ray below it, was killed now: its jobs are waited for."""
        for job in self.look() or ():
            if f":{pid}:" in (job.worker or ""):
                self.waiting[job.id] = (time.monotonic(), job.attempt)


def _kill_at_random(plan: Plan, watch: _Watch, rng: random.Random, most: int) -> Counter[str]:
    """Kill until that many are killed, or every search has ended."""
    killed: Counter[str] = Counter()
    while sum(killed.values()) < most:
        found = _watched_sleep(watch, rng.uniform(0.5, 1.5) * plan.pause_s)
        if found is not None and all(job.state in ENDED for job in found):
            break
        victim = rng.choice(VICTIMS)
        if _kill_one(watch.fleet, watch, victim, rng):
            killed[victim] += 1
    return killed


def _kill_one(running: Fleet, watch: _Watch, victim: str, rng: random.Random) -> bool:
    """Kill one process of a kind and return whether there was one."""
    if victim == "postgres":
        pid = None if running.postgres is None else running.postgres.get_pid()
        return pid is not None and kill(pid)
    member = running.members[0] if victim == "api" else rng.choice(running.workers())
    if member.process is None or member.process.poll() is not None:
        return False
    words = {"actor": ("ray::_Actor",), "raylet": ("raylet/raylet",)}.get(victim)
    targets = [member.process.pid] if words is None else member.below(words)
    if not targets or not kill(rng.choice(targets)):
        return False
    if victim in ("worker", "raylet"):
        watch.mourn(member.process.pid)
    return True


def _watched_sleep(watch: _Watch, seconds: float) -> list[Job] | None:
    deadline_s = time.monotonic() + seconds
    found = watch.look()
    while time.monotonic() < deadline_s:
        time.sleep(0.1)
        found = watch.look()
    return found


def _wait_for_end(watch: _Watch, seconds: float) -> None:
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        found = watch.look()
        if found is not None and all(job.state in ENDED for job in found):
            return
        time.sleep(0.2)


def _report(plan: Plan, wanted: dict[int, list[str]], killed: Counter[str], watch: _Watch) -> Report:
    unfinished = lost = duplicated = different = 0
    faults: list[str] = []
    for identifier, number in watch.submitted.items():
        with watch.fleet.store.database.read() as tx:
            job, front = jobs.get(tx, identifier), searches.front(tx, identifier)
            found = evaluations.history(tx, identifier)
        good = job is not None and job.state is State.SUCCEEDED
        unfinished += not good
        if job is not None and not good:
            faults.append(
                f"{job.state} in attempt {job.attempt}: {(job.error or {}).get('detail', 'no error')}"
            )
        searched = sum(entry.origin == "search" for entry in found)
        lost += max(0, plan.evaluations - searched) if good else 0
        duplicated += len(found) - len({entry.key for entry in found}) + max(0, searched - plan.evaluations)
        different += front is not None and _keys(front[1]) != wanted[number]
    return Report(
        killed,
        len(watch.submitted),
        unfinished,
        lost,
        duplicated,
        different,
        tuple(watch.resumed_s),
        tuple(faults),
    )


def _keys(document: str) -> list[str]:
    return [member["key"] for member in json.loads(document)["members"]]


def run_part(name: str, *, quick: bool) -> Report:
    """Carry out one part and return what it came to."""
    plans = QUICK_PLANS if quick else PLANS
    if name in plans:
        return run(plans[name], seed=sorted(plans).index(name))
    found = suffer(3 if quick else DEMO_KILLS)
    return Report(
        found.killed,
        found.searches,
        found.unfinished,
        found.lost,
        found.duplicated,
        found.different,
        tuple(found.resume_s),
    )


def measure(*, quick: bool) -> list[Figure]:
    """Return what the kills did: over synthetic searches on both databases, and over real ones."""
    names = tuple(QUICK_PLANS) if quick else (*PLANS, "demo")
    reports = {}
    for name in names:
        known = None if quick else _kept(name)
        reports[name] = known or _keep(name, run_part(name, quick=quick), quick)
    synthetic_runs = [report for name, report in reports.items() if name != "demo"]
    pace_s = QUICK_PLANS["postgres"].pause_s if quick else PACE_S
    figures = _figures("", synthetic_runs, pace_s)
    return figures + ([] if quick else _figures("demo_", [reports["demo"]], None))


def _figures(prefix: str, reports: Sequence[Report], pace_s: float | None) -> list[Figure]:
    killed = sum((report.killed for report in reports), Counter())
    resumed = sorted(second for report in reports for second in report.resume_s)
    detail = ", ".join(f"{count} {kind}" for kind, count in sorted(killed.items()))
    faults = "; ".join(fault for report in reports for fault in report.faults)

    def total(name: str) -> float:
        return float(sum(getattr(report, name) for report in reports))

    figures = [
        Figure(f"{prefix}kills", float(sum(killed.values())), "SIGKILLs", detail=detail),
        Figure(f"{prefix}searches", total("searches"), "searches"),
        Figure(f"{prefix}unfinished", total("unfinished"), "searches", detail=faults),
        Figure(f"{prefix}lost", total("lost"), "evaluations"),
        Figure(f"{prefix}duplicated", total("duplicated"), "evaluations"),
        Figure(f"{prefix}fronts_different", total("different"), "fronts"),
    ]
    if resumed:
        detail = f"{len(resumed)} deaths of workers and raylets that interrupted a search"
        detail += "" if pace_s is None else f", a kill each {pace_s:g} s"
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            value = resumed[min(len(resumed) - 1, int(share * len(resumed)))]
            figures.append(Figure(f"{prefix}kill_to_resume_{name}_s", value, "s", detail=detail))
    return figures


def _kept(name: str) -> Report | None:
    """Return a part that was measured lately, so that an interrupted run goes on where it was."""
    path = PARTS / f"{name}.json"
    if not path.exists() or time.time() - path.stat().st_mtime > KEPT_S:
        return None
    record = json.loads(path.read_text())
    killed, resumed, faults = Counter(record.pop("killed")), record.pop("resume_s"), record.pop("faults")
    return Report(killed=killed, resume_s=tuple(resumed), faults=tuple(faults), **record)


def _keep(name: str, report: Report, quick: bool) -> Report:
    if not quick:
        PARTS.mkdir(parents=True, exist_ok=True)
        (PARTS / f"{name}.json").write_text(json.dumps(vars(report)))
    return report


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        part = _keep(sys.argv[2], run_part(sys.argv[2], quick=False), quick=False)
        for figure in _figures("", [part], PACE_S if sys.argv[2] in PLANS else None):
            print(f"{figure.name:24} {figure.value:8.1f} {figure.unit:12} {figure.detail}")
    else:
        form.main("chaos", measure)
