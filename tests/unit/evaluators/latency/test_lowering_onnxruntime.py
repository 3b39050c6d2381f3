"""What ONNX Runtime's blocked convolutions leave out: taps that fall on the padding."""

import itertools

import pytest

from evaluators.latency.lowering_onnxruntime import lower_onnxruntime, taps_on_input
from search_space.op import Shape
from search_space.ops.conv import Conv, Padding
from search_space.reference import build
from tests.unit.evaluators.latency.simulated import CHANNELS

EXTENTS = (1, 2, 3, 7, 32)


def counted(op: Conv, extent: int, windows: int) -> int:
    """Return taps on the input along one axis, one after another."""
    reach = op.dilation * (op.kernel - 1)
    before = {
        "zeros": reach // 2,
        "none": 0,
        "same": max(0, (windows - 1) * op.stride + reach + 1 - extent) // 2,
    }[op.padding]
    places = itertools.product(range(windows), range(op.kernel))
    return sum(0 <= at * op.stride - before + tap * op.dilation < extent for at, tap in places)


@pytest.mark.parametrize("padding", ["zeros", "same", "none"])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(1, 1, 1), (3, 1, 1), (3, 2, 12), (5, 2, 2)])
def test_taps_are_counted_where_windows_lie(
    padding: Padding, kernel: int, stride: int, dilation: int
) -> None:
    op = Conv(width=8, kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    for height, width in itertools.product(EXTENTS, EXTENTS):
        shape = Shape(8, height, width)
        if min(height, width) <= dilation * (kernel - 1) and padding == "none":
            continue
        output = op.infer([shape], None)
        expected = counted(op, height, output.height) * counted(op, width, output.width)
        assert taps_on_input(op, shape, output) == expected


def test_a_border_that_is_repeated_is_read() -> None:
    op = Conv(width=8, padding="replicate")
    shape = Shape(8, 4, 4)
    assert taps_on_input(op, shape, op.infer([shape], None)) == 16 * 9


def test_a_convolution_dilated_beyond_its_image_is_a_pointwise_one() -> None:
    """At 256 pixels ASPP's level has 8 x 8: of its three dilated convolutions only the middle taps count."""
    aspp = build("aspp", CHANNELS, width=64)
    blocked, plain = (
        [kernel.macs for kernel in lower_onnxruntime(aspp, (256, 256), block=block) if "dense" in kernel.kind]
        for block in (16, 0)
    )
    full = 8 * 8 * CHANNELS[5] * 64 * 9
    assert plain == [full] * 3
    assert all(0 < macs <= 1.25 * full / 9 for macs in blocked), blocked
