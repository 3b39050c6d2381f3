"""How many necks of a space are put together at once: fragments of graphs, the same ones wired differently.

A space that builds its necks of fragments can lay out thousands of genotypes with a few array operations
each; whoever counts something over their nodes looks at every distinct fragment only once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search_space.architecture import Input, Node

Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Fragment:
    """A piece of a neck between tensors that it reads and tensors that it offers.

    Attributes:
        inputs: what it reads; the rest of the neck decides what arrives there.
        nodes: in topological order.
        outputs: ids of its nodes or inputs.
    """

    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]


Build = Callable[[tuple[int, ...]], Fragment]
"""Makes the fragment of a key, the same one whenever it is asked."""


class Tape(Protocol):
    """Receives the fragments of N necks in the order of execution.

    A tensor of N necks is a vector of N numbers that only the tape understands, of which two of one neck are
    equal only where they are the same tensor.
    """

    @property
    def features(self) -> Indices:
        """The backbone's feature maps, (inputs, N)."""

    def lay(
        self, site: str, keys: Sequence[Indices], build: Build, inputs: Indices, where: Mask | None = None
    ) -> Indices:
        """Lay out a fragment in each neck and return its outputs (outputs, N).

        Args:
            site: of the fragments with these keys; those of one site have equally many outputs.
            keys: what tells the fragments of a site apart, each (N,).
            build: makes the fragment of a key.
            inputs: (at least as many as the fragment has, N).
            where: (N,) necks to which it is added; the outputs of the others mean nothing.
        """


def packed(values: Indices, present: Mask) -> tuple[Indices, Indices]:
    """Return the present ones of (K, N) values first, in their order, and how many there are (N,).

    Zeros stand where there are fewer than K.
    """
    after = present.cumsum(axis=0)
    rows, columns = np.nonzero(present)
    made = np.zeros_like(values)
    made[after[rows, columns] - 1, columns] = values[rows, columns]
    return made, present.sum(axis=0)
