"""Every neck of a narrowed fusion grid, scored once by the weights of a trained supernet.

`python -m benchmarks.landscapes.tabulate` made the file and says how.
"""

import gzip
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluators.score import Score
from search.execution import Evaluator
from search.objectives import Objective
from search.problem import Problem
from search.strategies.exhaustive import everything
from search_space.architecture import Architecture
from search_space.space import Space

DATA = Path(__file__).parents[1] / "data" / "fusion_grid_digits.json.gz"
IMAGE = (128, 128)


@dataclass(frozen=True)
class Table:
    """The stored scores of every neck of a space.

    Attributes:
        space: the narrowed grid.
        losses: on validation images by inherited weights, by key.
        costs: MACs by key.
    """

    space: Space
    losses: dict[str, float]
    costs: dict[str, float]

    @staticmethod
    def read(path: Path = DATA) -> "Table":
        """Return the stored table."""
        content = json.loads(gzip.decompress(path.read_bytes()))
        space = Space.load(content["space"])
        graphs = [space.architecture(genotype) for genotype in everything(space)]
        column = content["columns"].index("val_loss")
        losses = {graph.key: float(row[column]) for graph, row in zip(graphs, content["rows"], strict=True)}
        return Table(space, losses, {graph.key: float(graph.macs(IMAGE)) for graph in graphs})

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """(loss, MACs) of every neck (N, 2)."""
        return np.array([(value, self.costs[key]) for key, value in self.losses.items()])

    def problem(self, *, seed: int, reference: tuple[float, float]) -> Problem:
        """Return the search for a low loss and few MACs."""
        return Problem(
            self.space,
            (Objective("val_loss"), Objective("macs")),
            seed=seed,
            cheap=self.cheap,
            reference=reference,
        )

    def cheap(self, architecture: Architecture) -> tuple[Score, ...]:
        """Return the MACs of a neck."""
        return (Score("macs", self.costs[architecture.key], "MACs", "counted"),)

    def __call__(self) -> Evaluator:
        """Return the evaluator, which looks the loss up."""
        return lambda graph: (Score("val_loss", self.losses[graph.key], "1", "inherited"),)

    def references(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return a wide reference point, behind nearly everything, and a tight one around the front's
        middle.
        """
        losses, macs = self.points.T
        wide = (float(np.quantile(losses, 0.98)), float(macs.max() * 1.02))
        tight = (float(np.quantile(losses, 0.25)), float(np.quantile(macs, 0.35)))
        return wide, tight
