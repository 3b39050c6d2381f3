"""Curves of hypervolume against evaluations, medians with quartiles, as one SVG."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from benchmarks.landscapes.races import ENTRANTS, Curve

TITLES = {
    "table": "every neck of the demo's space",
    "sixth": "a sixth of the demo's space",
    "synthetic": "synthetic space",
}


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Write one panel a problem and reference point."""
    problems = list(dict.fromkeys(curve.problem for curve in curves))
    figure, panels = plt.subplots(len(problems), 2, figsize=(11, 4 * len(problems)), squeeze=False)
    for row, problem in zip(panels, problems, strict=True):
        for panel, reference in zip(row, ("wide", "tight"), strict=True):
            _panel(panel, [curve for curve in curves if curve.problem == problem], reference)
            panel.set_title(f"{TITLES[problem]}, {reference} reference point", fontsize=9)
    panels[0][0].legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _panel(panel: Axes, curves: Sequence[Curve], reference: str) -> None:
    for number, entrant in enumerate(ENTRANTS):
        runs = [getattr(curve, reference) for curve in curves if curve.entrant == entrant]
        if not runs:
            continue
        length = min(map(len, runs))
        low, middle, high = np.quantile([run[:length] for run in runs], [0.25, 0.5, 0.75], axis=0)
        steps = np.arange(1, length + 1)
        panel.plot(steps, middle, color=f"C{number}", label=entrant, linewidth=1.2)
        panel.fill_between(steps, low, high, color=f"C{number}", alpha=0.15, linewidth=0)
    panel.set_xscale("log")
    panel.set_xlim(left=8)
    panel.set_xlabel("evaluations")
    panel.set_ylabel("part of the true hypervolume")
