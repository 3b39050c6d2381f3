"""A context that each pixel gathers from all levels by a softmax over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.fusion import ElementwiseFusion
from search_space.op import Shape


@dataclass(frozen=True, kw_only=True)
class ScaleContext(ElementwiseFusion):
    """`v(sum_l softmax_l(k x_l) * x_l)`: k a 1x1 to one channel, v a 1x1, both the same for all inputs."""

    kind: ClassVar[str] = "scale_context"

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
        """Return the products of the keys of all inputs and of the one value."""
        return output.channels * (sum(shape.pixels for shape in inputs) + output.channels * output.pixels)
