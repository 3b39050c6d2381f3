"""The estimate of a supernet's ranking, on rows whose orders are known."""

import json

import numpy as np
import pytest

from evaluators.errors import EvaluatorError
from evaluators.ranking import Ranked, RankingSpec, drawn, estimate
from search_space.space import Space

SPACE = {"space": "fusion_grid", "channels": {"3": 8, "4": 8, "5": 8}, "widths": [8, 12], "stages": [1, 2]}


def rows(count: int = 10, seeds: int = 2) -> list[Ranked]:
    """Adapted scores order like the truth, inherited ones the other way round; sizes say nothing."""
    rng = np.random.default_rng(0)
    return [
        Ranked(
            str(index),
            tuple(0.3 + 0.01 * index + 0.001 * seed for seed in range(seeds)),
            parameters=int(rng.integers(1000)),
            macs=7,
            inherited=-float(index),
            adapted=float(index),
        )
        for index in range(count)
    ]


def test_each_score_is_held_against_the_truth() -> None:
    found = estimate(rows(), RankingSpec())
    assert found.architectures == 10 and found.spread == pytest.approx(0.09)
    assert found.ceiling == pytest.approx(1)
    assert found.adapted.tau.value == found.adapted.top_half.value == pytest.approx(1)
    assert found.adapted.regret == 0 and found.inherited.regret == pytest.approx(0.09)
    assert found.inherited.rho.value == pytest.approx(-1)
    assert abs(found.parameters.value or 0) < 0.6


def test_what_cannot_be_said_is_none_and_the_record_is_json() -> None:
    found = estimate(rows(seeds=1), RankingSpec(seeds=1))
    assert found.ceiling is None and found.macs.value is None
    record = json.loads(json.dumps(found.to_record(), allow_nan=False))
    assert record["spec"]["seeds"] == 1 and record["adapted"]["tau"]["value"] == pytest.approx(1)


def test_rows_survive_json() -> None:
    for row in rows(3):
        assert Ranked.from_record(json.loads(json.dumps(row.to_record()))) == row


def test_architectures_are_distinct_and_repeatable_and_few_where_the_space_is_small() -> None:
    spec = RankingSpec(architectures=9, seed=3)
    space = Space.load(SPACE)
    found = [a.key for a in drawn(space, spec)]
    assert len(set(found)) == 9 and found == [a.key for a in drawn(space, spec)]
    one = {**SPACE, "stages": [1], "widths": [8, 12], "paths": ["top_down"], "fusions": ["sum"]}
    tiny = Space.load({**one, "ops": ["conv3"], "places": ["after"], "skips": ["none"]})
    assert len(drawn(tiny, spec)) < 9


def test_too_few_architectures_have_no_order() -> None:
    with pytest.raises(EvaluatorError, match="3 architectures have no order; rank 4 or more"):
        RankingSpec(architectures=3)
    with pytest.raises(EvaluatorError, match="3 architectures have no order"):
        estimate(rows(3), RankingSpec())
    with pytest.raises(EvaluatorError, match="at least 1"):
        RankingSpec(seeds=0)
