"""Which convolutions torch runs itself, and where a fit starts: checked against torch's own profiler."""

import subprocess
import sys
from collections import Counter

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from evaluators.latency.lowering_torch import lower_torch
from evaluators.latency.proportions import ORDINARY, proportion, proportions
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.op import Op
from search_space.ops.conv import Conv
from search_space.ops.pool import Pool
from supernet.subnet import Subnet


def neck(op: Op, channels: int, width: int, level: int = 3) -> Architecture:
    node = Node("out", level, width, (Edge("x"),), None, (op,))
    return Architecture((Input("x", 3, channels),), (node,), ((level, "out"),))


CASES = [
    (Conv(width=32, kernel=1), 32, 64, 1),
    (Conv(width=96, kernel=1), 96, 128, 1),
    (Conv(width=96, kernel=1), 96, 128, 2),
    (Conv(width=32, kernel=3), 32, 64, 1),
    (Conv(width=96, kernel=3), 96, 128, 1),
    (Conv(width=32, kernel=5), 32, 64, 1),
    (Conv(width=32, kernel=3, groups=0), 32, 64, 1),
    (Conv(width=32, kernel=3), 32, 64, 2),
]


@pytest.mark.parametrize(("op", "channels", "extent", "batch"), CASES)
def test_torch_runs_the_convolution_as_lowered(op: Conv, channels: int, extent: int, batch: int) -> None:
    (kernel,) = lower_torch(neck(op, channels, op.width), (extent, extent), batch, threads=1)
    x = torch.randn(batch, channels, extent // 8, extent // 8)
    weight = torch.randn(op.width, channels // op.grouping(channels), op.kernel, op.kernel)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU]) as seen:
            torch.nn.functional.conv2d(x, weight, padding=op.kernel // 2, groups=op.grouping(channels))
    finally:
        torch.set_num_threads(before)
    ran = {event.name for event in seen.events() or ()}
    assert ("aten::mkldnn_convolution" in ran) is not kernel.kind.endswith("_gemm"), (kernel, ran)


def test_an_accelerator_has_no_such_choice() -> None:
    (kernel,) = lower_torch(neck(Conv(width=8, kernel=1), 8, 8), (64, 64))
    assert kernel.kind == "conv_pointwise"


def test_unfolded_windows_are_read_and_written() -> None:
    small = neck(Conv(width=8, kernel=3, bias=False), 8, 8)
    (own,), (other,) = (lower_torch(small, (64, 64), threads=threads) for threads in (1, 0))
    assert own.macs == other.macs and own.bytes - other.bytes == 4 * 9 * 8 * 8 * 8


def test_a_pooling_looks_at_every_pixel_of_its_windows() -> None:
    (kernel,) = lower_torch(neck(Pool(kernel=3, stride=1), 8, 8), (64, 64), 2)
    assert kernel.macs == 2 * 9 * 8 * 8 * 8


def test_a_maximum_on_a_processor_costs_branches_too() -> None:
    pools = (Pool(kernel=3, stride=1), Pool(kernel=3, stride=1, form="avg", padding="zeros"))
    largest, mean = (lower_torch(neck(pool, 8, 8), (64, 64), threads=1)[0].macs for pool in pools)
    assert mean == 9 * 8 * 8 * 8
    assert largest == pytest.approx(8 * 8 * 8 * (9 + 8 * sum(1 / place for place in range(1, 10))))


WIDE = [  # width, kernel, columns, batch; whether oneDNN computes several blocks of channels at once
    (128, 3, 32, 1, True),
    (112, 3, 32, 1, False),  # seven blocks cannot be divided
    (96, 3, 32, 1, False),
    (128, 3, 28, 1, False),
    (128, 5, 32, 1, False),
    (64, 3, 160, 1, True),
    (64, 3, 32, 2, True),
]


@pytest.mark.parametrize(("width", "kernel", "columns", "batch", "wide"), WIDE)
def test_wide_convolutions_are_of_a_class_of_their_own(
    width: int, kernel: int, columns: int, batch: int, wide: bool
) -> None:
    op = Conv(width=width, kernel=kernel)
    (found,) = lower_torch(neck(op, 64, width), (8 * columns, 8 * columns), batch, threads=1)
    assert found.kind == ("conv_dense_wide" if wide else "conv_dense")
    (elsewhere,) = lower_torch(neck(op, 64, width), (8 * columns, 8 * columns), batch)
    assert elsewhere.kind == "conv_dense"


PADDED = [  # operation, channels, columns: the rows and columns of margin that are added beforehand
    (Conv(width=8, kernel=3, padding="same"), 8, 8, 2),
    (Conv(width=8, kernel=3, stride=2, padding="same"), 8, 8, 1),
    (Conv(width=8, kernel=5, dilation=2, padding="same"), 8, 8, 8),
    (Conv(width=8, kernel=3, padding="replicate"), 8, 8, 2),
    (Conv(width=64, kernel=3, padding="same"), 64, 16, 2),  # 16,384 numbers, 20,736 with the margin
    (Pool(kernel=3, stride=2, padding="same"), 8, 8, 1),
    (Pool(kernel=2, stride=2, padding="same"), 8, 8, 0),
    (Conv(width=8, kernel=1, padding="same"), 8, 8, 0),
    (Conv(width=8, kernel=3), 8, 8, 0),
    (Pool(kernel=3, stride=2), 8, 8, 0),
]


@pytest.mark.parametrize(("op", "channels", "columns", "margin"), PADDED)
def test_a_margin_is_added_beforehand_where_torch_does_so(
    op: Conv | Pool, channels: int, columns: int, margin: int
) -> None:
    made, size = neck(op, channels, channels, 2 + op.stride), (8 * columns, 8 * columns)
    *pads, kernel = lower_torch(made, size, threads=1)
    larger = channels * (columns + margin) ** 2
    expected = [4 * (channels * columns**2 + larger)] if margin else []
    assert [(pad.kind, pad.bytes) for pad in pads] == [("pad", moved) for moved in expected]
    subnet, x = Subnet(made).eval(), torch.randn(1, channels, columns, columns)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU]) as seen:
            subnet({3: x})
    finally:
        torch.set_num_threads(before)
    ran = Counter(event.name for event in seen.events() or ())
    assert ran["aten::pad"] + ran["aten::replication_pad2d"] >= len(pads)
    if isinstance(op, Conv):
        assert ("aten::mkldnn_convolution" in ran) is not kernel.kind.endswith("_gemm"), (kernel, ran)


def test_proportions_are_powers_of_two_and_ordinary_by_default() -> None:
    assert proportion("torch", "add") == proportion("onnxruntime", "conv_dense") == ORDINARY
    assert proportions("torch", ["max_pool", "add"]).tolist() == [[64, 4, 2], [1, 1, 1]]
    assert proportions("torch", []).shape == (0, 3)


def test_kernel_lists_need_no_torch() -> None:
    script = """
import sys
sys.modules["torch"] = None  # importing it fails
from evaluators.latency.lowering import Lowering
from search_space.reference import build

neck = build("pafpn", {3: 8, 4: 8, 5: 8}, width=8)
for lowering in (Lowering("torch", threads=1), Lowering("onnxruntime", 16)):
    assert lowering.kernels(neck, (64, 64))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
