"""The problems that strategies race on: their truths are what they are said to be."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.landscapes.races import Curve, read, write
from benchmarks.landscapes.stacked import IMAGE, WIDTHS, Choice, Scorer, Stacked, Truth, stage_macs
from benchmarks.landscapes.table import Table
from benchmarks.search import first
from search.history import members
from search.pareto import front
from search.strategies.exhaustive import everything

SPACE = Stacked({3: 16})


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_formula_of_macs_is_the_graph_s(rng: np.random.Generator) -> None:
    for genotype in (SPACE.sample(rng) for _ in range(60)):
        stages = SPACE.stages(genotype)
        channels = [16, *(WIDTHS[stage.width] for stage in stages)]
        macs = sum(map(stage_macs, stages, channels))
        assert SPACE.architecture(genotype).macs(IMAGE) == macs


def test_a_graph_leads_back_to_its_genotype(rng: np.random.Generator) -> None:
    for genotype in (SPACE.sample(rng) for _ in range(60)):
        assert SPACE.embed(SPACE.architecture(genotype)) == genotype


def test_the_true_front_is_that_of_a_space_counted_out() -> None:
    """Two of the stages' genes fixed, three stages: the dynamic programme against every combination."""
    truth = Truth(3)
    stages = [Choice(op, width, 1, 0, 0) for op in range(3) for width in range(4)]
    points = [
        (
            -truth.accuracy(truth.total(chain)),
            sum(map(stage_macs, chain, [16, *(WIDTHS[s.width] for s in chain)])),
        )
        for chain in itertools.product(stages, repeat=3)
    ]
    found = truth.front(16)
    for point in np.array(points)[front(points)]:
        assert np.any(np.all(found <= point + 1e-12, axis=1)), f"{point} is ahead of the front"


def test_no_draw_is_ahead_of_the_true_front(rng: np.random.Generator) -> None:
    truth = Truth(0)
    found, score = truth.front(16), Scorer(truth, SPACE)()
    for genotype in (SPACE.sample(rng) for _ in range(200)):
        graph = SPACE.architecture(genotype)
        point = np.array([-score(graph)[0].value, graph.macs(IMAGE)])
        assert np.any(np.all(found <= point + 1e-12, axis=1))


def test_the_stored_table_holds_every_neck_of_its_space() -> None:
    table = Table.read()
    assert len(table.losses) == table.space.size() == len(everything(table.space)) >= 2500
    wide, tight = table.references()
    problem = table.problem(seed=0, reference=wide)
    assert members([], problem) == []
    for corner in (wide, tight):
        assert np.all(table.points < corner, axis=1).any()


def test_curves_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "curves.json.gz"
    curve = Curve("synthetic", "random", 0, (0.1, 0.2), (0.0, 0.1))
    assert read(path) == []
    write([curve], path)
    assert read(path) == [curve]


def test_the_mark_is_reached_or_missed_by_one() -> None:
    assert first((0.1, 0.5, 0.7), 0.5) == 2
    assert first((0.1, 0.5, 0.7), 0.8) == 4
