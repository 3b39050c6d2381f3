"""Who reads whom along each path, and what each choice of a stage changes."""

import pytest

from search_space.architecture import Architecture
from search_space.spaces.fusion_grid import FusionGrid
from search_space.spaces.merging_cells import MergingCells
from search_space.spaces.path_aggregation import PathAggregation
from search_space.stages.cells import Cell
from search_space.stages.paths import PATHS
from search_space.stages.stage import Block, Choice

PLAIN = Choice("top_down", "none", "sum", "conv3", "none", "inside", "pool")
GRID = FusionGrid(paths=tuple(PATHS), fusions=("sum", "concat", "gate", "fast"))


def reads(architecture: Architecture) -> dict[str, list[str]]:
    """Return what each node behind the laterals reads; s1_l3 is written 3, lateral_3 is written c3."""
    return {
        short(node.id): [short(edge.source) for edge in node.inputs]
        for node in architecture.nodes
        if not node.id.startswith("lateral")
    }


def short(name: str) -> str:
    return name.replace("lateral_", "c").removeprefix("s1_l")


@pytest.mark.parametrize(
    ("path", "graph"),
    [
        ("top_down", {"4": ["c4", "c5"], "3": ["c3", "4"]}),
        ("bottom_up", {"4": ["c4", "c3"], "5": ["c5", "4"]}),
        ("cross_scale", {"3": ["c3", "c4"], "4": ["c4", "c5", "c3"], "5": ["c5", "c4"]}),
        ("scale_equalizing", {"3": ["c3", "c4"], "4": ["c4", "c3", "c5"], "5": ["c5", "c4"]}),
        ("reverse", {"3": ["c3", "c4"], "4_guided": ["c4", "c5"], "4": ["4_guided", "3"], "5": ["c5", "4"]}),
        (
            "parallel",
            {
                "4_td": ["c4", "c5"],
                "3_td": ["c3", "4_td"],
                "4_bu": ["c4", "c3"],
                "5_bu": ["c5", "4_bu"],
                "3": ["3_td", "c3"],
                "4": ["4_td", "4_bu"],
                "5": ["c5", "5_bu"],
            },
        ),
        (
            "fusing_splitting",
            {
                "4_gathered": ["c4", "c5"],
                "3_joined": ["c3", "4_gathered"],
                "4_joined": ["c3", "4_gathered"],
                "5": ["4_joined"],
            },
        ),
    ],
)
def test_a_path_reads_what_its_formula_says(path: str, graph: dict[str, list[str]]) -> None:
    assert reads(GRID.build(32, [PLAIN._replace(path=path)])) == graph


def test_operations_after_a_first_stage_stand_on_every_level() -> None:
    """FPN: T_i = L_i + up(T_{i+1}), P_i = 3x3(T_i)."""
    graph = reads(GRID.build(32, [PLAIN._replace(place="after")]))
    assert graph == {
        "4_path": ["c4", "c5"],
        "3_path": ["c3", "4_path"],
        "3": ["3_path"],
        "4": ["4_path"],
        "5": ["c5"],
    }


def test_operations_after_a_later_stage_stand_where_something_is_fused() -> None:
    first, second = PLAIN, PLAIN._replace(path="bottom_up", place="after")
    outputs = dict(GRID.build(32, [first, second]).outputs)
    assert outputs == {3: "s1_l3", 4: "s2_l4", 5: "s2_l5"}


@pytest.mark.parametrize(
    ("skip", "at_4", "at_5"),
    [
        ("none", ["s2_l4", "s2_l3"], ["s2_l5", "s3_l4"]),
        ("laterals", ["lateral_4", "s2_l4", "s2_l3"], ["lateral_5", "s2_l5", "s3_l4"]),
        ("previous", ["s1_l4", "s2_l4", "s2_l3"], ["lateral_5", "s2_l5", "s3_l4"]),
    ],
)
def test_input_skips_come_first(skip: str, at_4: list[str], at_5: list[str]) -> None:
    cross = PLAIN._replace(path="cross_scale")
    built = GRID.build(32, [PLAIN, cross, PLAIN._replace(path="bottom_up", skip=skip)])
    read = {node.id: [edge.source for edge in node.inputs] for node in built.nodes}
    # The bottom level fuses nothing, so the third stage leaves it as it is.
    assert "s3_l3" not in read
    assert read["s3_l4"] == at_4
    assert read["s3_l5"] == at_5


def test_a_gate_takes_three_inputs_two_by_two() -> None:
    graph = reads(GRID.build(32, [PLAIN._replace(path="cross_scale", fusion="gate")]))
    assert graph["4_gate0"] == ["c4", "c5"]
    assert graph["4"] == ["4_gate0", "c3"]


def test_a_concatenation_is_mixed_by_a_1x1_convolution() -> None:
    built = GRID.build(32, [PLAIN._replace(fusion="concat")])
    node = next(node for node in built.nodes if node.id == "s1_l4")
    assert [op.kind for op in node.ops][:2] == ["conv", "act"]
    step = next(step for step in built.steps() if step.op is node.ops[0])
    assert (step.inputs[0].channels, step.output.channels) == (64, 32)


def test_weights_are_shared_by_every_width_and_no_two_operations() -> None:
    for space in (FusionGrid(), MergingCells(), PathAggregation(tied=False, paths=("top_down", "bottom_up"))):
        shares = []
        for width in (32, 64):
            genotype = list(space.largest())
            genotype[0] = space.widths.index(width)
            steps = space.architecture(tuple(genotype)).steps()
            shares.append([step.op.share for step in steps if step.op.share])
        assert shares[0] == shares[1]
        assert len(set(shares[0])) == len(shares[0])


def test_what_no_cell_reads_is_added_to_its_level() -> None:
    space = MergingCells(levels=(3, 4, 5))
    # Slots: 0-2 the laterals, 3 and 4 intermediate cells, 5-7 output cells.
    middle, outputs = Cell(4, "gate", 0, 1), {5: Cell(3, "sum", 0, 1), 6: Cell(5, "gate", 0, 5)}
    cells = {3: middle, **outputs, 7: Cell(4, "sum", 0, 5)}
    built = space.build(32, Block("conv3"), 1, cells)
    read = {node.id: [edge.source for edge in node.inputs] for node in built.nodes}
    assert read["k1_out_l3"] == ["lateral_3", "lateral_4"]
    # Level 5's lateral and the intermediate cell of level 4 are read by no cell.
    assert read["k1_out_l5_gate"] == ["lateral_3", "k1_out_l3"]
    assert read["k1_out_l5"] == ["k1_out_l5_gate", "lateral_5"]
    assert read["k1_out_l4"] == ["lateral_3", "k1_out_l3", "k1_m3"]
