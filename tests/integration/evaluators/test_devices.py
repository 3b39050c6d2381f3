"""Contract of every device, run on those that are here; and that lowering is what the runtime really runs."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from evaluators import devices
from evaluators.latency.calibrate import calibrate, finished
from evaluators.latency.device import Device
from evaluators.latency.errors import DeviceUnavailable, UnknownDevice
from evaluators.latency.hardware import layout_block
from evaluators.latency.kernels import Kernel
from evaluators.latency.lowering import Lowering
from evaluators.latency.measuring import Protocol
from search_space.architecture import Architecture
from search_space.op import Size
from search_space.reference import build
from search_space.space import Space
from supernet.export.onnx import random_tensors, write

CHANNELS = {3: 32, 4: 48, 5: 64}
SPACE = Space.load({"space": "fusion_grid", "channels": CHANNELS, "widths": [16, 24, 32]})
LOCAL = [name for name in devices.names() if name != "remote"]


def device(name: str) -> Device:
    try:
        return devices.load(name)
    except DeviceUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", LOCAL)
class TestEveryDevice:
    def test_it_runs_a_neck_at_any_size_and_batch(self, name: str) -> None:
        found = device(name)
        for image_size, batch in (((64, 64), 1), ((97, 61), 2)):
            assert found.prepare(build("fpn", CHANNELS, width=16), image_size, batch)() is not None

    def test_its_fingerprint_names_runtime_and_setting(self, name: str) -> None:
        found = device(name).fingerprint((64, 96), 2)
        assert (found.device, found.batch, found.image, found.threads) == (name, 2, (64, 96), 1)
        assert found.version and found.hardware

    def test_it_lowers_to_kernels_whose_macs_are_the_necks(self, name: str) -> None:
        neck = build("bifpn", CHANNELS, width=32, levels=(3, 5))
        kernels = device(name).lower(neck, (128, 128))
        assert all(kernel.known for kernel in kernels)
        assert sum(kernel.macs for kernel in kernels) >= neck.macs((128, 128))

    def test_it_is_calibrated_within_its_budget(self, name: str) -> None:
        quick = Protocol(visits=4, most_visits=4, runs=2)
        done = finished(calibrate(device(name), SPACE, 12, image_size=(64, 64), protocol=quick))
        assert len(done.times_ms) == 12
        assert done.predictor.predict(SPACE.architecture(SPACE.largest())).value > 0
        done.predictor.require(device(name).fingerprint((64, 64)))


def test_unknown_devices_and_bad_settings_are_refused() -> None:
    with pytest.raises(UnknownDevice, match=r"'cudda'.*'cuda'"):
        devices.load("cudda")
    with pytest.raises(ValueError, match="at least 1, got 0"):
        devices.load("torch_cpu", threads=0)


KINDS = {
    "Conv": "conv",
    "ReorderInput": "reorder",
    "ReorderOutput": "reorder",
    "Add": "add",
    "Mul": "scale",
    "Relu": "act",
    "QuickGelu": "act",
    "Upsample": "resize",
    "Resize": "resize",
    "MaxPool": "max_pool",
    "Concat": "concat",
    "BatchNormalization": "norm",
}


def really_run(neck: Architecture, image_size: Size, folder: Path) -> Counter[str]:
    """Return how many nodes of each class are in the graph that ONNX Runtime saves after rewriting."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "rewritten.onnx")
    shapes = neck.shapes(image_size)
    for entry in neck.inputs:
        for name, extent in zip(("height", "width"), shapes[entry.id].size, strict=True):
            options.add_free_dimension_override_by_name(f"{name}_{entry.level}", extent)
    options.add_free_dimension_override_by_name("batch", 1)
    onnxruntime.InferenceSession(write(neck, random_tensors()), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    return Counter(KINDS.get(node.op_type, node.op_type) for node in nodes if node.op_type != "Identity")


def coarse(kernels: tuple[Kernel, ...]) -> Counter[str]:
    """Return the same classes of lowered kernels."""
    names = sorted(set(KINDS.values()), key=len, reverse=True)
    return Counter(next(n for n in names if kernel.kind.startswith(n)) for kernel in kernels)


@pytest.mark.skipif(layout_block() == 0, reason="this processor has no blocked layout")
@pytest.mark.parametrize("image_size", [(128, 128), (97, 129)])
@pytest.mark.parametrize("act", ["relu", "silu"])
def test_lowering_counts_the_nodes_that_onnx_runtime_runs(act: str, image_size: Size, tmp_path: Path) -> None:
    space = Space.load({**SPACE.spec(), "widths": [20, 32, 64], "act": act})
    rng = np.random.default_rng(0)
    gaps, total = 0, 0
    for _ in range(25):
        neck = space.architecture(space.sample(rng))
        wanted = really_run(neck, image_size, tmp_path)
        got = coarse(Lowering("onnxruntime", layout_block()).kernels(neck, image_size))
        gaps += sum(abs(wanted[kind] - got[kind]) for kind in wanted | got)
        total += sum(wanted.values())
    assert gaps <= 0.05 * total
