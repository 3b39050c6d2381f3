"""The problems that strategies race on: their truths are what they are said to be."""

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.landscapes.parts import Parts
from benchmarks.landscapes.published import evolved, iterated
from benchmarks.landscapes.races import Curve, write
from benchmarks.landscapes.reproduction import Run, median_interval, speedups
from benchmarks.landscapes.stacked import IMAGE, WIDTHS, Choice, Scorer, Stacked, Truth, stage_macs
from benchmarks.landscapes.stacked import problem as stacked_problem
from benchmarks.landscapes.table import IMAGE as TABLE_IMAGE
from benchmarks.landscapes.table import SIXTH, Table
from benchmarks.search import EIGHTH, first, held, reproduced_linas
from search.history import members
from search.pareto import front, trace
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
    assert len(table.points) == table.space.size() == len(everything(table.space)) >= 3000
    assert np.all((table.columns["ap"] >= 0) & (table.columns["ap"] <= 1))
    genotype = table.space.largest()
    graph = table.space.architecture(genotype)
    row = table.places[graph.key]
    assert table.columns["macs"][row] == graph.macs(TABLE_IMAGE)
    assert table.columns["parameters"][row] == graph.parameters()
    assert table()(graph)[0].value == table.columns["ap"][row]
    wide, tight = table.references()
    problem = table.problem(seed=0, reference=wide)
    assert members([], problem) == []
    for ap, macs in (wide, tight):
        assert np.all(table.points < (-ap, macs), axis=1).any()


def test_a_part_of_the_table_holds_the_rows_of_its_necks(rng: np.random.Generator) -> None:
    table = Table.read()
    part = table.narrowed(SIXTH)
    assert len(part.points) == part.space.size() == 3192
    for genotype in (part.space.sample(rng) for _ in range(20)):
        graph = part.space.architecture(genotype)
        row, whole = part.places[graph.key], table.places[graph.key]
        assert all(part.columns[name][row] == column[whole] for name, column in table.columns.items())


def test_curves_are_written_once_for_all_readers(tmp_path: Path) -> None:
    path = tmp_path / "curves.json.gz"
    curve = Curve("synthetic", "random", 0, (0.1, 0.2), (0.0, 0.1))
    write([curve], path)
    first_bytes = path.read_bytes()
    write([curve], path)
    assert path.read_bytes() == first_bytes
    record = json.loads(gzip.decompress(first_bytes))["curves"][0]
    assert record["entrant"] == "random" and record["wide"] == [0.1, 0.2]


def test_a_measured_part_is_kept_until_the_code_changes(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("one")
    parts = Parts(tmp_path / "work", [code])
    assert parts.once("figure", lambda: {"value": 1}) == {"value": 1}
    assert Parts(tmp_path / "work", [code]).once("figure", lambda: {"value": 2}) == {"value": 1}
    (code / "a.py").write_text("two")
    assert Parts(tmp_path / "work", [code]).once("figure", lambda: {"value": 2}) == {"value": 2}


def test_the_published_nsga2_evaluates_as_often_as_asked_and_improves() -> None:
    problem = stacked_problem(SPACE, seed=0, reference=(0.2, 4e6))
    costs = evolved(problem, Scorer(Truth(0), SPACE)(), 200, seed=0)
    assert costs.shape == (200, 2)
    volumes = list(trace(costs, (-0.2, 4e6)))
    assert volumes[-1] > volumes[49] > 0


def test_the_published_linas_repeats_itself_and_improves_on_its_draws() -> None:
    problem = stacked_problem(SPACE, seed=0, reference=(0.2, 4e6))
    costs = iterated(problem, Scorer(Truth(0), SPACE)(), 130, seed=0, inner=500)
    assert costs.shape == (130, 2)
    volumes = list(trace(costs, (-0.2, 4e6)))
    assert volumes[-1] > volumes[49] > 0
    again = iterated(problem, Scorer(Truth(0), SPACE)(), 130, seed=0, inner=500)
    assert np.array_equal(costs, again)


def rising(tactic: str, seed: int, rate: float) -> Run:
    return Run(tactic, seed, tuple(rate * step for step in range(1, 11)), 0.1)


def test_the_speedup_of_two_runs_is_the_quotient_of_their_evaluations() -> None:
    runs = [
        rising("linas", 0, 4.0),
        rising("linas", 1, 1.0),
        rising("nsga2", 0, 2.0),
        rising("nsga2", 1, 1.0),
    ]
    table = speedups(runs, mark=8)
    assert table.tolist() == [[8 / 4, 8 / 2], [0.0, 8 / 8]]  # 16 is more than the second LINAS ever has
    low, high = median_interval(table)
    assert 0.0 <= low <= float(np.median(table)) <= high <= 4.0


def test_the_reproduction_names_the_ends_of_single_runs() -> None:
    runs = [
        Run(tactic, seed, tuple(rate * step for step in range(1, 551)), 0.1)
        for tactic, rate in (("linas", 2.0), ("nsga2", 1.0))
        for seed in range(3)
    ]
    figures = {figure.name: figure.value for figure in reproduced_linas(runs)}
    assert figures == dict.fromkeys(
        ["linas_published_speedup", "linas_published_low", "linas_published_high"], 2.0
    )


def test_the_mark_is_reached_or_missed_by_one() -> None:
    assert first((0.1, 0.5, 0.7), 0.5) == 2
    assert first((0.1, 0.5, 0.7), 0.8) == 4


def test_what_is_held_after_an_eighth_is_of_that_evaluation() -> None:
    rise = [step / 100 for step in range(1, 101)]
    curves = [
        Curve("table", "surrogate", seed, tuple(part / seed for part in rise), ()) for seed in (1, 2, 4)
    ]
    figure = held(curves, "table_wide", "wide")
    assert figure.name == "surrogate_held_table_wide"
    assert figure.value == pytest.approx(EIGHTH / 200)
