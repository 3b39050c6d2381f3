"""Optuna studies in memory, told from a search's history. Optuna's own storage is never used."""

import logging
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from search.evaluation import Evaluation, Genotype
from search.problem import Problem

GENERATION = "NSGAIISampler:generation"
"""Where Optuna's NSGA-II looks for the generation of a trial."""


def distributions(problem: Problem, *, numbers: bool = False) -> dict[str, BaseDistribution]:
    """Return a distribution over the choice indices of each gene, named by the gene's position.

    With `numbers`, genes without an order are numbers too: the same to a sampler that swaps and redraws them,
    and much cheaper.
    """
    return {
        str(index): IntDistribution(0, len(gene.choices) - 1)
        if gene.ordinal or numbers
        else CategoricalDistribution(range(len(gene.choices)))
        for index, gene in enumerate(problem.space.genes)
    }


def told_study(
    rows: Sequence[Evaluation],
    problem: Problem,
    sampler: optuna.samplers.BaseSampler,
    space: Mapping[str, BaseDistribution],
    *,
    generation: int | None = None,
) -> optuna.Study:
    """Return a study that holds every scored evaluation of `rows`, of one `generation` if given."""
    optuna.logging.set_verbosity(logging.WARNING)
    study = optuna.create_study(directions=["minimize"] * len(problem.objectives), sampler=sampler)
    study.add_trials(
        optuna.create_trial(
            values=[float(cost) for cost in problem.costs(row)],
            params=dict(zip(space, row.genotype or (), strict=True)),
            distributions=dict(space),
            system_attrs={} if generation is None else {GENERATION: generation},
            constraints={str(place): violation for place, violation in enumerate(problem.violations(row))},
        )
        for row in rows
    )
    return study


def asked(study: optuna.Study, problem: Problem, space: Mapping[str, BaseDistribution]) -> Genotype:
    """Return the canonical genotype of the study's next trial."""
    trial = study.ask(dict(space))
    return problem.space.canonical(tuple(int(value) for value in trial.params.values()))
