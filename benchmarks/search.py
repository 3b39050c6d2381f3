"""How few evaluations each strategy needs, what the search itself costs, and what kills do to it.

Every strategy runs with five seeds that nothing was developed on (400 to 404; 0 to 4, 100 to 119, 200 to 204
and 300 to 304 were used before) on (a) a table of every neck of the demo's space, scored by the trained demo
supernet (`benchmarks.landscapes.tabulate` made it) and (b) a synthetic space of known front
(`benchmarks.landscapes.stacked`); four of them also on the sixth of (a) that used to be the table, where
500 evaluations are 16 % of all necks. LINAS is run as it was published too, 12 seeds, beside its NSGA-II on
(b). Then the overheads are measured, and searches on Ray are killed twenty times. About 35 minutes on two
cores; an interrupted run goes on where it stopped, in `.cache/benchmarks`.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import form
from benchmarks.form import Figure, Target
from benchmarks.landscapes import races, reproduction
from benchmarks.landscapes.drawing import draw
from benchmarks.landscapes.kills import suffer
from benchmarks.landscapes.paces import (
    busy_share,
    infeasible_s,
    overhead_ms,
    predicted_front_s,
    ray_added_ms,
    ray_speedup,
)
from benchmarks.landscapes.parts import Parts
from benchmarks.landscapes.races import Curve
from benchmarks.landscapes.reproduction import TACTICS, Run

SEEDS = races.SEEDS
PLOT = form.RESULTS / "search.svg"
BUDGET = 500
"""Evaluations after which `nsga2` sets the mark."""
EIGHTH = 62
"""Evaluations within which the default should be there: 8 times fewer."""
ABOVE = 30
"""Budgets from which on the default may never be worse than random draws."""
SEARCHES, KILLS = 4, 5
"""Searches that are killed, and how often each."""

TARGETS = {
    **{f"surrogate_median_table_{reference}": Target("<=", EIGHTH) for reference in ("wide", "tight")},
    **{f"surrogate_worst_table_{reference}": Target("<=", 125) for reference in ("wide", "tight")},
    "surrogate_over_random_table": Target(">=", 0.0),
    "surrogate_over_random_synthetic": Target(">=", 0.0),
    "linas_speedup_synthetic": Target(">=", reproduction.PUBLISHED[0]),
    "linas_published_low": Target("<=", reproduction.PUBLISHED[0]),
    "linas_published_high": Target(">=", reproduction.PUBLISHED[1]),
    "overhead_nsga2_ms": Target("<=", 10.0),
    "overhead_surrogate_ms": Target("<=", 100.0),
    "surrogate_busy_share": Target(">=", 0.95),
    "ray_speedup_of_two": Target(">=", 1.7),
    "ray_added_ms": Target("<=", 2.0),
    "kills": Target(">=", SEARCHES * KILLS),
    "killed_searches_that_differ": Target("<=", 0),
    "infeasible_s": Target("<=", 5.0),
}


def measure(*, quick: bool) -> list[Figure]:
    """Return every figure; a quick run races one cheap pair and kills one search once."""
    if quick:
        curves = [races.race("synthetic", name, 0) for name in ("random", "surrogate")]
        with tempfile.TemporaryDirectory(prefix="parts-") as folder:
            parts = Parts(Path(folder))
            return [_over_random(curves, "synthetic"), *_paces(parts, quick=True), *_kills(parts, 1, 1)]
    parts = Parts()
    curves = races.every(parts)
    races.write(curves)
    draw(curves, PLOT)
    reproduced = reproduced_linas(reproduction.all_runs(parts))
    paces = _paces(parts, quick=False)
    return [*_races(curves), *reproduced, *paces, *_kills(parts, SEARCHES, KILLS)]


def _races(curves: Sequence[Curve]) -> Iterator[Figure]:
    for problem in dict.fromkeys(curve.problem for curve in curves):
        own = [curve for curve in curves if curve.problem == problem]
        yield _over_random(own, problem)
        for reference in ("wide", "tight"):
            mark = float(np.median([getattr(curve, reference)[BUDGET - 1] for curve in _of(own, "nsga2")]))
            for entrant in races.ENTRANTS:
                yield from _needed(_of(own, entrant), f"{problem}_{reference}", reference, mark)
            yield held(_of(own, "surrogate"), f"{problem}_{reference}", reference)
        if _of(own, "linas"):
            yield _linas(own, problem)


def _of(curves: Sequence[Curve], entrant: str) -> list[Curve]:
    return [curve for curve in curves if curve.entrant == entrant]


def _needed(curves: Sequence[Curve], name: str, reference: str, mark: float) -> Iterator[Figure]:
    """Yield the median and the worst number of evaluations that reach `mark`; one more than run where
    none does.
    """
    if not curves:
        return
    needed = [first(getattr(curve, reference), mark) for curve in curves]
    low, high = np.quantile(needed, [0.25, 0.75])
    entrant, run = curves[0].entrant, len(curves[0].wide)
    missed = sum(count > run for count in needed)
    detail = f"mark {mark:.5f} of the true hypervolume; seeds need {needed}"
    detail += f", {missed} of them more than the {run} they were given" if missed else ""
    median = float(np.median(needed))
    yield Figure(f"{entrant}_median_{name}", median, "evaluations", None, detail, float(low), float(high))
    yield Figure(f"{entrant}_worst_{name}", float(max(needed)), "evaluations")


def first(volumes: Sequence[float], mark: float) -> int:
    """Return after how many evaluations `mark` is reached; one more than there are where it is not."""
    return next((count for count, volume in enumerate(volumes, 1) if volume >= mark), len(volumes) + 1)


def held(curves: Sequence[Curve], name: str, reference: str) -> Figure:
    """Return what part of the true hypervolume the default holds after `EIGHTH` evaluations."""
    parts = [getattr(curve, reference)[EIGHTH - 1] for curve in curves]
    low, middle, high = np.quantile(parts, [0.25, 0.5, 0.75]).tolist()
    detail = f"after {EIGHTH} evaluations; seeds hold {parts}"
    return Figure(
        f"surrogate_held_{name}", middle, "of the true hypervolume", detail=detail, low=low, high=high
    )


def _over_random(curves: Sequence[Curve], problem: str) -> Figure:
    """Return the least lead of the default over random draws, medians, at any budget above `ABOVE`."""
    leads = []
    for reference in ("wide", "tight"):
        ours, draws = (
            np.median([getattr(curve, reference)[:140] for curve in _of(curves, name)], axis=0)
            for name in ("surrogate", "random")
        )
        leads.append(float((ours - draws)[ABOVE:].min()))
    detail = f"budgets of 31 to 140; wide {leads[0]:.3f}, tight {leads[1]:.3f}"
    return Figure(f"surrogate_over_random_{problem}", min(leads), "of the true hypervolume", detail=detail)


def _linas(curves: Sequence[Curve], problem: str) -> Figure:
    """Return how many times fewer evaluations LINAS needs for what DyNAS-T's NSGA-II has after `BUDGET`; 0
    where the median seed never gets there.
    """
    mark = float(np.median([curve.wide[BUDGET - 1] for curve in _of(curves, "nsga2_published")]))
    runs = [curve.wide for curve in _of(curves, "linas")]
    needed = [float(first(run, mark)) if run[-1] >= mark else np.inf for run in runs]
    ours = [first(curve.wide, mark) for curve in _of(curves, "nsga2")]
    detail = (
        f"the strategy, which refuses repeats; wide, mark {mark:.3f}; seeds need {needed}, inf: more than "
    )
    detail += f"they were given; our nsga2 needs {ours}"
    return Figure(f"linas_speedup_{problem}", BUDGET / float(np.median(needed)), "times", detail=detail)


def reproduced_linas(runs: Sequence[Run]) -> list[Figure]:
    """Return the speed-up of LINAS as published, and between what ends single runs put it."""
    table = reproduction.speedups(runs)
    low, middle, high = (float(part) for part in np.quantile(table, [0.05, 0.5, 0.95]))
    ends = reproduction.median_interval(table)
    repeats = {tactic: np.mean([run.repeats for run in runs if run.tactic == tactic]) for tactic in TACTICS}
    detail = f"{len(table)} runs of each as its logs were made, {reproduction.MARK} evaluations of NSGA-II; "
    detail += f"single runs, published: {reproduction.PUBLISHED}; repeats: "
    detail += ", ".join(f"{tactic} {share:.3f}" for tactic, share in repeats.items())
    ninety = "nine of ten single runs of LINAS beside one of NSGA-II"
    return [
        Figure("linas_published_speedup", middle, "times", detail=detail, low=ends[0], high=ends[1]),
        Figure("linas_published_low", low, "times", detail=f"{ninety}: lower end"),
        Figure("linas_published_high", high, "times", detail=f"{ninety}: upper end"),
    ]


def _paces(parts: Parts, *, quick: bool) -> Iterator[Figure]:
    many, few, shared = (400, 60, 40) if quick else (2000, 200, 200)
    calls, times = (500, 1) if quick else (5000, 3)

    def overhead(strategy: str, evaluations: int) -> float:
        """Measure in processes of their own: what one run has cached must not help the next."""
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            return median(pool.map(overhead_ms, [strategy] * times, [evaluations] * times))

    measured: Mapping[str, tuple[Callable[[], float], str, str]] = {
        "overhead_nsga2_ms": (
            lambda: overhead("nsga2", many),
            "ms",
            f"CPU, {many} evaluations, median of {times}",
        ),
        "overhead_surrogate_ms": (
            lambda: overhead("surrogate", few),
            "ms",
            f"CPU, {few} evaluations, median of {times}",
        ),
        "infeasible_s": (infeasible_s, "s", "full fusion grid, MACs below the smallest"),
        "predicted_front_s": (predicted_front_s, "s", "300 archived, another device; the search alone"),
        "surrogate_busy_share": (lambda: busy_share(few), "1", "of two workers' time, 0.25 s an evaluation"),
        "ray_speedup_of_two": (
            lambda: ray_speedup(shared),
            "times",
            "two actors over one, 20 ms of work each",
        ),
        "ray_added_ms": (lambda: ray_added_ms(calls), "ms", f"{calls} of 1 ms on one actor"),
    }
    for name, (take, unit, detail) in measured.items():
        yield Figure(
            name, parts.once(name, take, model="nsga2" not in name and "ray" not in name), unit, detail=detail
        )


def _kills(parts: Parts, searches: int, each: int) -> Iterator[Figure]:
    damages: list[dict[str, Any]] = []
    for seed in range(searches):
        with tempfile.TemporaryDirectory(prefix="kills-") as folder:
            root = Path(folder)
            take = partial(suffer, root, each, seed)
            damages.append(parts.once(f"kills_{seed}", lambda: asdict(take()), model=False))  # noqa: B023
    kills = {name: sum(damage["kills"][name] for damage in damages) for name in damages[0]["kills"]}
    bad = [d for d in damages if d["lost"] or d["doubled"] or not d["same_front"]]
    detail = f"{kills} in {searches} searches of 120 evaluations"
    yield Figure("kills", float(sum(kills.values())), "processes", detail=detail)
    lost, doubled = (sum(damage[name] for damage in damages) for name in ("lost", "doubled"))
    detail = f"{lost} evaluations lost, {doubled} twice, {sum(d['seconds'] for d in damages):.0f} s"
    yield Figure("killed_searches_that_differ", float(len(bad)), "searches", detail=detail)


if __name__ == "__main__":
    form.main("search", measure)
