"""An Optuna study in memory, told from a search's history. Optuna's own storage is never used."""

import logging
from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from search.evaluation import Evaluation, Genotype
from search.problem import Problem

_GENERATION = "NSGAIISampler:generation"
"""Where Optuna's NSGA-II looks for the generation of a trial."""


def distributions(problem: Problem) -> dict[str, BaseDistribution]:
    """Return a distribution over the choice indices of each gene, named by the gene's position."""
    return {
        str(index): IntDistribution(0, len(gene.choices) - 1)
        if gene.ordinal
        else CategoricalDistribution(range(len(gene.choices)))
        for index, gene in enumerate(problem.space.genes)
    }


def told_study(
    rows: Sequence[Evaluation],
    problem: Problem,
    sampler: optuna.samplers.BaseSampler,
    population: int | None = None,
) -> optuna.Study:
    """Return a study that holds every scored evaluation of `rows`.

    With `population`, row i belongs to generation i // population: Optuna chooses its parents by that.
    """
    optuna.logging.set_verbosity(logging.WARNING)
    study = optuna.create_study(directions=["minimize"] * len(problem.objectives), sampler=sampler)
    space = distributions(problem)
    study.add_trials(
        optuna.create_trial(
            values=[float(cost) for cost in problem.costs(row)],
            params=dict(zip(space, row.genotype or (), strict=True)),
            distributions=space,
            system_attrs={} if population is None else {_GENERATION: index // population},
            constraints={str(place): violation for place, violation in enumerate(problem.violations(row))},
        )
        for index, row in enumerate(rows)
    )
    return study


def asked(study: optuna.Study, problem: Problem) -> Genotype:
    """Return the canonical genotype of the study's next trial."""
    trial = study.ask(distributions(problem))
    return problem.space.canonical(tuple(int(value) for value in trial.params.values()))
