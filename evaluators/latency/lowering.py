"""`Lowering`: which runtime's rewriting a kernel list follows; data that a stored predictor carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evaluators.latency.kernels import Kernel
from evaluators.latency.lowering_onnxruntime import lower_onnxruntime
from evaluators.latency.lowering_onnxruntime import run_piece as onnxruntime_piece
from evaluators.latency.lowering_torch import lower_torch
from evaluators.latency.lowering_torch import run_piece as torch_piece
from evaluators.latency.pieces import Arrival, Piece, Ran
from search_space.architecture import Architecture
from search_space.op import Size


@dataclass(frozen=True, slots=True)
class Lowering:
    """How an architecture becomes kernels.

    Attributes:
        runtime: whose rewriting.
        block: onnxruntime: channels of a block of its blocked layout; 0 for none.
        threads: torch: of the processor that it runs on; 0 for an accelerator.
    """

    runtime: Literal["torch", "onnxruntime"]
    block: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        if self.runtime not in ("torch", "onnxruntime"):
            raise ValueError(f"no lowering for '{self.runtime}'; there are torch and onnxruntime")

    def kernels(self, architecture: Architecture, image_size: Size, batch: int = 1) -> tuple[Kernel, ...]:
        """Return the kernels of one inference, in the order of execution."""
        if self.runtime == "torch":
            return lower_torch(architecture, image_size, batch, threads=self.threads)
        return lower_onnxruntime(architecture, image_size, batch, block=self.block)

    @property
    def merges(self) -> bool:
        """Whether equal operations run once, and what runs depends on the operations around it."""
        return self.runtime == "onnxruntime"

    def run_piece(self, piece: Piece, arrived: Sequence[Arrival], batch: int) -> Ran:
        """Return what running a piece does, given what arrives at its inputs."""
        if self.runtime == "torch":
            return torch_piece(piece, batch, threads=self.threads)
        return onnxruntime_piece(piece, arrived, batch, block=self.block)
