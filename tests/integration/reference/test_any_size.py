"""Every neck runs at any image size, makes the sizes it promises, and costs what fvcore counts."""

from functools import cache

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from benchmarks.neck_oracles import features
from evaluators.cost import count
from search_space import reference
from search_space.architecture import Architecture
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
