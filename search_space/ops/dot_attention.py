"""Attention of every pixel to every other: queries, keys, values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.errors import WidthMismatch
from search_space.op import Op, Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class DotAttention(Op):
    """`softmax(q k^T) v` over pixels; inputs are queries, keys and values (non-local, Wang et al. 2018).

    Keys and values may be of another size than the queries, but of one.

    Attributes:
        scaled: whether logits are divided by the root of the channels.
    """

    kind: ClassVar[str] = "dot_attention"
    many: ClassVar[bool] = True

    scaled: bool = False

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the values' channels at the queries' size."""
        require(len(inputs) == 3, f"dot_attention: takes queries, keys and values, got {len(inputs)} inputs")
        queries, keys, values = inputs
        if queries.channels != keys.channels:
            raise WidthMismatch(
                f"dot_attention: queries have {queries.channels} channels, keys {keys.channels}"
            )
        require(keys.size == values.size, f"dot_attention: keys are {keys.size}, values {values.size} pixels")
        return Shape(values.channels, *queries.size)

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of both matrix products."""
        queries, keys, values = inputs
        return queries.pixels * keys.pixels * (queries.channels + values.channels)
