"""A sum with one learned, normalised weight an input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_space.fusion import ElementwiseFusion
from search_space.op import Shape


@dataclass(frozen=True, kw_only=True)
class WeightedSum(ElementwiseFusion):
    """BiFPN's fusion (EfficientDet, Tan et al. 2020, section 3.3).

    Attributes:
        form: fast: relu(w) / (sum of relu(w) + eps); softmax: softmax(w).
        eps: of the fast form.
    """

    kind: ClassVar[str] = "weighted_sum"

    form: Literal["fast", "softmax"] = "fast"
    eps: float = 1e-4

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return `weight`, one number an input."""
        return {"weight": (len(inputs),)}
