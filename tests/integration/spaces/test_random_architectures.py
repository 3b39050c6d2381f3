"""Random architectures of every space run, are counted and extracted exactly, and keys tell functions apart.

`python -m benchmarks.space` does the same at 1,000 and 10,000 architectures a space.
"""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.disguises import disguised
from benchmarks.pairing import outputs_differ, paired
from benchmarks.space import false_keys, faults, features_of
from search_space import spaces
from search_space.space import Space
from search_space.spaces.fusion_grid import FusionGrid

every_space = pytest.mark.parametrize("name", spaces.names())


@every_space
def test_random_architectures_run_are_counted_and_extracted(name: str) -> None:
    assert list(faults(Space.load(name), 8, seed=11)) == []


@every_space
def test_keys_tell_functions_apart(name: str) -> None:
    wrong, _ = false_keys(Space.load(name), 1000, seed=12)
    assert wrong == 0


@every_space
@settings(max_examples=6)
@given(seed=st.integers(0, 2**32 - 1))
def test_equal_keys_compute_equal_outputs(name: str, seed: int) -> None:
    space = Space.load(name)
    architecture = space.architecture(space.sample(np.random.default_rng(seed)))
    other = disguised(architecture, random.Random(seed))
    assert other.key == architecture.key
    pairs = paired(architecture, other)
    assert pairs
    assert not outputs_differ(architecture, other, pairs, features_of(space, 33, 65))


def test_genotypes_of_one_function_have_one_key() -> None:
    """A stage that passes everything changes nothing: [td], [skip, td] and [td, skip] are one neck."""
    options = {"stages": [1, 2], "paths": ["skip", "top_down"], "skips": ["none"], "widths": [16]}
    space = Space.load({"space": "fusion_grid", **options, "fusions": ["sum"], "ops": ["conv1"]})
    wrong, twins = false_keys(space, 200, seed=13)
    assert wrong == 0
    assert twins >= 4


def test_the_check_of_keys_sees_a_difference() -> None:
    space = FusionGrid()
    fpn, pafpn = (space.architecture(space.baselines()[name]) for name in ("fpn", "pafpn"))
    assert paired(fpn, pafpn) is None
    pairs = paired(pafpn, pafpn)
    assert pairs
    assert not outputs_differ(pafpn, pafpn, pairs, features_of(space, 33, 65))
    wrong = dict(pairs)
    first, second = [path for path in pairs if path.endswith("conv") and "s2" in path][:2]
    wrong[first], wrong[second] = pairs[second], pairs[first]
    assert outputs_differ(pafpn, pafpn, wrong, features_of(space, 33, 65))
