"""The kernels that torch runs for a neck in eager mode: one for each operation, nothing folded.

On a processor, torch hands convolutions to oneDNN or runs them as a matrix product of its own, which costs
far less to set up: by kernel, stride, groups, size, batch and threads (`ConvParams::use_mkldnn`). Where maps
are wide and have many channels, oneDNN works on several blocks of them at once and multiplies up to twice as
fast (`jit_avx512_common_conv_fwd_kernel`). Max-pooling compares pixel by pixel. Neither knows
TensorFlow's margins or repeated ones: an operation of its own adds them, and makes the map a larger one.
"""

from collections.abc import Sequence
from math import prod

from evaluators.latency.expansion import Program, Work, expand
from evaluators.latency.features import totals
from evaluators.latency.kernels import FLOAT_BYTES, Kernel
from evaluators.latency.pieces import Held, Piece, Ran
from search_space.architecture import Architecture
from search_space.op import Shape, Size
from search_space.ops.conv import Conv
from search_space.ops.pool import Pool

_SMALL = 20_480
"""Numbers of an input up to which torch runs a dense convolution itself."""
_LARGE_BATCH = 16
_NARROW, _WIDEST = 28, 147
"""Columns of an output: up to the first one oneDNN never takes several blocks at once, up to the second one
not for the few channels of `_FEW`."""
_FEW = 96
_BLOCK = 16
"""Channels of a block of oneDNN's layout."""
_MISSED = 8
"""Pixels that are compared in the time that a branch costs which the processor did not foresee."""


def lower_torch(
    architecture: Architecture, image_size: Size, batch: int = 1, *, threads: int = 0
) -> tuple[Kernel, ...]:
    """Return the kernels of one inference in eager mode, in the order of execution.

    Args:
        architecture: the neck.
        image_size: height and width in pixels.
        batch: images.
        threads: of the processor; 0: an accelerator.
    """
    program = expand(architecture, image_size)
    return tuple(kernel for work in program.works for kernel in _kernels(program, work, batch, threads))


def run_piece(piece: Piece, batch: int, *, threads: int) -> Ran:
    """Run one piece of a neck; what its neighbours do makes no difference."""
    program = piece.program(range(piece.arity))
    kernels = [kernel for work in program.works for kernel in _kernels(program, work, batch, threads)]
    return Ran(totals(kernels), (Held(),) * piece.arity, Held())


def _kernels(program: Program, work: Work, batch: int, threads: int) -> list[Kernel]:
    inputs = [program.shapes[value] for value in work.inputs]
    wider = padded(work, inputs[0])
    if wider == inputs[0]:
        return [_kernel(work, inputs, program.shapes[work.output], batch, threads)]
    moved = FLOAT_BYTES * batch * (prod(inputs[0]) + prod(wider))
    pad = Kernel(work.path, "pad", 0, moved)
    return [pad, _kernel(work, [wider], program.shapes[work.output], batch, threads)]


def padded(work: Work, shape: Shape) -> Shape:
    """Return the map over which a window moves, with the margin that is added to it beforehand, if any."""
    op = work.op
    if isinstance(op, Conv) and work.kind == "conv" and op.padding == "replicate":
        return Shape(shape.channels, shape.height + 2 * op.margin, shape.width + 2 * op.margin)
    if work.kind not in ("conv", "max_pool") or getattr(op, "padding", "") != "same":
        return shape
    assert isinstance(op, Conv | Pool), op
    reach = (op.dilation if isinstance(op, Conv) else 1) * (op.kernel - 1) + 1
    height, width = (max(extent, (-(-extent // op.stride) - 1) * op.stride + reach) for extent in shape[1:])
    return Shape(shape.channels, height, width)


def _kernel(work: Work, inputs: Sequence[Shape], output: Shape, batch: int, threads: int) -> Kernel:
    kind = kernel_kind(work, inputs[0].channels)
    read, macs, weights = sum(prod(shape) for shape in inputs), pooling(work, output, threads), 0
    if (isinstance(work.op, Conv) and work.kind == "conv") or work.kind == "unknown":
        macs, weights = work.op.macs(inputs, output), work.op.parameters(inputs)
    if isinstance(work.op, Conv) and work.kind == "conv" and runs_itself(work.op, inputs[0], batch, threads):
        kind = f"{kind}_gemm"
        read += inputs[0].channels * output.pixels * work.op.kernel**2 if work.op.kernel > 1 else 0
    elif kind == "conv_dense" and threads and isinstance(work.op, Conv) and several(work.op, output, batch):
        kind = "conv_dense_wide"
    moved = FLOAT_BYTES * (batch * (read + prod(output)) + weights)
    return Kernel(work.path, kind, batch * macs, moved, work.kind != "unknown")


def runs_itself(op: Conv, shape: Shape, batch: int, threads: int) -> bool:
    """Whether torch runs a convolution of an input itself, as a matrix product of unfolded windows."""
    if not threads or op.grouping(shape.channels) > 1:
        return False
    spread = op.stride > 1 or op.dilation > 1
    if not (spread or op.kernel > 1 or batch >= _LARGE_BATCH or threads > 1):
        return True
    return op.kernel <= 3 and batch == 1 and prod(shape) <= _SMALL


def several(op: Conv, output: Shape, batch: int) -> bool:
    """Whether oneDNN computes several blocks of output channels of a dense convolution at once."""
    blocks = -(-op.width // _BLOCK)
    if op.kernel > 3 or output.width <= _NARROW or all(blocks % count for count in (2, 3, 4, 5)):
        return False
    return batch > 1 or op.width > _FEW or output.width > _WIDEST


def pooling(work: Work, output: Shape, threads: int) -> float:
    """Return what a pooling does for one image, in pixels looked at; 0 for anything else.

    A maximum takes a branch for each pixel, and a processor foresees wrongly those of a new maximum: of the
    nth pixel of a window with probability 1 / n.
    """
    pixels = pooled_pixels(work, output)
    if work.kind != "max_pool" or not threads:
        return pixels
    window = pixels // prod(output)
    return pixels + _MISSED * prod(output) * sum(1 / place for place in range(1, window + 1))


def pooled_pixels(work: Work, output: Shape) -> int:
    """Return how many pixels the windows of a pooling look at, for one image; 0 for anything else."""
    side = getattr(work.op, "kernel", 0) if work.kind in ("max_pool", "avg_pool") else 0
    return int(side**2) * prod(output)


def kernel_kind(work: Work, channels: int) -> str:
    """Return the class of a kernel: by algorithm for convolutions, by form for what is memory-bound."""
    if isinstance(work.op, Conv) and work.kind == "conv":
        return conv_kind(work.op, channels)
    if work.kind == "unknown":
        return f"unknown:{work.op.kind}"
    if work.kind in ("resize", "adaptive_pool"):
        return f"{work.kind}_{work.form}"
    if work.kind == "act":
        return "act" if work.form in ("relu", "relu6", "leaky_relu") else "act_smooth"
    return work.kind


def conv_kind(op: Conv, channels: int) -> str:
    """Return which algorithm a convolution of that many input channels runs."""
    groups = op.grouping(channels)
    if groups == 1:
        return "conv_pointwise" if op.kernel == 1 else "conv_dense"
    return "conv_depthwise" if groups == channels == op.width else "conv_grouped"
