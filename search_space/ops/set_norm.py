"""Batch normalisation by the statistics of several tensors together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.errors import WidthMismatch
from search_space.op import Op, Shape, Size


@dataclass(frozen=True, kw_only=True)
class SetNorm(Op):
    """The first input, normalised by the mean and variance of the pixels of all (SEPC, Wang et al. 2020).

    The inputs may differ in size. One is needed for each level, all with one `share`; their order after the
    first does not matter.

    Attributes:
        updates: whether this one moves the running statistics; one of those that share them should.
        eps: added to the variance.
        momentum: share of the newest batch in the running statistics.
    """

    kind: ClassVar[str] = "set_norm"
    many: ClassVar[bool] = True

    updates: bool = True
    eps: float = 1e-5
    momentum: float = 0.1

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the first input's shape."""
        widths = [shape.channels for shape in inputs]
        if len(set(widths)) > 1:
            raise WidthMismatch(f"set_norm: inputs have {widths} channels; they must be equal")
        return inputs[0]

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return `weight` and `bias`, one number a channel."""
        return {"weight": (inputs[0].channels,), "bias": (inputs[0].channels,)}

    def buffers(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return the running mean and variance."""
        return {"running_mean": (inputs[0].channels,), "running_var": (inputs[0].channels,)}
