"""All inputs side by side along the channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class Concat(Op):
    """Concatenation along the channels, in the order of the inputs."""

    kind: ClassVar[str] = "concat"
    many: ClassVar[bool] = True

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the sum of the widths at the common size."""
        sizes = {shape.size for shape in inputs}
        require(len(sizes) == 1, f"concat: inputs have sizes {sorted(sizes)}; they must be equal")
        return Shape(sum(shape.channels for shape in inputs), *sizes.pop())
