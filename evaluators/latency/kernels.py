"""`Kernel`: one unit of work of a runtime, with what it computes and what it moves."""

from dataclasses import dataclass

LOWERING_VERSION = 6
"""Raised when the kernel lists change, since a predictor's coefficients hold for one lowering only."""

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel of one inference.

    Attributes:
        path: the architecture's operation that it comes from.
        kind: the class of kernels whose time grows by the same law.
        macs: multiply-accumulates, with those that a runtime's blocks add; of a pooling, the pixels that its
            windows look at, in torch with the branches that a maximum takes.
        bytes: read and written, weights included.
        known: whether this lowering knows what the runtime does with the operation; if not, it is taken
            as one pass over its data by a roofline, and every interval is widened.
    """

    path: str
    kind: str
    macs: float
    bytes: float
    known: bool = True

    def __post_init__(self) -> None:
        assert self.macs >= 0 and self.bytes >= 0, self
