"""Hand-made necks that lie in a space are found there, exactly."""

import json
from collections.abc import Mapping

import pytest

from search_space.errors import NotInSpace
from search_space.ops.norm import Norm
from search_space.reference import build
from search_space.space import Space

CHANNELS = {3: 64, 4: 96, 5: 128}
PLAIN = {"norm": "none", "act": "none"}
LAST = {"order": "conv_norm_act"}
CELLS = {"act": "silu", "extra": "pool", "levels": [3, 4, 5, 6, 7]}
TREE = {"fusions": ["sum"], "downs": ["pool2"], "resize": "bilinear"}
BIFPN = {"norm": Norm(), "separate_laterals": False}


@pytest.mark.parametrize(
    ("spec", "neck", "options"),
    [
        (PLAIN, "fpn", {}),
        (PLAIN, "pafpn", {}),
        (LAST, "fpn", {"norm": "batch", "act": "relu"}),
        (LAST, "pafpn", {"norm": "batch", "act": "relu"}),
        (LAST | {"norm": "group", "groups": 16}, "pafpn", {"norm": "group:16", "act": "relu"}),
        (CELLS, "bifpn", {**BIFPN, "repeats": 1}),
        (CELLS, "bifpn", {**BIFPN, "repeats": 2}),
        ({}, "bifpn", {**BIFPN, "repeats": 1, "act": "relu", "more": 0}),
        (CELLS | {"fusions": ["softmax"]}, "bifpn", {**BIFPN, "repeats": 1, "fusion": "softmax"}),
        (TREE, "rev_fp@plain", {"more": 0}),
    ],
)
def test_a_hand_made_neck_is_a_baseline(
    spec: dict[str, object], neck: str, options: dict[str, object]
) -> None:
    space = Space.load({"space": "fusion_grid", "widths": [32, 48], **spec})
    architecture = build(neck, CHANNELS, width=48, **options)
    genotype = space.embed(architecture)
    assert space.architecture(genotype).key == architecture.key
    name = neck.partition("@")[0] + ("_2" if options.get("repeats") == 2 else "")
    design = space.baselines().get(name)
    assert design == genotype


def test_a_neck_of_another_form_does_not_lie_inside() -> None:
    space = Space.load({"space": "fusion_grid", "widths": [48], **PLAIN})
    with pytest.raises(NotInSpace):
        space.embed(build("pafpn@paper", CHANNELS, width=48))
    with pytest.raises(NotInSpace, match="widths"):
        space.embed(build("fpn", CHANNELS, width=40))


@pytest.mark.parametrize("version", ["tf", "mmdet"])
@pytest.mark.parametrize("stacks", [1, 3, 7])
def test_nas_fpn_lies_in_merging_cells(version: str, stacks: int) -> None:
    extra = {"tf": "halve", "mmdet": "reduce"}[version]
    spec = {"space": "merging_cells", "version": version, "extra": extra}
    space = Space.load({**spec, "widths": [32, 48], "stacks": [1, stacks]})
    architecture = build(f"nas_fpn@{version}", CHANNELS, width=48, repeats=stacks, norm=Norm())
    genotype = space.embed(architecture)
    assert space.architecture(genotype).key == architecture.key
    assert space.baselines() == {"nas_fpn": genotype}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("deform", [True, False])
def test_opa_fpn_lies_in_path_aggregation(deform: bool, tied: bool) -> None:
    channels = {2: 48, **CHANNELS}
    options = {"deform": deform, "tied": tied, "export_safe": not deform}
    space = Space.load(
        {"space": "path_aggregation", "channels": channels, "widths": [32, 48], **options, **PLAIN}
    )
    architecture = build("opa_fpn", channels, width=48, deform=deform, tied=tied)
    genotype = space.embed(architecture)
    assert space.architecture(genotype).key == architecture.key
    assert space.baselines()["opa_fpn"] == genotype


C2 = {2: 48, **CHANNELS}
RESTRICTED: dict[str, dict[str, object]] = {
    "fusion_grid": {"ops": ["dw3", "conv3"], "kernels": [3], "places": ["inside", "after"]},
    "merging_cells": {"ops": ["conv3"], "stacks": [2], "merges": [2], "attentions": ["none"]},
    "path_aggregation": {"ops": ["conv"], "kernels": [3], "nodes": [5]},
}
EXTENDED: dict[str, dict[str, object]] = {
    "fusion_grid": {
        "stages": [1, 2, 3],
        "ops": ["conv1", "conv", "dw", "deform"],
        "attentions": ["none", "se", "ela"],
        "downs": ["pool2", "pool", "conv"],
        "export_safe": False,
    },
    "merging_cells": {
        "ops": ["conv", "dw", "deform"],
        "attentions": ["none", "eca", "coordinate"],
        "stacks": [1, 2, 5],
        "merges": [0, 1, 2, 3],
        "export_safe": False,
    },
    "path_aggregation": {
        "ops": ["dw3", "conv3", "conv5", "deform3"],
        "attentions": ["none", "scse"],
        "export_safe": False,
    },
}
LYING: dict[str, tuple[str, Mapping[str, object], dict[int, int], str, dict[str, object]]] = {
    "fpn": ("fusion_grid", PLAIN, CHANNELS, "fpn", {}),
    "pafpn": ("fusion_grid", PLAIN, CHANNELS, "pafpn", {}),
    "bifpn's topology": ("fusion_grid", CELLS, CHANNELS, "bifpn", {**BIFPN, "repeats": 1}),
    "rev_fp's topology": ("fusion_grid", TREE, CHANNELS, "rev_fp@plain", {"more": 0}),
    "opa_fpn": ("path_aggregation", {"channels": C2, **PLAIN}, C2, "opa_fpn@plain", {}),
    "nas_fpn": ("merging_cells", {}, CHANNELS, "nas_fpn@tf", {"repeats": 2, "norm": Norm()}),
}


@pytest.mark.parametrize("mapping", ["as it ships", "restricted", "extended"])
@pytest.mark.parametrize("neck", LYING)
def test_each_of_these_necks_lies_in_a_space(neck: str, mapping: str) -> None:
    """Through a mapping read from JSON; the genotype that is found makes the very same neck."""
    name, spec, channels, built, options = LYING[neck]
    changes = {"as it ships": {}, "restricted": RESTRICTED[name], "extended": EXTENDED[name]}[mapping]
    given = {"space": name, "widths": [48] if mapping == "restricted" else [32, 48], **changes, **spec}
    space = Space.load(json.loads(json.dumps(given)))
    architecture = build(built, channels, width=48, **options)
    assert space.contains(architecture)
    genotype = space.embed(architecture)
    assert space.canonical(genotype) == genotype
    assert space.architecture(genotype).key == architecture.key
