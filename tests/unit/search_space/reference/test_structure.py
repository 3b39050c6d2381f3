"""Structures counted by hand, and options that a user's backbone needs."""

import pytest

from search_space.errors import InvalidArchitecture
from search_space.reference import build

CHANNELS = {3: 64, 4: 96, 5: 128}
WIDTH = 16


def conv(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2 + outputs


@pytest.mark.parametrize(
    ("extra", "more", "expected"),
    [
        ("pool", 2, 0),
        ("c5", 2, conv(128, WIDTH, 3) + conv(WIDTH, WIDTH, 3)),
        ("t5", 1, conv(WIDTH, WIDTH, 3)),
        ("p5", 3, 3 * conv(WIDTH, WIDTH, 3)),
    ],
)
def test_extra_levels_of_fpn(extra: str, more: int, expected: int) -> None:
    plain = build("fpn", CHANNELS, width=WIDTH)
    made = build("fpn", CHANNELS, width=WIDTH, extra=extra, more=more)
    assert made.parameters() - plain.parameters() == expected
    assert [level for level, _ in made.outputs] == list(range(3, 6 + more))
    assert made.output_shapes((65, 65))[6].size == (2, 2)


def test_extra_convolutions_read_what_they_are_told() -> None:
    sources = {
        extra: next(
            node.inputs[0].source
            for node in build("fpn", CHANNELS, extra=extra, more=1).nodes
            if node.id == "p6"
        )
        for extra in ("pool", "c5", "t5", "p5")
    }
    assert sources == {"pool": "p5", "c5": "c5", "t5": "lateral5", "p5": "p5"}


def test_pafpn_adds_two_convolutions_a_step_upwards() -> None:
    fpn, pafpn = build("fpn", CHANNELS, width=WIDTH), build("pafpn", CHANNELS, width=WIDTH)
    assert pafpn.parameters() - fpn.parameters() == 4 * conv(WIDTH, WIDTH, 3)


def test_papers_pafpn_feeds_convolved_features_upwards() -> None:
    nodes = {node.id: node for node in build("pafpn@paper", CHANNELS).nodes}
    assert [edge.source for edge in nodes["up5"].inputs] == ["smooth5", "up4"]
    assert [op.kind for op in nodes["up5"].inputs[1].ops] == ["conv", "act"]
    assert [op.kind for op in nodes["up5"].ops] == ["conv", "act"]
    assert build("pafpn", CHANNELS).parameters() == build("pafpn@paper", CHANNELS).parameters()


def test_first_cell_of_bifpn_has_a_lateral_for_each_consumer() -> None:
    separate = build("bifpn", CHANNELS, width=WIDTH, norm=None, repeats=1)
    shared = build("bifpn", CHANNELS, width=WIDTH, norm=None, repeats=1, separate_laterals=False)
    assert separate.parameters() - shared.parameters() == conv(96, WIDTH, 1) + conv(128, WIDTH, 1)


def test_bifpn_needs_no_lateral_where_widths_agree() -> None:
    made = build("bifpn", {3: WIDTH, 4: WIDTH}, width=WIDTH, more=0, repeats=1)
    kinds = [step.op.kind for step in made.steps() if ".from_" in step.path]
    assert "conv" not in kinds


def test_bifpn_of_one_level_is_refused() -> None:
    with pytest.raises(InvalidArchitecture, match="two or more; got level 4 only"):
        build("bifpn", CHANNELS, levels=(4, 4))


@pytest.mark.parametrize("name", ["fpn", "pafpn", "bifpn", "rev_fp"])
def test_width_norm_act_and_levels_are_options(name: str) -> None:
    made = build(name, CHANNELS, levels=(4, 6), width=WIDTH, norm="group:4", act="silu")
    assert made.channels == {4: 96, 5: 128}
    assert [node.width for node in made.nodes if node.id.startswith(("p", "cell"))]
    assert {made.shapes()[source].channels for _, source in made.outputs} == {WIDTH}
    assert {step.op.kind for step in made.steps()} >= {"norm", "act"}
    assert not [s for s in made.steps() if s.op.kind == "norm" and "groups=4" not in repr(s.op)]


def test_rev_fp_reads_from_fine_to_coarse() -> None:
    made = build("rev_fp", CHANNELS)
    nodes = {node.id: [edge.source for edge in node.inputs] for node in made.nodes}
    assert nodes["p3"] == ["lateral3", "guide3"]
    assert nodes["mix4"] == ["lateral4", "guide4"]
    assert nodes["guide4"] == ["lateral4", "lateral5"]
    assert nodes["p4"] == ["mix4", "p3"]
    assert nodes["p7"] == ["lateral7", "p6"]
