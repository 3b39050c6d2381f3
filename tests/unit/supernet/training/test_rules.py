"""What every training rule keeps to, and what each one is for."""

import numpy as np
import pytest

from search_space.space import Genotype, Space
from supernet.errors import UnknownRule
from supernet.training.errors import InvalidTraining
from supernet.training.exposure import Exposure
from supernet.training.rule import Draw, Plan, Rule, load_rule, names
from supernet.training.rules.differentiable import Rule as Differentiable
from supernet.training.rules.sorted import chain

SPACE = Space.load(
    {"space": "fusion_grid", "channels": {"3": 8, "4": 8, "5": 8}, "widths": [8, 12, 16], "stages": [1, 2]}
)
STEPS = 80


def plan(**options: float) -> Plan:
    return Plan(SPACE, steps=STEPS, subnets=4, batch_size=16, options=options)


def drawn(rule: Rule, step: int, seed: int = 0) -> list[Draw]:
    return list(rule.draws(step, np.random.default_rng([seed, step])))


def width(genotype: Genotype) -> int:
    return SPACE.architecture(genotype).nodes[-1].width


@pytest.mark.parametrize("name", names())
def test_draws_are_canonical_repeatable_and_of_the_space(name: str) -> None:
    first, second = load_rule(name, plan()), load_rule(name, plan())
    for step in (0, 1, STEPS // 3, STEPS // 2, STEPS - 1):
        draws = drawn(first, step)
        assert draws and draws == drawn(second, step)
        for draw in draws:
            assert draw.genotype == SPACE.canonical(draw.genotype)
            assert draw.weight > 0
        learned_before_taught = [
            d.learns for d in draws[: next((i for i, d in enumerate(draws) if d.teaches), 0)]
        ]
        assert not any(learned_before_taught)


@pytest.mark.parametrize("name", names())
def test_what_a_rule_learned_survives_a_checkpoint(name: str) -> None:
    rule, again = load_rule(name, plan()), load_rule(name, plan())
    for step in range(5):
        rule.update(step, np.random.default_rng(step).random(len(drawn(rule, step))).tolist())
    again.restore(rule.state())
    assert drawn(rule, 7) == drawn(again, 7)


def test_unknown_rules_and_options_are_refused_with_what_there_is() -> None:
    with pytest.raises(UnknownRule, match=r"'sandwhich'; did you mean 'sandwich'"):
        load_rule("sandwhich", plan())
    with pytest.raises(
        UnknownRule, match=r"rule 'sorted' has no option \['lengths'\]; it takes \['length'\]"
    ):
        load_rule("sorted", plan(lengths=3))


def test_single_path_draws_one() -> None:
    assert len(drawn(load_rule("single_path", plan()), 0)) == 1


def test_candidates_train_rare_tensors_more_often() -> None:
    exposure = Exposure(SPACE)
    rarest = {
        candidates: np.array(
            [
                exposure.rarest(drawn(rule, step)[0].genotype)
                for rule in [load_rule("single_path", plan(candidates=candidates))]
                for step in range(150)
            ]
        )
        for candidates in (1, 8)
    }
    assert np.median(rarest[8]) < 0.6 * np.median(rarest[1])
    assert rarest[8].max() > 4 * np.median(rarest[8])  # what is common is trained as well


def test_exposure_is_the_share_of_draws_that_train_a_tensor_in_full() -> None:
    space = Space.load(
        {
            "space": "fusion_grid",
            "stages": [1],
            "widths": [8, 16],
            "paths": ["top_down"],
            "fusions": ["sum"],
            "ops": ["conv1", "conv3"],
            "places": ["after"],
        }
    )
    found = {space.canonical(space.sample(np.random.default_rng(seed))) for seed in range(60)}
    shares = {genotype: Exposure(space).rarest(genotype) for genotype in found}
    wide = {genotype[0] for genotype in found if shares[genotype] == pytest.approx(0.25, abs=0.05)}
    narrow = {genotype[0] for genotype in found if shares[genotype] == pytest.approx(0.5, abs=0.05)}
    # two operations, two widths: the first channels of each are trained by half of the draws
    assert len(found) == 4 and wide == {1} and narrow == {0}


def test_sandwich_teaches_from_the_largest_and_ends_with_the_smallest() -> None:
    rule = load_rule("sandwich", plan(kickstart=0.25))
    assert [[d.group for d in drawn(rule, step)] for step in (0, STEPS // 4 - 1)] == [["largest"]] * 2
    draws = drawn(rule, STEPS // 4)
    assert [d.group for d in draws] == ["largest", "random", "random", "smallest"]
    assert draws[0].genotype == SPACE.largest() and draws[-1].genotype == SPACE.smallest()
    assert [d.teaches for d in draws] == [True, False, False, False]
    assert [d.learns for d in draws] == [False, True, True, True]
    plain = drawn(load_rule("sandwich", plan(smallest=0, distillation=0, kickstart=0)), 3)
    assert [d.group for d in plain] == ["largest", "random", "random", "random"]
    assert not any(d.teaches or d.learns for d in plain)


def test_sorted_draws_from_a_nested_chain() -> None:
    found = chain(SPACE, 8)
    assert found[-1] == SPACE.largest()
    sizes = [SPACE.architecture(genotype).parameters() for genotype in found]
    assert sizes == sorted(sizes) and len(set(sizes)) == len(sizes) > 2
    rule = load_rule("sorted", plan())
    assert {d.genotype for step in range(40) for d in drawn(rule, step)} == set(found)


def test_multi_arch_cuts_the_batch_and_opens_the_widths() -> None:
    rule = load_rule("multi_arch", plan(widening=0.5))
    assert [d.images for d in drawn(rule, 0)] == [(0, 4), (4, 8), (8, 12), (12, 16)]
    assert sum(d.weight for d in drawn(rule, 0)) == pytest.approx(1)
    widths = {
        step: {width(d.genotype) for s in range(12) for d in drawn(rule, step, s)} for step in (0, 20, 79)
    }
    assert widths == {0: {16}, 20: {12, 16}, 79: {8, 12, 16}}
    with pytest.raises(
        InvalidTraining, match="4 architectures on a batch of 7 leave some fewer than 2 images"
    ):
        load_rule("multi_arch", Plan(SPACE, 10, 4, 7, {}))


def test_progressive_opens_operations_then_stages_then_widths() -> None:
    rule = load_rule("progressive", plan())
    assert [d.genotype for d in drawn(rule, 0)] == [SPACE.largest()]
    seen = {
        phase: [d.genotype for s in range(12) for d in drawn(rule, phase * STEPS // 4, s)[1:]]
        for phase in (1, 2, 3)
    }
    assert {g[:2] for g in seen[1]} == {SPACE.largest()[:2]} and len(set(seen[1])) > 5
    assert {g[0] for g in seen[2]} == {2} and {g[1] for g in seen[2]} == {0, 1}
    assert {g[0] for g in seen[3]} == {0, 1, 2}


def test_differentiable_learns_to_draw_what_loses_less() -> None:
    rule = Differentiable(plan())
    start = rule.distributions()["width"]
    assert start == pytest.approx(np.full(3, 1 / 3))
    for step in range(STEPS):
        genotypes = [d.genotype for d in drawn(rule, step)]
        rule.update(step, [1.0 - 0.5 * (g[0] == 1) for g in genotypes])
    end = rule.distributions()
    assert end["width"].argmax() == 1 and end["width"][1] > 0.6
    assert end["stages"].max() < 0.8  # what does not matter stays undecided
