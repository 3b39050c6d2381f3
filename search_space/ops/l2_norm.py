"""Normalisation of each pixel's vector of channels to a learned length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape


@dataclass(frozen=True, kw_only=True)
class L2Norm(Op):
    """`weight * x / (|x| + eps)`, the length taken over channels (ParseNet, Liu et al. 2015).

    Attributes:
        scale: initial weight of each channel.
        eps: added to the length.
    """

    kind: ClassVar[str] = "l2_norm"

    scale: float = 20.0
    eps: float = 1e-10

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return `weight`, one number a channel."""
        return {"weight": (inputs[0].channels,)}
