"""What an architecture refuses, counts, and keeps through JSON."""

import json
import random
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from search_space import reference
from search_space.architecture import SCHEMA_VERSION, Architecture, Edge, Input, Node
from search_space.errors import (
    CyclicGraph,
    InvalidArchitecture,
    NewerSchema,
    SearchSpaceError,
    UnknownOperation,
    WidthMismatch,
)
from search_space.op import Op
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv
from search_space.ops.deform_conv import DeformConv
from search_space.ops.norm import Norm
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize
from search_space.ops.sum import Sum
from search_space.ops.weighted_sum import WeightedSum

INPUTS = (Input("c3", 3, 8), Input("c4", 4, 12))
CHANNELS = {3: 16, 4: 24, 5: 32}


def graph(*nodes: Node, outputs: tuple[tuple[int, str], ...] | None = None) -> Architecture:
    return Architecture(INPUTS, nodes, outputs or ((nodes[-1].level, nodes[-1].id),))


def node(
    name: str, level: int, width: int, *edges: Edge | str, fusion: Op | None = None, ops: Any = ()
) -> Node:
    inputs = tuple(edge if isinstance(edge, Edge) else Edge(edge) for edge in edges)
    return Node(name, level, width, inputs, fusion, tuple(ops))


P3 = node("p3", 3, 8, "c3")


@pytest.mark.parametrize(
    ("nodes", "error", "message"),
    [
        (
            [node("a", 3, 8, "b", "c3", fusion=Sum()), node("b", 3, 8, "a")],
            CyclicGraph,
            r"'a' \(level 3\) and 'b' wait for one another",
        ),
        ([node("a", 3, 8, "c5")], InvalidArchitecture, r"node 'a' .* reads 'c5', which no node offers"),
        ([node("a", 3, 8, "p3"), P3], InvalidArchitecture, "listed before its input 'p3'"),
        (
            [node("a", 3, 8, "c3", Edge("c4", (Resize(),)), fusion=Sum())],
            WidthMismatch,
            r"node 'a' \(level 3\): sum: inputs have \[8, 12\] channels",
        ),
        ([node("a", 3, 9, "c3")], WidthMismatch, "make 8 channels, but its width is 9"),
        ([node("a", 3, 8, "c3", "c4", fusion=None)], InvalidArchitecture, "2 inputs and no fusion"),
        ([node("a", 3, 8)], InvalidArchitecture, "has no inputs"),
        ([node("a", 3, 8, "c3", fusion=Norm())], InvalidArchitecture, "'norm' takes one input"),
        ([node("a", 3, 8, "c3", ops=[Sum()])], InvalidArchitecture, "can only stand as the node's fusion"),
        ([P3, P3], InvalidArchitecture, r"are called \['p3'\]"),
        ([node("p 3", 3, 8, "c3")], InvalidArchitecture, "'p 3' cannot name a node: use letters"),
        ([node("_p3", 3, 8, "c3")], InvalidArchitecture, "'_p3' cannot name a node: .* a letter in front"),
        (
            [node("forward", 3, 8, "c3")],
            InvalidArchitecture,
            "'forward' .* modules have .* take .*'forward_0'",
        ),
        ([node("state_dict", 3, 8, "c3")], InvalidArchitecture, "'state_dict' cannot name a node"),
        ([node("lambda", 3, 8, "c3")], InvalidArchitecture, "'lambda' .* a keyword of Python"),
        ([node("a", 3, 12, "c4")], InvalidArchitecture, "makes 40 x 40 pixels .* its level has 80 x 80"),
        (
            [node("a", 3, 8, "c3", Edge("c4", (Conv(width=8),)), fusion=Sum())],
            InvalidArchitecture,
            r"sum: inputs have sizes \[\(40, 40\), \(80, 80\)\]",
        ),
        ([node("a", 5, 12, Edge("c4", (Resize(),)))], InvalidArchitecture, "has no size to resize to"),
        ([node("a", 5, 12, Edge("c4", (AdaptivePool(),)))], InvalidArchitecture, "no size to pool to"),
        (
            [node("a", 3, 8, "c3", ops=[Norm(form="group", groups=3)])],
            InvalidArchitecture,
            r"node 'a' \(level 3\): norm: 3 groups do not divide 8 channels",
        ),
        (
            [node("a", 3, 8, "c3", ops=[Conv(width=8, groups=3)])],
            InvalidArchitecture,
            "3 groups do not divide 8 input and 8 output channels",
        ),
        ([node("a", 99, 8, "c3")], InvalidArchitecture, "a level is 0 to 16, got 99"),
        (
            [node("a", 3, 8, "c3", ops=[Conv(width=8, share="w"), Conv(width=8, kernel=1, share="w")])],
            InvalidArchitecture,
            "share 'w' but hold different tensors",
        ),
    ],
)
def test_graphs_that_cannot_be_built(nodes: list[Node], error: type[SearchSpaceError], message: str) -> None:
    with pytest.raises(error, match=message):
        graph(*nodes)


def test_outputs_must_exist_at_their_level() -> None:
    with pytest.raises(InvalidArchitecture, match="output level 4 names 'p3' of level 3"):
        graph(P3, outputs=((4, "p3"),))
    with pytest.raises(InvalidArchitecture, match="output level 3 names 'p9', which no node offers"):
        graph(P3, outputs=((3, "p9"),))
    with pytest.raises(InvalidArchitecture, match="at least one output"):
        Architecture(INPUTS, (P3,), ())


def test_a_pixel_may_stand_at_any_level() -> None:
    pooled = node("pooled", 3, 8, Edge("c3", (AdaptivePool(form="avg", to="pixel"),)))
    made = graph(pooled, node("p3", 3, 8, "c3", "pooled", fusion=Sum()))
    assert made.shapes((64, 64))["pooled"].size == (1, 1)
    assert made.output_shapes((64, 64))[3] == (8, 8, 8)


def test_tied_operations_count_once() -> None:
    def tied(*shares: str | None) -> Architecture:
        ops = [Conv(width=8, kernel=1, share=share) for share in shares]
        return graph(node("a", 3, 8, "c3", ops=ops))

    alone = Conv(width=8, kernel=1).parameters([INPUTS_SHAPE])
    assert tied(None, None).parameters() == tied("u", "v").parameters() == 2 * alone
    assert tied("u", "u").parameters() == alone
    assert tied("u", "u").macs((64, 64)) == tied(None, None).macs((64, 64))


INPUTS_SHAPE = graph(P3).shapes()["c3"]


def test_fusion_weights_may_be_tied() -> None:
    fusion = WeightedSum(share="w")
    first = node("a", 3, 8, "c3", "c3", fusion=fusion)
    assert graph(first, node("b", 3, 8, "a", "c3", fusion=fusion)).parameters() == 2
    with pytest.raises(InvalidArchitecture, match="share 'w' but hold different tensors"):
        graph(first, node("b", 3, 8, "a", "c3", "c3", fusion=fusion))


@pytest.mark.parametrize("name", ["bifpn", "nas_fpn", "rep_gfpn", "hrnet_fuse", "pafpn"])
def test_counts_are_those_of_the_steps(name: str) -> None:
    neck = reference.build(name, CHANNELS)
    for size in ((128, 128), (97, 211)):
        steps = neck.steps(size)
        assert neck.macs(size) == sum(step.op.macs(step.inputs, step.output) for step in steps)
    shares = {step.op.share or step.path: step.op.parameters(step.inputs) for step in neck.steps()}
    assert neck.parameters() == sum(shares.values())


def test_a_count_that_fails_names_the_node() -> None:
    narrow = node("a", 3, 8, "c3", ops=[Pool(form="max", kernel=9, stride=1, padding="none")])
    with pytest.raises(InvalidArchitecture, match=r"node 'a' \(level 3\)"):
        Architecture.trusted(INPUTS, (narrow,), ((3, "a"),)).macs((16, 16))
    wrong = Architecture.trusted(INPUTS, (node("a", 3, 9, "c3"),), ((3, "a"),))
    with pytest.raises(WidthMismatch, match="node 'a'"):
        wrong.parameters()


def test_sizes_follow_the_levels_at_odd_images() -> None:
    made = reference.build("fpn@pool", CHANNELS)
    sizes = {level: shape.size for level, shape in made.output_shapes((333, 17)).items()}
    assert sizes == {3: (42, 3), 4: (21, 2), 5: (11, 1), 6: (6, 1)}


def test_export_safety_follows_the_live_operations() -> None:
    plain = node("p3", 3, 8, "c3", ops=[Conv(width=8)])
    dead = node("dead", 3, 8, "c3", ops=[DeformConv(width=8)])
    assert graph(dead, plain).export_safe
    assert not graph(replace(dead, id="p3")).export_safe


def test_steps_name_every_operation_once() -> None:
    ops = (Conv(width=8), Conv(width=8))
    made = graph(node("a", 3, 8, Edge("c3", ops), Edge("c3", ops), fusion=Sum(), ops=ops))
    assert [step.path for step in made.steps()] == [
        *("a.from_c3.conv", "a.from_c3.conv_2", "a.from_c3_2.conv", "a.from_c3_2.conv_2"),
        *("a.sum", "a.conv", "a.conv_2"),
    ]


@pytest.mark.parametrize("name", reference.files())
def test_json_gives_the_architecture_back(name: str) -> None:
    made = reference.build(name, CHANNELS)
    again = Architecture.from_json(made.to_json())
    assert again == made and again.key == made.key and again.to_json() == made.to_json()
    assert json.loads(made.to_json())["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"schema_version": SCHEMA_VERSION + 1}, NewerSchema, "newer than 1, .* upgrade neckline"),
        ({"schema_version": "1"}, InvalidArchitecture, "schema_version"),
        ({"nodes": None}, InvalidArchitecture, "malformed record"),
        ({"outputs": {"three": "p3"}}, InvalidArchitecture, "'three' is no level"),
        ({"inputs": [{"id": "c3", "level": 3}]}, InvalidArchitecture, "malformed record"),
    ],
)
def test_json_that_is_no_architecture(
    change: dict[str, object], error: type[SearchSpaceError], message: str
) -> None:
    record = json.loads(graph(P3).to_json())
    with pytest.raises(error, match=message):
        Architecture.from_json(json.dumps({**record, **change}))


@pytest.mark.parametrize(
    ("op", "error", "message"),
    [
        ({"op": "konv"}, UnknownOperation, r"node 'p3' \(level 3\): unknown op 'konv'; did you mean 'conv'"),
        ({"op": "conv"}, InvalidArchitecture, "op 'conv'"),
        ({"op": "conv", "width": 8, "heads": 2}, InvalidArchitecture, r"no attribute \['heads'\]; it takes"),
        ({"op": "conv", "width": 8.5}, InvalidArchitecture, "8.5 is no width"),
        ({"op": "conv", "width": True}, InvalidArchitecture, "True is no width"),
        ({"op": "act", "form": "rellu"}, InvalidArchitecture, "'rellu' is no form"),
        ({"op": "conv", "width": -8}, InvalidArchitecture, "width must be positive"),
    ],
)
def test_operations_that_are_none(op: dict[str, object], error: type[SearchSpaceError], message: str) -> None:
    record = json.loads(graph(P3).to_json())
    record["nodes"][0]["ops"] = [op]
    with pytest.raises(error, match=message):
        Architecture.from_json(json.dumps(record))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"schema_version": 1}'])
def test_text_that_is_no_architecture(text: str) -> None:
    with pytest.raises(InvalidArchitecture):
        Architecture.from_json(text)


JUNK = st.sampled_from(
    [None, True, -1, 0, 1.5, 1e400, 10**30, "", "c3", "conv", "no such", [], {}, [1], {"op": "conv"}]
)


@given(st.sampled_from(["fpn", "bifpn", "sepc", "dense_fpn"]), st.integers(0, 2**32), JUNK)
def test_a_damaged_record_is_an_architecture_or_refused(name: str, seed: int, junk: object) -> None:
    record = json.loads(reference.build(name, {3: 16, 4: 16}).to_json())
    spots: list[tuple[Any, Any]] = []
    waiting: list[Any] = [record]
    while waiting:
        part = waiting.pop()
        keys = list(part) if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else []
        spots += [(part, key) for key in keys]
        waiting += [part[key] for key in keys]
    part, key = random.Random(seed).choice(spots)
    part[key] = junk
    try:
        made = Architecture.from_json(json.dumps(record))
    except SearchSpaceError:
        return
    assert Architecture.from_json(made.to_json()) == made


def test_concatenation_adds_widths() -> None:
    made = graph(node("a", 3, 20, "c3", Edge("c4", (Resize(),)), fusion=Concat()))
    assert made.shapes()["a"].channels == 20


def test_a_level_without_a_tensor_takes_the_first_nodes_size() -> None:
    halve = Pool(kernel=2, padding="same")
    first = node("p5", 5, 12, Edge("c4", (halve,)))
    second = node("q5", 5, 12, "p5", Edge("c4", (Resize(),)), fusion=Sum())
    assert graph(first, second).output_shapes((100, 36))[5].size == (4, 2)
