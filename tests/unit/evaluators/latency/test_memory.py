"""Peak activation memory: counted by hand, measured for real, predicted by the same fit."""

import numpy as np
import pytest

from evaluators import devices
from evaluators.latency.errors import DeviceUnavailable, TooFewSamples
from evaluators.latency.expansion import expand
from evaluators.latency.memory import (
    MemoryPredictor,
    calibrate_memory,
    held_bytes,
    measure_peak_mb,
    memory_totals,
)
from evaluators.latency.memory_torch import held_by_module
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.ops.act import Act
from search_space.ops.conv import Conv
from search_space.ops.pool import Pool
from search_space.ops.sum import Sum
from search_space.space import Space
from tests.unit.evaluators.latency.simulated import IMAGE, Simulated

UNIT = 4 * 8 * 16 * 16  # bytes of one value: 8 channels of 16 x 16 pixels


def chain(length: int) -> Architecture:
    """Return convolutions one after another and a sum of the first and the last."""
    ops = tuple(Conv(width=8) for _ in range(length))
    nodes = (
        Node("first", 3, 8, (Edge("c3"),), None, (Act(),)),
        Node("last", 3, 8, (Edge("first"),), None, ops),
        Node("out", 3, 8, (Edge("first"), Edge("last")), Sum()),
    )
    return Architecture((Input("c3", 3, 8),), nodes, ((3, "out"),))


@pytest.mark.parametrize("length", [1, 2, 5])
def test_what_is_held_at_once_is_counted(length: int) -> None:
    peak, total = held_bytes(expand(chain(length), IMAGE))
    assert peak == 3 * UNIT  # the first one's, a convolution's input and its output
    assert total == (length + 2) * UNIT
    assert held_bytes(expand(chain(length), IMAGE), batch=4) == (4 * peak, 4 * total)


def test_a_module_holds_what_its_nodes_made_and_what_arrives_at_one() -> None:
    pair = (Conv(width=8), Act())
    nodes = (
        Node("first", 3, 8, (Edge("c3", pair), Edge("c3", pair)), Sum(), (Act(), Act())),
        Node("last", 3, 8, (Edge("first"),), None, (Act(),)),
    )
    neck = Architecture((Input("c3", 3, 8),), nodes, ((3, "last"),))
    program = expand(neck, IMAGE)
    # both edges' results and two activations, while the one of the other is made
    windows = 9 * UNIT  # a small convolution unfolds its input, beside the other edge's result and its own
    assert held_by_module(program) == max(4 * UNIT, 2 * UNIT + windows)
    pooled = Architecture(
        (Input("c3", 3, 8),),
        (Node("out", 3, 8, (Edge("c3"),), None, (Pool(kernel=3, stride=1),)),),
        ((3, "out"),),
    )
    assert held_by_module(expand(pooled, IMAGE)) == 3 * UNIT  # indices take twice as much
    assert held_by_module(expand(pooled, IMAGE), batch=2) == 6 * UNIT


def test_a_larger_neck_holds_more_and_the_measurement_sees_it() -> None:
    device = devices.load("torch_cpu")
    wide = Architecture(
        (Input("c3", 3, 8),), (Node("out", 3, 512, (Edge("c3"),), None, (Conv(width=512),)),), ((3, "out"),)
    )
    small, large = (measure_peak_mb(device, neck, (1024, 1024)) for neck in (chain(1), wide))
    made_mb = 4 * 512 * 128 * 128 / 1e6
    assert 0.8 * made_mb < large < 3 * made_mb
    assert small < large


def test_a_device_with_memory_of_its_own_is_refused() -> None:
    class Elsewhere(Simulated):
        name = "cuda"

    with pytest.raises(DeviceUnavailable, match="CPU only"):
        measure_peak_mb(Elsewhere(), chain(1), IMAGE)


def test_the_fit_finds_a_runtime_that_keeps_everything() -> None:
    space = Space.load({"space": "fusion_grid", "channels": {3: 32, 4: 48, 5: 64}, "widths": [32, 64, 96]})
    rng, device = np.random.default_rng(0), Simulated()
    necks = [space.architecture(space.sample(rng)) for _ in range(40)]
    every = [memory_totals(neck, IMAGE) for neck in necks]
    truth = [1.0 + 0.9 * entry["made"][1] + 0.3 * entry["live"][1] for entry in every]
    fitted = MemoryPredictor.fit(every[:25], truth[:25], device.fingerprint(IMAGE), device.lowering)
    errors = [abs(fitted.predict(n).value / t - 1) for n, t in zip(necks[25:], truth[25:], strict=True)]
    assert np.median(errors) < 0.02
    score = fitted.predict(necks[0])
    assert (score.metric, score.unit, score.source) == ("peak_activation_mb", "MB", "predicted")
    assert MemoryPredictor.from_json(fitted.to_json()).predict(necks[0]) == score


def test_calibration_measures_every_neck_and_needs_ten() -> None:
    device = devices.load("torch_cpu")
    necks = [chain(length) for length in range(1, 13)]
    *events, last = calibrate_memory(device, necks, IMAGE)
    assert len(events) == 12
    assert isinstance(last, MemoryPredictor) and last.predict(chain(3)).value > 0
    with pytest.raises(TooFewSamples):
        list(calibrate_memory(device, necks[:9], IMAGE))
