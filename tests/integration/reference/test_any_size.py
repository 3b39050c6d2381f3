"""Every neck runs at any image size, costs what fvcore counts, learns, and exports where it can."""

from functools import cache

import hypothesis.strategies as st
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings

from benchmarks.neck_oracles import features
from evaluators.cost import count
from search_space import reference
from search_space.architecture import Architecture
from supernet.export.onnx import export
from supernet.subnet import Subnet

CHANNELS = {3: 16, 4: 24, 5: 32}


@cache
def narrow(name: str) -> Architecture:
    """The neck as narrow as it can be built, with the fewest repeats."""
    known = {option.name for option in reference.options(name)}
    options = {"width": 16, "repeats": 1, "inner": 8, "widths": (16, 8, 8)}
    return reference.build(name, CHANNELS, **{key: options[key] for key in known & options.keys()})


@cache
def small(name: str) -> tuple[Architecture, Subnet]:
    return narrow(name), Subnet(narrow(name)).eval()


def distinct() -> list[str]:
    """The names whose narrow forms differ: bifpn@d1 made as narrow as bifpn@d0 is the same graph."""
    by_key: dict[str, str] = {}
    for name in reference.names():
        by_key.setdefault(narrow(name).key, name)
    return list(by_key.values())


@pytest.mark.parametrize("name", distinct())
@settings(max_examples=3)
@given(height=st.integers(17, 333), width=st.integers(17, 333))
def test_runs_at_any_size(name: str, height: int, width: int) -> None:
    architecture, subnet = small(name)
    inputs = {level: x[:1].float() for level, x in features(CHANNELS, (height, width), 0).items()}
    with torch.no_grad():
        made = subnet(inputs)
    promised = architecture.output_shapes((height, width))
    assert {level: tuple(x.shape[1:]) for level, x in made.items()} == promised
    assert all(bool(torch.isfinite(x).all()) for x in made.values())


@pytest.mark.parametrize("name", distinct())
def test_structural_cost_is_fvcores(name: str) -> None:
    architecture, subnet = small(name)
    inputs = {level: x[:1].float() for level, x in features(CHANNELS, (75, 141), 0).items()}
    counted = count(subnet, inputs)
    assert (architecture.parameters(), architecture.macs((75, 141))) == (counted.params, counted.macs)


@pytest.mark.parametrize("name", distinct())
def test_every_parameter_learns(name: str) -> None:
    subnet = Subnet(narrow(name)).train()
    inputs = {level: x.float() for level, x in features(CHANNELS, (256, 192), 0).items()}
    torch.stack([made.square().mean() for made in subnet(inputs).values()]).sum().backward()
    still = {name for name, parameter in subnet.named_parameters() if parameter.grad is None}
    assert {name.rpartition(".")[2] for name in still} <= {"offset_weight", "offset_bias"}
    assert all(torch.isfinite(p.grad).all() for p in subnet.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", [name for name in distinct() if narrow(name).export_safe])
def test_onnx_agrees_at_a_size_it_was_not_made_for(name: str) -> None:
    architecture, subnet = small(name)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(export(subnet), options, providers=["CPUExecutionProvider"])
    for size in [(64, 64), (97, 141)]:
        inputs = {level: features(CHANNELS, size, 0)[level][:1].float() for level in architecture.channels}
        with torch.no_grad():
            expected = subnet(inputs)
        names = [entry.name for entry in session.get_inputs()]
        fed = dict(zip(names, (x.numpy() for _, x in sorted(inputs.items())), strict=True))
        for (_, ours), theirs in zip(sorted(expected.items()), session.run(None, fed), strict=True):
            torch.testing.assert_close(torch.from_numpy(theirs), ours, rtol=1e-3, atol=1e-4)
