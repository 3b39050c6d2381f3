"""Drawings are well-formed, complete, and nothing in them overlaps or sticks out."""

import re
from xml.etree import ElementTree

import pytest

from search_space import reference
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.drawing import draw, stylesheet
from search_space.drawing.labels import marker, op_labels, sentence, shortened
from search_space.drawing.layout import BOX_WIDTH, place
from search_space.errors import InvalidArchitecture
from search_space.ops.conv import Conv
from search_space.ops.norm import Norm
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize

CHANNELS = {3: 64, 4: 96, 5: 128}
SVG = "{http://www.w3.org/2000/svg}"
NAMES = [file for file in reference.files()]


@pytest.mark.parametrize("name", NAMES)
def test_every_node_and_edge_is_drawn_and_explained(name: str) -> None:
    architecture = reference.build(name, CHANNELS)
    root = ElementTree.fromstring(draw(architecture))
    titles = [element.text or "" for element in root.iter(f"{SVG}title")]
    for node in architecture.live:
        assert any(title.startswith(f"{node.id}: level {node.level}, {node.width} ch") for title in titles)
        for edge in node.inputs:
            assert any(title.startswith(f"{edge.source} → {node.id}: ") for title in titles)
    boxes = [e for e in root.iter(f"{SVG}rect") if "box" in e.get("class", "").split() and e.get("rx") == "5"]
    assert len(boxes) == len(architecture.live) + len(architecture.inputs)
    outputs = [box for box in boxes if "output" in box.get("class", "").split()]
    assert len(outputs) == len({source for _, source in architecture.outputs})


@pytest.mark.parametrize("name", NAMES)
def test_boxes_stand_in_their_rows_apart_from_one_another(name: str) -> None:
    layout = place(reference.build(name, CHANNELS))
    rows = {row.level: row for row in layout.rows}
    assert [row.level for row in layout.rows] == sorted(rows, reverse=True)
    for box in layout.boxes.values():
        row = rows[box.level]
        assert row.y <= box.y and box.y + box.height <= row.y + row.height
        assert box.x >= 0 and box.x + BOX_WIDTH <= layout.width
    places = [(box.column, box.level) for box in layout.boxes.values()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_stand_left_of_what_reads_them(name: str) -> None:
    architecture = reference.build(name, CHANNELS)
    layout = place(architecture)
    order = [row.level for row in layout.rows]
    for node in architecture.live:
        for edge in node.inputs:
            source, target = layout.boxes[edge.source], layout.boxes[node.id]
            beside = abs(order.index(source.level) - order.index(target.level)) == 1
            assert source.column < target.column or (beside and source.column == target.column)


def test_sixty_nodes_stay_readable() -> None:
    architecture = reference.build("bifpn@d4", CHANNELS)
    assert len(architecture.live) == 58
    layout = place(architecture)
    assert layout.width <= 1600 and layout.height <= 500


def test_nothing_in_it_runs_or_is_loaded() -> None:
    text = draw(reference.build("opa_fpn", {2: 32, **CHANNELS}))
    assert not re.search(r"<script|\son\w+=|href|url\(|@import|<image|<foreignObject", text)


def test_rules_stay_inside_the_drawing() -> None:
    style = re.search(r"<style>(.*?)</style>", draw(reference.build("fpn", CHANNELS)), re.DOTALL)
    assert style is not None
    selectors = re.findall(r"([^{}]+)\{[^{}]*\}", style.group(1))
    assert selectors and all(".neck-drawing" in selector for selector in selectors)


def test_themes() -> None:
    architecture = reference.build("fpn", CHANNELS)
    auto = draw(architecture)
    assert "@media (prefers-color-scheme:dark)" in auto and ':root[data-theme="dark"]' in auto
    light, dark = draw(architecture, theme="light"), draw(architecture, theme="dark")
    assert "prefers-color-scheme" not in light + dark and light != dark
    bare = draw(architecture, theme="page")
    assert "<style" not in bare and f"<style>{stylesheet()}</style>" in auto
    with pytest.raises(InvalidArchitecture, match="unknown theme 'blue'"):
        draw(architecture, theme="blue")  # type: ignore[arg-type]


def test_wider_tensors_have_heavier_lines() -> None:
    text = draw(reference.build("channel_mapper", {3: 8, 4: 80, 5: 160}, width=80))
    weights = re.findall(r'<title>(c\d) → p\d: [^<]*</title><path class="edge" stroke-width="([\d.]+)"', text)
    assert [name for name, _ in weights] == ["c3", "c4", "c5"]
    assert [float(weight) for _, weight in weights] == sorted(float(weight) for _, weight in weights)
    assert weights[0][1] != weights[2][1]


def test_dead_nodes_are_left_out() -> None:
    nodes = (Node("dead", 3, 8, (Edge("c3"),)), Node("p3", 3, 8, (Edge("c3", (Conv(width=8),)),)))
    text = draw(Architecture((Input("c3", 3, 8),), nodes, ((3, "p3"),)))
    assert "dead" not in text and "p3" in text


def test_an_output_may_be_an_input() -> None:
    text = draw(Architecture((Input("c3", 3, 8),), (), ((3, "c3"),)))
    assert "c3: input of level 3, 8 channels" in text


def test_labels() -> None:
    separable = (Conv(width=8, groups=0, bias=False), Conv(width=8, kernel=1), Norm())
    assert op_labels(separable) == ["dw3"]
    assert op_labels((Conv(width=8, stride=2), Conv(width=8, kernel=1), Pool())) == ["3×3↓", "1×1", "pool"]
    assert shortened(["1×1", "3×3"]) == "1×1 3×3"
    assert shortened(["1×1", "3×3", "1×1", "SE"]) == "1×1 +3"
    assert marker((Resize(),)) == "" and marker((Resize(), Norm())) == "other"
    assert marker((Conv(width=8), Resize())) == "conv"
    assert sentence(Conv(width=8, bias=False, share="w")) == "conv (width=8, bias=False, tied as w)"
