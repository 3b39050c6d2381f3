"""The kernels that torch runs for a neck in eager mode: one for each operation, nothing folded."""

from math import prod

from evaluators.latency.expansion import Program, Work, expand
from evaluators.latency.kernels import FLOAT_BYTES, Kernel
from search_space.architecture import Architecture
from search_space.op import Size
from search_space.ops.conv import Conv


def lower_torch(architecture: Architecture, image_size: Size, batch: int = 1) -> tuple[Kernel, ...]:
    """Return the kernels of one inference in eager mode, in the order of execution."""
    program = expand(architecture, image_size)
    return tuple(_kernel(program, work, batch) for work in program.works)


def _kernel(program: Program, work: Work, batch: int) -> Kernel:
    inputs = [program.shapes[value] for value in work.inputs]
    output = program.shapes[work.output]
    moved = batch * (sum(prod(shape) for shape in inputs) + prod(output)) * FLOAT_BYTES
    macs = 0
    if (isinstance(work.op, Conv) and work.kind == "conv") or work.kind == "unknown":
        macs = batch * work.op.macs(inputs, output)
        moved += FLOAT_BYTES * work.op.parameters(inputs)
    return Kernel(work.path, kernel_kind(work, inputs[0].channels), macs, moved, work.kind != "unknown")


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
