"""One pixel that gathers a whole map, each of its pixels by a learned share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, Size


@dataclass(frozen=True, kw_only=True)
class AttentionPool(Op):
    """`v(sum_p softmax_p(k x_p) * x_p)`: k a 1x1 to one channel, v a 1x1; the softmax runs over the pixels.

    The context of GCNet (Cao et al. 2019) and of RCNet's spatial branch (Zong et al. 2021).
    """

    kind: ClassVar[str] = "attention_pool"

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the input's channels at one pixel."""
        return Shape(inputs[0].channels, 1, 1)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return two 1x1 convolutions with bias."""
        channels = inputs[0].channels
        return {
            "key_weight": (1, channels, 1, 1),
            "key_bias": (1,),
            "value_weight": (channels, channels, 1, 1),
            "value_bias": (channels,),
        }

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of the keys, of the pooling by the softmax and of the one value."""
        return output.channels * (2 * inputs[0].pixels + output.channels)
