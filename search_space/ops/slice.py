"""Some of the channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class Slice(Op):
    """`width` channels from `start` on.

    Attributes:
        start: first channel.
        width: number of channels.
    """

    kind: ClassVar[str] = "slice"

    start: int
    width: int

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the input's size with `width` channels."""
        channels = inputs[0].channels
        require(
            self.start >= 0 < self.width and self.start + self.width <= channels,
            f"slice: channels {self.start} to {self.start + self.width} are not all among {channels}",
        )
        return inputs[0]._replace(channels=self.width)
