"""Two topologies in one drawing."""

import re
from dataclasses import replace

import numpy as np
import pytest

from search_space import reference
from search_space.architecture import Architecture
from search_space.drawing import overlay
from search_space.drawing.overlay import SIGNS
from search_space.ops.act import Act
from search_space.space import Space

CHANNELS = {3: 16, 4: 24, 5: 32}
SPACES = ("fusion_grid", "merging_cells", "path_aggregation")


def groups(text: str, state: str) -> list[str]:
    """Return the hover texts of what stands in a state."""
    return re.findall(rf'<g class="{state}"><title>(.*?)</title>', text, re.DOTALL)


def test_same_topology_has_no_difference() -> None:
    fpn = reference.build("fpn", CHANNELS)
    text = overlay(fpn, fpn)
    assert not any(groups(text, state) for state in SIGNS if state != "same")
    assert len(groups(text, "same")) == len(fpn.inputs) + len(fpn.live) + sum(len(n.inputs) for n in fpn.live)


def test_what_one_side_has_alone_is_marked_on_both_ways() -> None:
    space = Space.load({"space": "fusion_grid", "channels": CHANNELS})
    fpn, pafpn = (space.architecture(space.baselines()[name]) for name in ("fpn", "pafpn"))
    assert not groups(overlay(fpn, pafpn), "removed") and not groups(overlay(pafpn, fpn), "added")
    assert groups(overlay(fpn, pafpn), "added") and groups(overlay(pafpn, fpn), "removed")


def test_another_width_is_a_change_that_says_both() -> None:
    narrow, wide = (reference.build("fpn", CHANNELS, width=width) for width in (16, 24))
    text = overlay(narrow, wide)
    assert "16 → 24" in text and not groups(text, "added") and not groups(text, "removed")


def test_another_operation_on_an_edge_is_a_change_of_that_edge_alone() -> None:
    pafpn = reference.build("pafpn", CHANNELS)
    at, node = next((i, n) for i, n in enumerate(pafpn.nodes) if any(edge.ops for edge in n.inputs))
    edges = tuple(replace(edge, ops=(*edge.ops, Act())) if edge.ops else edge for edge in node.inputs)
    nodes = (*pafpn.nodes[:at], replace(node, inputs=edges), *pafpn.nodes[at + 1 :])
    text = overlay(pafpn, Architecture(pafpn.inputs, nodes, pafpn.outputs))
    assert len(groups(text, "changed")) == sum(bool(edge.ops) for edge in node.inputs)
    assert "→" in groups(text, "changed")[0] and not groups(text, "added") + groups(text, "removed")


@pytest.mark.parametrize("name", SPACES)
def test_boxes_stand_apart_for_any_two_necks(name: str) -> None:
    space, rng = Space.load({"space": name, "channels": CHANNELS}), np.random.default_rng(0)
    for _ in range(20):
        text = overlay(*(space.architecture(space.sample(rng)) for _ in range(2)), theme="page")
        places = re.findall(r'<rect class="box[ a-z]*" x="([\d.]+)" y="([\d.]+)" width="58"', text)
        assert len(places) == len(set(places)) > 3
        assert "<style" not in text
