"""The kernels that ONNX Runtime's CPU provider runs for a neck, after its own rewriting.

What it does at the highest optimisation level, read off the graphs that it saves: batch norms, constant
scales and plain activations fold into the convolution before them; equal operations on one value run once;
an addition folds into a convolution that only it reads; on x86 convolutions and what can follow them run in
a layout of channel blocks, with reorders wherever a plain operation meets a blocked one. Sizes are fixed
before loading, so reading them costs nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from evaluators.latency.expansion import Program, Work, expand
from evaluators.latency.features import MEGA, totals
from evaluators.latency.kernels import FLOAT_BYTES, Kernel
from evaluators.latency.lowering_torch import conv_kind, kernel_kind, pooled_pixels
from evaluators.latency.pieces import WITHOUT_WEIGHTS, Arrival, Held, Piece, Ran
from search_space.architecture import Architecture
from search_space.op import Op, Shape, Size
from search_space.ops.conv import Conv

_FUSED_ACTS = frozenset({"relu", "sigmoid", "leaky_relu", "hard_sigmoid", "relu6", "hard_swish"})
_BLOCKS_A_PASS = 4
_ANY_LAYOUT = frozenset({"act"})


def lower_onnxruntime(
    architecture: Architecture, image_size: Size, batch: int = 1, *, block: int = 16
) -> tuple[Kernel, ...]:
    """Return the kernels of one inference, in the order of execution.

    Args:
        architecture: the neck.
        image_size: height and width in pixels.
        batch: images.
        block: channels of one block of the blocked layout (16 with AVX-512, 8 with AVX2); 0: no such layout,
            as on ARM.
    """
    program = expand(architecture, image_size)
    _merge_equal(program)
    readers = program.readers()
    activated = _fold(program, readers, {})
    layout = _Layout(program, block, batch, readers, activated, plain=set(program.inputs))
    layout.run(program.works)
    for value in program.outputs:
        layout.need(value, "output", blocked=False)
    return tuple(layout.found)


def run_piece(piece: Piece, arrived: Sequence[Arrival], batch: int, *, block: int) -> Ran:
    """Run one piece of a neck whose equal operations were merged.

    Args:
        piece: what runs.
        arrived: its inputs.
        batch: images.
        block: see `lower_onnxruntime`.
    """
    first = [entry.first for entry in arrived]
    program = piece.program(first)
    readers = program.readers()
    readers.update({value: 0 if entry.alone else 1 for value, entry in enumerate(arrived)})
    before = {
        value: Work("", "conv", [], value, Op()) for value, entry in enumerate(arrived) if entry.held.foldable
    }
    makers = dict(before)
    layout = _Layout(program, block, batch, readers, _fold(program, readers, makers))
    for value, entry in enumerate(arrived):
        layout.hold(value, entry.held)
        if value in before and before[value].output != value:
            layout.hold(before[value].output, entry.held)
    given = len(layout.found)
    layout.run(program.works)
    if not piece.jobs:
        layout.need(0, "output", blocked=False)
    known = [layout.held(value, makers) for value in (*first, piece.output)]
    ran = totals(layout.found[given:])
    for kernel in layout.found[:given]:
        macs, moved, count = ran.get(kernel.kind, (0.0, 0.0, 0.0))
        ran[kernel.kind] = (macs, moved + kernel.bytes * MEGA, count)
    return Ran(ran, tuple(known[:-1]), known[-1])


def _merge_equal(program: Program) -> None:
    """Drop operations that repeat another one's result."""
    made: dict[tuple[object, ...], int] = {}
    same: dict[int, int] = {}
    kept = []
    for work in program.works:
        work.inputs = [same.get(value, value) for value in work.inputs]
        key = (work.kind, work.form, work.op, tuple(work.inputs), program.shapes[work.output])
        if work.kind in WITHOUT_WEIGHTS and key in made:
            same[work.output] = made[key]
            continue
        made.setdefault(key, work.output)
        kept.append(work)
    program.works = kept
    program.outputs = [same.get(value, value) for value in program.outputs]


def _fold(program: Program, readers: Counter[int], makers: dict[int, Work]) -> dict[int, str]:
    """Merge norms, scales and activations into the convolution before; return activations by value.

    `makers` tells who made each value and is kept up to date.
    """
    activated: dict[int, str] = {}
    kept = []
    for work in program.works:
        source = work.inputs[0]
        maker = makers.get(source)
        alone = maker is not None and maker.kind == "conv" and readers[source] == 1
        if alone and source not in activated and _folds(work):
            assert maker is not None
            maker.output = work.output
            makers[work.output] = maker
            if work.kind == "act":
                activated[work.output] = work.form
            continue
        makers[work.output] = work
        kept.append(work)
    program.works = kept
    return activated


def _folds(work: Work) -> bool:
    return work.kind in ("norm", "scale") or (work.kind == "act" and work.form in _FUSED_ACTS)


@dataclass
class _Layout:
    """Follows which values exist in channel blocks, in rows, or in both."""

    program: Program
    block: int
    batch: int
    readers: Counter[int]
    activated: dict[int, str]
    blocked: set[int] = field(default_factory=set)
    plain: set[int] = field(default_factory=set)
    found: list[Kernel] = field(default_factory=list)
    makers: dict[int, int] = field(default_factory=dict)
    """Position in `found` of the convolution that made a value and that an addition may still join."""
    open: set[int] = field(default_factory=set)
    """Values made by a convolution with an addition, or by a norm run as one, that an activation may join."""

    def run(self, works: Sequence[Work]) -> None:
        """Run operations in order."""
        for work in works:
            if not (self._joins_conv(work) or self._joins_late(work)):
                self._run(work)

    def hold(self, value: int, entry: Held) -> None:
        """Take in what is known of a value that was made before."""
        for held, values in (
            (entry.blocked, self.blocked),
            (entry.plain, self.plain),
            (entry.open, self.open),
        ):
            if held:
                values.add(value)
        if entry.joins and value not in self.activated:
            self.makers[value] = len(self.found)
            self.found.append(Kernel("", entry.joins, 0, 0))

    def held(self, value: int, makers: Mapping[int, Work]) -> Held:
        """Return what is known of a value now."""
        foldable = value in makers and makers[value].kind == "conv" and value not in self.activated
        joins = self.found[self.makers[value]].kind if value in self.makers else ""
        return Held(value in self.blocked, value in self.plain, foldable, joins, value in self.open)

    def _run(self, work: Work) -> None:
        blocked = self._runs_blocked(work)
        if not (work.kind == "conv" and blocked and self._reads_rows(work)):
            for value in work.inputs:
                if prod(self.program.shapes[value][1:]) > 1 or work.kind != "mul":
                    self.need(value, work.path, blocked=blocked)
        (self.blocked if blocked else self.plain).add(work.output)
        self.found.append(self._kernel(work, blocked=blocked))
        if work.kind == "conv" and work.output not in self.activated and blocked:
            self.makers[work.output] = len(self.found) - 1

    def _joins_conv(self, work: Work) -> bool:
        """Whether the addition becomes part of a blocked convolution that nothing else reads."""
        if work.kind != "add" or not self._same_shapes(work):
            return False
        for value, other in (work.inputs[::-1], work.inputs):
            index = self.makers.get(value)
            if index is not None and self.readers[value] == 1 and other in self.blocked:
                conv = self.found[index]
                extra = self._bytes(self.program.shapes[other], blocked=True)
                self.found[index] = Kernel(conv.path, conv.kind, conv.macs, conv.bytes + extra, conv.known)
                self.blocked.add(work.output)
                self.open.add(work.output)
                return True
        return False

    def _joins_late(self, work: Work) -> bool:
        source = work.inputs[0]
        if work.kind != "act" or work.form not in _FUSED_ACTS or self.readers[source] != 1:
            return False
        if source in self.open:
            self.blocked.add(work.output)
            return True
        return False

    def _same_shapes(self, work: Work) -> bool:
        first, second = (self.program.shapes[value] for value in work.inputs)
        return first == second

    def _runs_blocked(self, work: Work) -> bool:
        if not self.block or work.kind == "unknown":
            return False
        if work.kind == "conv":
            return self._conv_blocks(work)
        if not all(value in self.blocked for value in work.inputs):
            return False
        return self._follows(work)

    def _follows(self, work: Work) -> bool:
        """Whether an operation can stay in blocks when its inputs are in blocks."""
        shape = self.program.shapes[work.inputs[0]]
        if work.kind in _ANY_LAYOUT:
            return True
        if work.kind in ("add", "mul"):
            return self._same_shapes(work)
        if work.kind == "resize":
            output = self.program.shapes[work.output]
            return output.height % shape.height == 0 and output.width % shape.width == 0
        if work.kind == "concat":
            return all(self.program.shapes[value].channels % self.block == 0 for value in work.inputs)
        if work.kind in ("max_pool", "avg_pool", "global_pool"):
            return shape.channels % self.block == 0
        return work.kind == "norm"

    def _conv_blocks(self, work: Work) -> bool:
        op, channels = work.op, self.program.shapes[work.inputs[0]].channels
        assert isinstance(op, Conv)
        groups = op.grouping(channels)
        if groups == 1:
            return True
        depthwise = groups == channels == op.width
        return depthwise or (channels // groups % self.block == 0 and op.width // groups % self.block == 0)

    def _reads_rows(self, work: Work) -> bool:
        op, channels = work.op, self.program.shapes[work.inputs[0]].channels
        assert isinstance(op, Conv)
        return op.grouping(channels) == 1 and channels < self.block and work.inputs[0] in self.plain

    def need(self, value: int, path: str, *, blocked: bool) -> None:
        """Add a reorder unless the value already exists in the wanted layout."""
        where = self.blocked if blocked else self.plain
        if value in where:
            return
        where.add(value)
        shape = self.program.shapes[value]
        moved = self._bytes(shape, blocked=True) + self._bytes(shape, blocked=False)
        self.found.append(Kernel(path, "reorder", 0, moved))

    def _bytes(self, shape: Shape, *, blocked: bool) -> int:
        channels = self._padded(shape.channels) if blocked else shape.channels
        return self.batch * channels * shape.pixels * FLOAT_BYTES

    def _padded(self, channels: int) -> int:
        return -(-channels // self.block) * self.block if self.block else channels

    def _kernel(self, work: Work, *, blocked: bool) -> Kernel:
        inputs = [self.program.shapes[value] for value in work.inputs]
        output = self.program.shapes[work.output]
        moved = sum(self._bytes(shape, blocked=blocked) for shape in (*inputs, output))
        macs = self.batch * pooled_pixels(work, output)
        if isinstance(work.op, Conv) and work.kind == "conv":
            macs, weights, again = self._conv_work(work.op, inputs[0], output, blocked=blocked)
            moved += weights * FLOAT_BYTES + again
        elif work.kind == "unknown":
            macs = self.batch * work.op.macs(inputs, output)
            moved += work.op.parameters(inputs) * FLOAT_BYTES
        kind = kernel_kind(work, inputs[0].channels)
        if work.kind == "norm" and blocked:  # runs as a depthwise 1x1 convolution
            self.open.add(work.output)
            kind, macs = "conv_depthwise", self._bytes(output, blocked=True) // FLOAT_BYTES
        plain = "" if blocked or not self.block or work.kind == "unknown" else "_plain"
        return Kernel(work.path, kind + plain, macs, moved, work.kind != "unknown")

    def _conv_work(self, op: Conv, shape: Shape, output: Shape, *, blocked: bool) -> tuple[int, int, int]:
        """Return MACs, weights and bytes read again; blocks that are partly empty count in full.

        A blocked convolution makes at most four blocks of channels in one pass over its input, and a pass
        takes as long as one block more. It leaves out the taps that fall on the padding.
        """
        kind = conv_kind(op, shape.channels)
        width = self._padded(op.width) if blocked else op.width
        channels = shape.channels // op.grouping(shape.channels)
        if blocked and kind in ("conv_pointwise", "conv_dense") and shape.channels >= self.block:
            channels = self._padded(channels)
        weights = width * channels * op.kernel**2
        passes = 0
        if blocked and kind in ("conv_pointwise", "conv_dense"):
            passes = -(-width // (_BLOCKS_A_PASS * self.block))
        computed = weights + passes * self.block * channels * op.kernel**2
        again = max(0, passes - 1) * self._bytes(shape, blocked=True)
        taps = taps_on_input(op, shape, output) if blocked else op.kernel**2 * output.pixels
        return self.batch * computed * taps // op.kernel**2, weights, again


def taps_on_input(op: Conv, shape: Shape, output: Shape) -> int:
    """Return how many taps of a convolution's windows over an image fall on it rather than on its padding.

    Of a convolution whose dilation is larger than the image, only those in the middle do.
    """
    return _taps_along(op, shape.height, output.height) * _taps_along(op, shape.width, output.width)


def _taps_along(op: Conv, extent: int, windows: int) -> int:
    """Return the same along one axis of `extent` pixels; what repeats the border pads the image itself."""
    if op.padding == "replicate":
        return op.kernel * windows
    reach = op.dilation * (op.kernel - 1)
    same = max(0, (windows - 1) * op.stride + reach + 1 - extent) // 2
    first = same if op.padding == "same" else op.margin
    offsets = (tap * op.dilation - first for tap in range(op.kernel))
    ends = ((-(offset // op.stride), (extent - 1 - offset) // op.stride) for offset in offsets)
    return sum(max(0, min(last, windows - 1) - max(begin, 0) + 1) for begin, last in ends)
