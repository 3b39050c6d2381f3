"""NAS-FPN's global-pooling gate of one input by the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_space.fusion import ElementwiseFusion
from search_space.op import Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class Gate(ElementwiseFusion):
    """`first + second * sigmoid(global pool of first)`: the first input gates the second.

    Attributes:
        form: max (TensorFlow's) or avg (mmdetection's) global pooling.
    """

    kind: ClassVar[str] = "gate"

    form: Literal["max", "avg"] = "max"

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the common shape of exactly two inputs."""
        require(len(inputs) == 2, f"gate: takes two inputs, got {len(inputs)}")
        return super().infer(inputs, size)
