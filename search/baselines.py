"""The published necks that a search is compared with, in the same run."""

from dataclasses import dataclass

from search.evaluation import Genotype
from search_space.architecture import Architecture


@dataclass(frozen=True)
class Baseline:
    """A published neck at the width that the space has for it.

    Attributes:
        name: as in `search_space.reference`.
        architecture: its graph.
        genotype: its place in the space; None where it is outside, so that inherited weights cannot score it.
    """

    name: str
    architecture: Architecture
    genotype: Genotype | None = None

    @property
    def origin(self) -> str:
        """What its evaluation is marked with."""
        return f"baseline:{self.name}"
