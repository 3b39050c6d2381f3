"""Normalisation of one tensor by batch or by group statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_space.op import Op, Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class Norm(Op):
    """A normalisation with learned scale and shift.

    Attributes:
        form: batch, frozen (statistics never updated), sync (statistics over all workers) or group.
        groups: channel groups of `group`.
        eps: added to the variance.
        momentum: share of the newest batch in the running statistics.
    """

    kind: ClassVar[str] = "norm"

    form: Literal["batch", "frozen", "sync", "group"] = "batch"
    groups: int = 32
    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        require(self.groups > 0, f"norm: groups must be positive, got {self.groups}")

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the input's shape."""
        channels = inputs[0].channels
        require(
            self.form != "group" or channels % self.groups == 0,
            f"norm: {self.groups} groups do not divide {channels} channels",
        )
        return inputs[0]

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return `weight` and `bias`, one number a channel."""
        return {"weight": (inputs[0].channels,), "bias": (inputs[0].channels,)}

    def buffers(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return the running mean and variance of batch statistics."""
        if self.form == "group":
            return {}
        return {"running_mean": (inputs[0].channels,), "running_var": (inputs[0].channels,)}
