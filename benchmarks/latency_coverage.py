"""How often intervals hold over many draws of the necks that were measured.

One draw of 30 calibration necks and 100 held-out ones says little: its coverage has a standard error of .05.
So every session's necks are split again and again: the designed ones stay, and which of the others are
measured for the predictor and which are held out is drawn anew.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.form import Figure
from benchmarks.latency_necks import BUDGETS, DRAWN, Floats, Trial
from evaluators.latency.predictor import Predictor, fit_totals


def fitted(found: Trial, necks: Sequence[int], drawn: Sequence[bool]) -> Predictor:
    """Return the predictor of some of a trial's training necks, or of any of its necks.

    Args:
        found: the trial.
        necks: of its `every`, training necks first.
        drawn: which of them were drawn at random.
    """
    return fit_totals(
        [found.every[index] for index in necks],
        found.every_label[list(necks)].tolist(),
        fingerprint=found.session.fingerprint,
        lowering=found.device.lowering,
        typical=drawn,
    )


def by_size(held: NDArray[Any], truth: Floats) -> list[float]:
    """Return the share of necks whose interval held, by decile from the fastest to the slowest."""
    return [float(held[part].mean()) for part in np.array_split(np.argsort(truth), 10)]


def over_splits(trials: Sequence[Trial], name: str, *, splits: int) -> list[Figure]:
    """Return the coverage of nominal 90 % intervals over random splits of each session's necks."""
    figures = []
    for budget in BUDGETS:
        rng = np.random.default_rng(budget)
        made = [_split(found, budget, rng) for found in trials for _ in range(splits)]
        covered = np.array([np.mean(deciles) for deciles in made])
        deciles = np.mean(made, axis=0)
        detail = f"{len(made)} splits, standard deviation {covered.std():.3f}"
        figures.append(
            Figure(f"{name}_{budget}_coverage_over_splits", float(covered.mean()), "1", detail=detail)
        )
        listed = " ".join(f"{value:.2f}" for value in deciles)
        worst = f"{name}_{budget}_coverage_over_splits_worst_decile"
        figures.append(Figure(worst, float(deciles.min()), "1", detail=f"fastest to slowest: {listed}"))
    return figures


def _split(found: Trial, budget: int, rng: np.random.Generator) -> list[float]:
    """Return the coverage by decile of one draw of what is measured and what is held out."""
    drawn = DRAWN[:budget]
    designed = [index for index in range(budget) if not drawn[index]]
    others = [index for index in range(len(found.every)) if index >= len(DRAWN) or DRAWN[index]]
    mixed = rng.permutation(others).tolist()
    count = budget - len(designed)
    chosen, rest = [*designed, *mixed[:count]], mixed[count : count + len(found.test)]
    model = fitted(found, chosen, [False] * len(designed) + [True] * count)
    every, truth = [found.every[index] for index in rest], found.every_label[rest]
    times = model.predict_totals(every)
    held = np.abs(np.log(truth / times)) <= model.half_widths(every, times, 0.9)
    return by_size(held, truth)
