"""An element-wise activation."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from search_space.op import Op


@dataclass(frozen=True, kw_only=True)
class Act(Op):
    """An activation without parameters.

    Attributes:
        form: which function.
    """

    kind: ClassVar[str] = "act"

    form: Literal["relu", "relu6", "silu", "sigmoid", "hard_swish", "hard_sigmoid", "leaky_relu", "gelu"] = (
        "relu"
    )
