"""The base of the fusions that need inputs of one shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.errors import WidthMismatch
from search_space.op import Op, Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class ElementwiseFusion(Op):
    """A fusion of inputs of equal width and size; a single pixel is broadcast."""

    many: ClassVar[bool] = True

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the common shape.

        Raises:
            WidthMismatch: inputs of different widths.
        """
        if all(shape == inputs[0] for shape in inputs):
            return inputs[0]
        widths = [shape.channels for shape in inputs]
        if len(set(widths)) > 1:
            raise WidthMismatch(f"{self.kind}: inputs have {widths} channels; they must be equal")
        sizes = {shape.size for shape in inputs} - {(1, 1)} or {(1, 1)}
        require(len(sizes) == 1, f"{self.kind}: inputs have sizes {sorted(sizes)}; they must be equal")
        return Shape(widths[0], *sizes.pop())
