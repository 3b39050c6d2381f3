"""Every neck runs at any image size, makes the sizes it promises, and costs what fvcore counts."""

from functools import cache

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from evaluators.cost import count
from search_space import reference
from search_space.architecture import Architecture
from supernet.subnet import Subnet
from tests.integration.reference.oracle import features

CHANNELS = {2: 8, 3: 16, 4: 24, 5: 32}


@cache
def small(name: str) -> tuple[Architecture, Subnet]:
    """The neck as narrow as it can be built, with the fewest repeats."""
    known = {option.name for option in reference.options(name)}
    options = {"width": 16, "repeats": 1}
    made = reference.build(name, CHANNELS, **{key: options[key] for key in known & options.keys()})
    return made, Subnet(made).eval()


@pytest.mark.parametrize("name", reference.names())
@settings(max_examples=4)
@given(height=st.integers(17, 333), width=st.integers(17, 333))
def test_runs_at_any_size(name: str, height: int, width: int) -> None:
    architecture, subnet = small(name)
    inputs = {level: x[:1].float() for level, x in features(CHANNELS, (height, width), 0).items()}
    with torch.no_grad():
        made = subnet(inputs)
    promised = architecture.output_shapes((height, width))
    assert {level: tuple(x.shape[1:]) for level, x in made.items()} == promised
    assert all(bool(torch.isfinite(x).all()) for x in made.values())


@pytest.mark.parametrize("name", reference.names())
def test_structural_cost_is_fvcores(name: str) -> None:
    architecture, subnet = small(name)
    inputs = {level: x[:1].float() for level, x in features(CHANNELS, (75, 141), 0).items()}
    counted = count(subnet, inputs)
    assert (architecture.parameters(), architecture.macs((75, 141))) == (counted.params, counted.macs)
