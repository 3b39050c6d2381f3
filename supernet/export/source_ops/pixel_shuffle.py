"""Channels to pixels, cut to the size of the level."""

from collections.abc import Sequence

from search_space.ops.pixel_shuffle import PixelShuffle as Spec
from supernet.export.expression import Value, call
from supernet.export.source_ops.deconv import cut

HELPERS = (cut,)


def expression(op: Spec, operands: Sequence[Value], like: Value | None) -> Value:
    """Return the call, cut where the level has a size."""
    made = call("F.pixel_shuffle", operands[0], op.factor)
    return made if like is None else call("cut", made, like)
