"""How few evaluations each strategy needs, what the search itself costs, and what kills do to it.

The races are long and kept: `python -m benchmarks.landscapes.races` runs what
`benchmarks/data/search_curves.json.gz` lacks, on (a) a table of every neck of a narrowed fusion grid
scored by a trained supernet (`benchmarks.landscapes.tabulate`) and (b) a synthetic space of known front
(`benchmarks.landscapes.stacked`), five seeds each. This benchmark judges the stored curves, draws them,
and measures everything else anew.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import form
from benchmarks.form import Figure, Target
from benchmarks.landscapes import races
from benchmarks.landscapes.drawing import draw
from benchmarks.landscapes.kills import suffer
from benchmarks.landscapes.paces import (
    infeasible_s,
    overhead_ms,
    predicted_front_s,
    ray_added_ms,
    ray_speedup,
)
from benchmarks.landscapes.races import Curve

SEEDS = races.SEEDS
PLOT = form.RESULTS / "search.svg"
BUDGET = 500
"""Evaluations after which `nsga2` sets the mark."""
ABOVE = 30
"""Budgets from which on the default may never be worse than random draws."""

TARGETS = {
    **{f"surrogate_median_{p}_{r}": Target("<=", 62) for p in ("table",) for r in ("wide", "tight")},
    **{f"surrogate_worst_{p}_{r}": Target("<=", 125) for p in ("table",) for r in ("wide", "tight")},
    "surrogate_over_random_table": Target(">=", 0.0),
    "linas_speedup_table": Target(">=", 1.6),
    "overhead_nsga2_ms": Target("<=", 10.0),
    "overhead_surrogate_ms": Target("<=", 100.0),
    "ray_speedup_of_two": Target(">=", 1.7),
    "ray_added_ms": Target("<=", 2.0),
    "killed_searches_that_differ": Target("<=", 0),
    "predicted_front_s": Target("<=", 5.0),
    "infeasible_s": Target("<=", 5.0),
}


def measure(*, quick: bool) -> list[Figure]:
    """Return every figure; a quick run races one cheap pair and kills one search once."""
    figures = [*_paces(quick=quick), *_kills(quick=quick)]
    curves = [races.race("synthetic", name, 0) for name in ("random", "surrogate")] if quick else races.read()
    if not quick:
        draw(curves, PLOT)
    return [*_races(curves, quick=quick), *figures]


def _races(curves: Sequence[Curve], *, quick: bool) -> Iterator[Figure]:
    for problem in dict.fromkeys(curve.problem for curve in curves):
        own = [curve for curve in curves if curve.problem == problem]
        yield _over_random(own, problem)
        if quick:
            continue
        for reference in ("wide", "tight"):
            mark = float(np.median([getattr(curve, reference)[BUDGET - 1] for curve in _of(own, "nsga2")]))
            for entrant in races.ENTRANTS:
                yield from _needed(_of(own, entrant), f"{problem}_{reference}", reference, mark)
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
    detail = f"mark {mark:.3f} of the true hypervolume; seeds need {needed}"
    detail += f", {missed} of them more than the {run} they were given" if missed else ""
    median = float(np.median(needed))
    yield Figure(f"{entrant}_median_{name}", median, "evaluations", None, detail, float(low), float(high))
    yield Figure(f"{entrant}_worst_{name}", float(max(needed)), "evaluations")


def first(volumes: Sequence[float], mark: float) -> int:
    """Return after how many evaluations `mark` is reached; one more than there are where it is not."""
    return next((count for count, volume in enumerate(volumes, 1) if volume >= mark), len(volumes) + 1)


def _over_random(curves: Sequence[Curve], problem: str) -> Figure:
    """Return the least lead of the default over random draws, medians, at any budget above `ABOVE`."""
    ours, draws = (
        np.median([curve.wide[:125] for curve in _of(curves, name)], axis=0)
        for name in ("surrogate", "random")
    )
    lead = float((ours - draws)[ABOVE:].min())
    unit = "of the true hypervolume"
    return Figure(f"surrogate_over_random_{problem}", lead, unit, detail="wide, budgets of 31 to 125")


def _linas(curves: Sequence[Curve], problem: str) -> Figure:
    """Return how many times fewer evaluations LINAS needs for what NSGA-II has after `BUDGET`; 0 where the
    median seed never gets there.
    """
    mark = float(np.median([curve.wide[BUDGET - 1] for curve in _of(curves, "nsga2")]))
    runs = [curve.wide for curve in _of(curves, "linas")]
    needed = [float(first(run, mark)) if run[-1] >= mark else np.inf for run in runs]
    detail = f"published 1.6 to 2.1; wide; seeds need {needed}, inf: more than they were given"
    return Figure(f"linas_speedup_{problem}", BUDGET / float(np.median(needed)), "times", detail=detail)


def _paces(*, quick: bool) -> Iterator[Figure]:
    count = 400 if quick else 2000
    yield Figure("overhead_nsga2_ms", overhead_ms("nsga2", count), "ms", detail=f"CPU, {count} evaluations")
    count = 60 if quick else 200
    yield Figure(
        "overhead_surrogate_ms", overhead_ms("surrogate", count), "ms", detail=f"CPU, {count} evaluations"
    )
    yield Figure("infeasible_s", infeasible_s(), "s", detail="full fusion grid, MACs below the smallest")
    detail = "300 archived, another device; without the service"
    yield Figure("predicted_front_s", predicted_front_s(), "s", detail=detail)
    speedup = ray_speedup(40 if quick else 200)
    yield Figure("ray_speedup_of_two", speedup, "times", detail="two actors over one, 20 ms of work each")
    count = 500 if quick else 5000
    yield Figure("ray_added_ms", ray_added_ms(count), "ms", detail=f"{count} of 1 ms on one actor")


def _kills(*, quick: bool) -> Iterator[Figure]:
    searches, each = (1, 1) if quick else (4, 5)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        damages = [suffer(Path(folder), each, seed) for seed in range(searches)]
    kills = {name: sum(damage.kills[name] for damage in damages) for name in damages[0].kills}
    bad = [d for d in damages if d.lost or d.doubled or not d.same_front]
    detail = f"{kills} over {searches} searches of 120 evaluations, {time.monotonic() - began:.0f} s"
    yield Figure("killed_searches_that_differ", float(len(bad)), "searches", detail=detail)


if __name__ == "__main__":
    form.main("search", measure)
