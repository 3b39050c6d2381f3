"""What the rows of the ranking benchmark say: rank correlations of each training beside trivial orders."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.form import Figure
from benchmarks.rows import Rows
from evaluators.rank_statistics import (
    Floats,
    Statistic,
    concordance,
    interval,
    regret,
    rho,
    standardised,
    tau,
    top_half,
)

TRUTH_SEEDS = (0, 1)
ADAPTED_STEPS = (50, 100)
"""Steps for a shortlist, and for its finalists."""
KINDS = {"loss": "negative validation loss", "ap": "validation AP"}
"""Scores; architectures are ordered by the first as inherited, by the second once adapted."""
EQUAL_MACS = 0.10
"""Two architectures have equal MACs where they differ by less than this share."""
TAU, OF_CEILING = 0.85, 0.9
"""The adapted tau reaches the first, or the second of what one training says of another."""


def figures(
    truth: Sequence[Mapping[str, Any]],
    scores: Rows,
    trainings: Rows,
    names: Sequence[str],
    prefix: str = "",
) -> list[Figure]:
    """Return all figures that the measured rows allow; those that need no supernet begin with `prefix`."""
    table = Table(truth)
    if len(table.keys) < 4:
        return []
    found = [replace(figure, name=prefix + figure.name) for figure in table.baselines()]
    for name in names:
        found += _training(name, [row for row in trainings.rows if row["training"] == name])
        for source in ("inherited", *(f"adapted{steps}" for steps in ADAPTED_STEPS)):
            columns = {kind: table.columns(scores, name, source, kind) for kind in KINDS}
            found += table.judged(f"{name}_{source}", columns) if columns["loss"] else []
    return found


def _training(name: str, trainings: Sequence[Mapping[str, Any]]) -> Iterator[Figure]:
    if trainings:
        seconds = [row["steps"] * row["cpu_ms_a_step"] / 1e3 for row in trainings]
        detail = f"{trainings[0]['steps']} steps, {len(trainings)} supernet seeds, one thread"
        yield Figure(f"{name}_seconds", float(np.mean(seconds)), "CPU s", detail=detail)


class Table:
    """The truth of the architectures that have both seeds, or one where no second is there yet."""

    def __init__(self, truth: Sequence[Mapping[str, Any]]) -> None:
        """Average over the seeds that all architectures have."""
        by_key: dict[str, dict[int, Mapping[str, Any]]] = {}
        for row in truth:
            by_key.setdefault(row["key"], {})[row["seed"]] = row
        seeds = [s for s in TRUTH_SEEDS if sum(s in found for found in by_key.values()) >= 8]
        self.seeds = seeds or [TRUTH_SEEDS[0]]
        self.keys = [key for key, found in by_key.items() if all(seed in found for seed in self.seeds)]
        self.runs = np.array([[by_key[key][seed]["ap"] for key in self.keys] for seed in self.seeds])
        self.truth: Floats = self.runs.mean(0) if len(self.keys) else np.zeros(0)
        first = [by_key[key][self.seeds[0]] for key in self.keys]
        self.width = np.array([row["width"] for row in first], dtype=np.float64)
        self.parameters = np.array([row["parameters"] for row in first], dtype=np.float64)
        self.macs = np.array([row["macs"] for row in first], dtype=np.float64)

    def columns(self, scores: Rows, name: str, source: str, kind: str) -> list[Floats]:
        """Return a score by each supernet that has it for every architecture; larger is better."""
        found: dict[int, dict[str, float]] = {}
        for row in scores.rows:
            if row["training"] == name and kind in row.get(source, {}):
                sign = -1 if kind == "loss" else 1
                found.setdefault(row["seed"], {})[row["key"]] = sign * row[source][kind]
        complete = [found[seed] for seed in sorted(found) if found[seed].keys() >= set(self.keys)]
        return [np.array([values[key] for key in self.keys]) for values in complete]

    def baselines(self) -> Iterator[Figure]:
        """Yield what needs no supernet: the spread of the truth, its ceiling, the trivial orders."""
        what = f"{len(self.keys)} architectures, truth seeds {len(self.seeds)}"
        yield Figure("architectures", len(self.keys), "", detail=what)
        yield Figure("truth_spread", float(np.ptp(self.truth)), "AP", detail=f"lowest {self.truth.min():.3f}")
        if len(self.seeds) > 1:
            noise = float((self.runs[0] - self.runs[1]).std() / np.sqrt(2))
            yield Figure("seed_noise", noise, "AP", detail="standard deviation of one training")
            one, other = self.runs[:2]
            told = "one seed against the other"
            yield self._figure("ceiling_tau", tau, one, other, told)
            yield self._figure("ceiling_within_width", concordance, one, other, told, self.width)
            yield self._figure("ceiling_equal_macs", concordance, one, other, told, self._equal_macs)
        for name, values in (("width", self.width), ("parameters", self.parameters), ("macs", self.macs)):
            yield self._figure(f"baseline_{name}_tau", tau, self.truth, values, f"ordered by {name} alone")
        equal = self._equal_macs
        yield self._figure("baseline_macs_equal_macs", concordance, self.truth, self.macs, "by MACs", equal)

    @property
    def _equal_macs(self) -> Floats:
        """Logarithms of the MACs, scaled so that equal means a difference under a half."""
        return np.asarray(np.log(self.macs) / (2 * np.log1p(EQUAL_MACS)))

    def judged(self, name: str, by_kind: Mapping[str, list[Floats]]) -> Iterator[Figure]:
        """Yield the figures of one kind of score, the mean over supernet seeds."""
        kind, other = KINDS if name.endswith("inherited") else reversed(KINDS)
        columns = by_kind[kind]
        several = f"{KINDS[kind]}, {len(columns)} supernet seeds"
        statistics: dict[str, tuple[Statistic, Floats | None]] = {
            "tau": (tau, None),
            "rho": (rho, None),
            "top_half": (top_half, None),
            "within_width": (concordance, self.width),
            "equal_macs": (concordance, self._equal_macs),
        }
        for label, (statistic, groups) in statistics.items():
            figure = self._mean(f"{name}_{label}", statistic, columns, several, groups)
            yield figure
            if label == "equal_macs" and figure.low is not None:
                yield Figure(f"{name}_equal_macs_low", figure.low, "", detail="lower end of the interval")
        if len(by_kind[other]) == len(columns):
            yield self._mean(f"{name}_by_{other}_tau", tau, by_kind[other], KINDS[other], None)
        with_macs = [standardised(column) + standardised(np.log(self.macs)) for column in columns]
        yield self._mean(f"{name}_with_macs_tau", tau, with_macs, "z(score) + z(log MACs)", None)
        if len(self.seeds) > 1:
            yield self._reach(name, float(np.mean([tau(self.truth, column) for column in columns])))
        lost = float(np.mean([regret(self.truth, column) for column in columns]))
        yield Figure(f"{name}_regret", lost, "AP", detail="AP lost by taking the best score")

    def _reach(self, name: str, value: float) -> Figure:
        """Return how far a tau comes on the easier of two ways: to 0.85, or to 0.9 of the ceiling."""
        ceiling = tau(self.runs[0], self.runs[1])
        parts = value / TAU, value / (OF_CEILING * ceiling)
        detail = (
            f"tau {value:.3f}: {parts[0]:.3f} of {TAU}; {value / ceiling:.3f} of the ceiling {ceiling:.3f}"
        )
        return Figure(f"{name}_reach", max(parts), "", detail=detail)

    def _mean(
        self, name: str, statistic: Statistic, columns: list[Floats], detail: str, groups: Floats | None
    ) -> Figure:
        made = [interval(statistic, self.truth, column, groups) for column in columns]
        ends = [float(np.mean([getattr(m, end) for m in made])) for end in ("value", "low", "high")]
        each = ", ".join(f"{m.value:.2f}" for m in made)
        return Figure(name, ends[0], "", detail=f"{detail}: {each}", low=ends[1], high=ends[2])

    def _figure(
        self,
        name: str,
        statistic: Statistic,
        truth: Floats,
        score: Floats,
        detail: str,
        groups: Floats | None = None,
    ) -> Figure:
        made = interval(statistic, truth, score, groups)
        return Figure(name, made.value, "", detail=detail, low=made.low, high=made.high)
