"""Keys are equal for one function of one set of parameters, and for nothing else."""

import random
from collections.abc import Iterator
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from benchmarks.disguises import disguised, padded, renamed, reordered
from search_space import reference
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.ops.conv import Conv
from search_space.ops.resize import Resize
from search_space.ops.weighted_sum import WeightedSum

CHANNELS = {3: 16, 4: 16, 5: 16}
NECKS = ["fpn", "pafpn", "bifpn", "nas_fpn", "dense_fpn", "sepc", "opa_fpn", "rep_gfpn"]


@settings(max_examples=40)
@given(st.sampled_from(NECKS), st.integers(0, 2**32))
def test_names_order_and_dead_nodes_do_not_show(name: str, seed: int) -> None:
    rng = random.Random(seed)
    known = {option.name for option in reference.options(name)}
    made = reference.build(name, CHANNELS, **{"repeats": 1} if "repeats" in known else {})
    for change in (renamed, reordered, padded):
        assert change(made, rng).key == made.key
    assert disguised(made, rng).key == made.key


def changes(made: Architecture) -> Iterator[Architecture]:
    """Every architecture with one attribute of one operation changed, or one pair of edges swapped."""
    for index, node in enumerate(made.nodes):
        others: list[Node] = []
        if len(node.inputs) > 1 and node.inputs[0] != node.inputs[1]:
            others.append(replace(node, inputs=(node.inputs[1], node.inputs[0], *node.inputs[2:])))
        for at, op in enumerate(node.ops):
            if isinstance(op, Conv):
                changed = replace(op, bias=not op.bias)
                others.append(replace(node, ops=(*node.ops[:at], changed, *node.ops[at + 1 :])))
        for other in others:
            yield Architecture(
                made.inputs, (*made.nodes[:index], other, *made.nodes[index + 1 :]), made.outputs
            )


@pytest.mark.parametrize("name", ["fpn", "pafpn", "bifpn", "rev_fp"])
def test_any_change_shows(name: str) -> None:
    made = reference.build(name, CHANNELS)
    keys = [other.key for other in changes(made)]
    assert len(keys) > 5
    assert len({made.key, *keys}) == len(keys) + 1


def chain(*shares: str | None) -> Architecture:
    ops = tuple(Conv(width=8, kernel=1, share=share) for share in shares)
    return Architecture((Input("c3", 3, 8),), (Node("p3", 3, 8, (Edge("c3"),), None, ops),), ((3, "p3"),))


def test_the_pattern_of_ties_shows_and_nothing_else_of_them() -> None:
    untied = {
        chain(None, None, None, None).key,
        chain("a", "b", "c", "d").key,
        chain("a", None, None, "b").key,
    }
    assert len(untied) == 1
    assert chain("a", "b", "a", "b").key == chain("b", "a", "b", "a").key
    patterns = [
        chain(None, None, None, None),
        chain("a", "a", None, None),
        chain(None, None, "a", "a"),
        chain("a", "a", "b", "b"),
        chain("a", "b", "a", "b"),
        chain("a", "b", "b", "a"),
        chain("a", "a", "a", "a"),
    ]
    assert len({made.key for made in patterns}) == len(patterns)


def test_a_tie_to_a_dead_node_is_none() -> None:
    live = Node("p3", 3, 8, (Edge("c3"),), None, (Conv(width=8, share="w"),))
    dead = Node("dead", 3, 8, (Edge("c3"),), None, (Conv(width=8, share="w"),))
    inputs, outputs = (Input("c3", 3, 8),), ((3, "p3"),)
    assert Architecture(inputs, (dead, live), outputs).key == Architecture(inputs, (live,), outputs).key


def test_tied_fusions_show() -> None:
    def made(share: str | None) -> Architecture:
        first = Node("a", 3, 8, (Edge("c3"), Edge("c3")), WeightedSum(share=share))
        second = Node("b", 3, 8, (Edge("a"), Edge("c3")), WeightedSum(share=share))
        return Architecture((Input("c3", 3, 8),), (first, second), ((3, "b"),))

    assert made("w").key != made(None).key


def test_one_tensor_at_two_levels_and_two_at_one_differ() -> None:
    inputs = (Input("c3", 3, 8), Input("c4", 4, 8))
    up = Node("up", 3, 8, (Edge("c4", (Resize(),)),))
    assert Architecture(inputs, (up,), ((3, "up"),)).key != Architecture(inputs, (), ((3, "c3"),)).key
    both = Architecture(inputs, (), ((3, "c3"), (4, "c4")))
    assert both.key != Architecture(inputs, (), ((3, "c3"),)).key
