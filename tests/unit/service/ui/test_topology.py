"""Topologies in words, and their differences."""

from dataclasses import replace

from search_space import reference
from search_space.architecture import Architecture
from service.ui import topology

CHANNELS = {3: 16, 4: 24, 5: 32}


def widened(architecture: Architecture, name: str) -> Architecture:
    """Return the architecture under which one node is called differently, and so is every use of it."""
    rename = lambda text: f"{text}_new" if text == name else text  # noqa: E731
    nodes = tuple(
        replace(
            node,
            id=rename(node.id),
            inputs=tuple(replace(edge, source=rename(edge.source)) for edge in node.inputs),
        )
        for node in architecture.nodes
    )
    outputs = tuple((level, rename(source)) for level, source in architecture.outputs)
    return Architecture(architecture.inputs, nodes, outputs)


def test_same_has_no_differences() -> None:
    fpn = reference.build("fpn", CHANNELS)
    assert topology.differences(fpn, fpn) == []


def test_names_what_was_added_and_removed() -> None:
    fpn = reference.build("fpn", CHANNELS)
    name = fpn.live[-1].id
    changes = topology.differences(fpn, widened(fpn, name))
    assert [(change.id, change.before is None, change.after is None) for change in changes] == [
        (name, False, True),
        (f"{name}_new", True, False),
    ]


def test_names_the_parts_that_differ() -> None:
    narrow, wide = (reference.build("fpn", CHANNELS, width=width) for width in (16, 24))
    changes = topology.differences(narrow, wide)
    assert {change.id for change in changes} == {node.id for node in narrow.live}
    assert all("width" in change.parts for change in changes)


def test_words_of_operations() -> None:
    words = topology.nodes(reference.build("bifpn", CHANNELS))
    text = " ".join(f"{node.inputs} {node.fusion} {node.ops}" for node in words)
    assert "depthwise conv 3×3" in text and "nearest resize" in text
