"""Readings of a search's history that strategies and results share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.evaluation import Evaluation, Genotype
from search.pareto import front
from search.problem import Problem


def known(history: Sequence[Evaluation]) -> set[str]:
    """Return the key of every architecture evaluated, failed or pending."""
    return {entry.key for entry in history}


def scored(history: Sequence[Evaluation], problem: Problem) -> list[Evaluation]:
    """Return the evaluations that have every objective, in order."""
    return [entry for entry in history if entry.state == "ok" and not np.isnan(problem.costs(entry)).any()]


def inside(history: Sequence[Evaluation], problem: Problem) -> list[Evaluation]:
    """Return the scored evaluations that are of the space, in order: what a strategy learns from."""
    return [entry for entry in scored(history, problem) if entry.genotype is not None]


def genotypes(history: Sequence[Evaluation]) -> list[Genotype]:
    """Return the genotype of each evaluation that has one."""
    return [entry.genotype for entry in history if entry.genotype is not None]


def cost_table(history: Sequence[Evaluation], problem: Problem) -> NDArray[np.float64]:
    """Return the objectives (N, M) of `history`, smaller is better."""
    return np.array([problem.costs(entry) for entry in history]).reshape(-1, len(problem.objectives))


def members(history: Sequence[Evaluation], problem: Problem) -> list[Evaluation]:
    """Return the evaluations that meet every constraint and that no other such one dominates."""
    able = [entry for entry in scored(history, problem) if problem.feasible(entry)]
    return [able[index] for index in front(cost_table(able, problem))]
