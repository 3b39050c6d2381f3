"""Every neck of the demo's space, scored once by the weights of the trained demo supernet.

`python -m benchmarks.landscapes.tabulate` made the file.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluators.score import Score
from search.evaluation import Genotype
from search.execution import Evaluator
from search.objectives import Objective
from search.pareto import front
from search.problem import Problem
from search.strategies.exhaustive import everything
from search_space.architecture import Architecture
from search_space.space import Space

DATA = Path(__file__).parents[1] / "data" / "demo_necks.json.gz"
IMAGE = (128, 128)
SIXTH: Mapping[str, Sequence[str | int]] = {"places": ["inside"], "widths": [16, 32]}
"""A sixth of it: the activation stays inside the fused operation, and the widest necks are left out."""


@dataclass(frozen=True, eq=False)
class Table:
    """The stored scores of every neck of a space.

    Attributes:
        space: the demo's, or a part of it.
        keys: of each canonical genotype.
        columns: AP, loss, MACs, parameters and predicted latency by name, as (N,) in the order of `keys`.
    """

    space: Space
    keys: dict[Genotype, str]
    columns: dict[str, NDArray[np.float64]]

    @staticmethod
    def read(path: Path = DATA) -> "Table":
        """Return the stored table."""
        content = json.loads(gzip.decompress(path.read_bytes()))
        space = Space.load(content["space"])
        keys = {genotype: space.architecture(genotype).key for genotype in everything(space)}
        rows = np.array(content["rows"], dtype=np.float64)
        assert len(rows) == len(keys) == len(set(keys.values())), f"{len(rows)} rows, {len(keys)} necks"
        return Table(space, keys, dict(zip(content["columns"], rows.T, strict=True)))

    def narrowed(self, choices: Mapping[str, Sequence[str | int]]) -> "Table":
        """Return the part of it that has only some of the choices, by option of the space."""
        space = Space.load({**self.space.spec(), **choices})
        keys = {genotype: space.architecture(genotype).key for genotype in everything(space)}
        rows = [self.places[key] for key in keys.values()]
        return Table(space, keys, {name: column[rows] for name, column in self.columns.items()})

    @cached_property
    def places(self) -> dict[str, int]:
        """The row of each key."""
        return {key: row for row, key in enumerate(self.keys.values())}

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """(-AP, MACs) of every neck (N, 2)."""
        return np.column_stack([-self.columns["ap"], self.columns["macs"]])

    def problem(self, *, seed: int, reference: tuple[float, float]) -> Problem:
        """Return the search for a high AP and few MACs."""
        return Problem(
            self.space,
            (Objective("ap"), Objective("macs")),
            seed=seed,
            cheap=self.cheap,
            reference=reference,
            shortcut=lambda genotype: (self.keys[genotype], self._macs(self.keys[genotype])),
        )

    def cheap(self, architecture: Architecture) -> tuple[Score, ...]:
        """Return the MACs of a neck."""
        return self._macs(architecture.key)

    def _macs(self, key: str) -> tuple[Score, ...]:
        return (Score("macs", float(self.columns["macs"][self.places[key]]), "MACs", "counted"),)

    def __call__(self) -> Evaluator:
        """Return the evaluator, which looks the AP up."""
        ap = self.columns["ap"]
        return lambda graph: (Score("ap", float(ap[self.places[graph.key]]), "1", "inherited"),)

    def references(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return a wide reference point, behind nearly all, and a tight one, behind the middle third of
        the front.
        """
        ap, macs = self.columns["ap"], self.columns["macs"]
        wide = (float(np.quantile(ap, 0.02)), float(macs.max() * 1.02))
        best = self.points[front(self.points)]
        best = best[np.argsort(best[:, 1])]
        low, high = best[len(best) // 3], best[2 * len(best) // 3]
        return wide, (float(-low[0]), float(high[1]))
