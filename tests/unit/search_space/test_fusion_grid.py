"""The choices of `fusion_grid`: counted, restricted, refused."""

import pickle
from itertools import product

import numpy as np
import pytest

from search_space.errors import InvalidSpace, NotInSpace
from search_space.space import Space
from search_space.spaces.fusion_grid import FusionGrid
from search_space.spaces.path_aggregation import PathAggregation

SMALL = {
    "space": "fusion_grid",
    "stages": [1, 2],
    "paths": ["top_down", "bottom_up", "fusing_splitting"],
    "fusions": ["sum", "fast"],
    "ops": ["conv3"],
    "skips": ["none", "laterals", "previous"],
    "widths": [16, 32],
}


def test_size_is_the_number_of_canonical_genotypes() -> None:
    space = Space.load(SMALL)
    raw = product(*(range(len(gene.choices)) for gene in space.genes))
    assert len({space.canonical(genotype) for genotype in raw}) == space.size()


def test_a_two_stage_neck_computes_its_own_function() -> None:
    """No two canonical genotypes of the small space are one function."""
    space = Space.load(SMALL)
    genotypes = {space.sample(np.random.default_rng(seed)) for seed in range(5000)}
    assert len({space.architecture(genotype).key for genotype in genotypes}) == len(genotypes)


def test_necks_from_remembered_stages_are_those_of_a_fresh_space() -> None:
    space = Space.load(SMALL)
    drawn = [space.sample(np.random.default_rng(seed)) for seed in range(60)]
    first = [space.architecture(genotype) for genotype in drawn]
    fresh = [Space.load(SMALL).architecture(genotype) for genotype in drawn]
    again = [space.architecture(genotype) for genotype in drawn]
    assert first == fresh == again and first[0].nodes[-1] is again[0].nodes[-1]
    copy = pickle.loads(pickle.dumps(space))
    assert copy == space and len(pickle.dumps(space)) < 40_000


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("paths", ["top_dwon"], "top_down"),
        ("paths", [], "one or more"),
        ("ops", ["conv3", "conv3"], "repeats"),
        ("widths", [0], "at least 1"),
        ("widths", "32", "a list"),
        (
            "levels",
            [2, 3, 4, 5],
            r"need level 2 of the backbone, which offers level 3 \(64 channels\), level 4",
        ),
        ("levels", [6, 7], "need level 6 of the backbone"),
        ("levels", [3, 5], "without gaps"),
        ("norm", "layer", "norm"),
        ("channels", {"3": -1, "4": 2}, "positive"),
        ("channels", {"low": 1}, "by level"),
        ("channels", [64, 96], "a mapping"),
        ("levels", ["3", "4"], "whole numbers"),
        ("levels", 3, "a list"),
        ("act", 3, "a name"),
        ("export_safe", 1, "true or false"),
        ("groups", True, "a whole number"),
        ("groups", 0, "at least 1"),
        ("kernels", [7], "no operation"),
        ("ops", ["conv9"], "conv3"),
        ("attentions", ["sa"], "se"),
    ],
)
def test_options_that_cannot_be_are_named(option: str, value: object, message: str) -> None:
    with pytest.raises(InvalidSpace, match=message):
        Space.load({"space": "fusion_grid", option: value})


def test_groups_that_do_not_divide_a_width_are_refused() -> None:
    with pytest.raises(InvalidSpace, match=r"16 groups.*\[40\]"):
        FusionGrid(norm="group", widths=(32, 40))
    with pytest.raises(InvalidSpace, match=r"16 groups.*ela.*\[40\]"):
        FusionGrid(attentions=("none", "ela"), widths=(32, 40))


def test_operations_that_onnx_lacks_need_leave() -> None:
    with pytest.raises(InvalidSpace, match="deform_conv"):
        PathAggregation(deform=True)
    with pytest.raises(InvalidSpace, match="deform_conv"):
        FusionGrid(ops=("conv3", "deform3"))
    space = PathAggregation(deform=True, export_safe=False)
    architecture = space.architecture(space.baselines()["opa_fpn"])
    assert not architecture.export_safe


def test_kernels_restrict_the_operations() -> None:
    assert FusionGrid(ops=("conv", "dw"), kernels=(3, 5)).ops == ("dw3", "dw5", "conv3", "conv5")
    assert FusionGrid(kernels=(3,)).ops == ("dw3", "conv3")


def test_paths_that_bring_nothing_are_refused() -> None:
    with pytest.raises(InvalidSpace, match="neither none nor skip"):
        PathAggregation(paths=("none", "skip"))


def test_levels_above_the_backbone_are_made() -> None:
    for extra in ("pool", "conv"):
        space = FusionGrid(levels=(3, 4, 5, 6, 7), extra=extra)
        architecture = space.architecture(space.sample(np.random.default_rng(0)))
        shapes = architecture.output_shapes((333, 200))
        assert {level: shape.size for level, shape in shapes.items()} == {
            level: (-(-333 // 2**level), -(-200 // 2**level)) for level in (3, 4, 5, 6, 7)
        }


def test_an_architecture_of_other_channels_is_not_inside() -> None:
    space, other = FusionGrid(), FusionGrid(channels={3: 8, 4: 8, 5: 8})
    architecture = other.architecture(other.smallest())
    with pytest.raises(NotInSpace, match="channels"):
        space.embed(architecture)
