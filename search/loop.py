"""`search(...)`: the layer around any strategy.

It yields each evaluation as it comes. To cancel is to stop iterating; to resume is to hand the evaluations
in as
history. A strategy with generations gives the same front for the same seed whatever the number of workers,
the
order of arrival, and however often it was interrupted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import ceil
from time import monotonic

import numpy as np

from search.baselines import Baseline
from search.budget import Budget
from search.evaluation import Evaluation, Genotype
from search.execution import Executor, Outcome
from search.problem import Problem
from search.proposals import propose
from search.sampling import nearest_feasible
from search.strategy import Strategy, load


def search(
    problem: Problem,
    strategy: Strategy | str,
    executor: Executor,
    budget: Budget,
    history: Iterable[Evaluation] = (),
    baselines: Iterable[Baseline] = (),
    first: Iterable[Evaluation] = (),
) -> Iterator[Evaluation]:
    """Yield every new evaluation, until the budget is spent or the space exhausted.

    Baselines come first, then the architectures of `first`, then what the strategy asks for.

    An architecture that `history` knows is not evaluated again. The executor stays open.

    Raises:
        Infeasible: the cheap constraints leave nothing that a bounded climb finds; before anything is
        evaluated.
        MissingScore: the evaluations lack a metric that is searched by.
        WorkerFailed: no worker can be made.
    """
    chosen = load(strategy) if isinstance(strategy, str) else strategy
    return _Run(problem, chosen, executor, budget, history).go(tuple(baselines), tuple(first))


class _Run:
    """One search while it lasts: the archive by key, what is being worked on, and the clock."""

    def __init__(
        self,
        problem: Problem,
        strategy: Strategy,
        executor: Executor,
        budget: Budget,
        history: Iterable[Evaluation],
    ) -> None:
        self.problem, self.strategy, self.executor, self.budget = problem, strategy, executor, budget
        self.archive = {entry.key: entry for entry in history if entry.state != "pending"}
        self.pending: dict[str, Evaluation] = {}
        self.ends = monotonic() + budget.seconds if budget.seconds is not None else None
        self.think_s, self.work_s = 0.0, 0.0
        self.anchors: tuple[Genotype, ...] = ()

    def go(self, baselines: Sequence[Baseline], first: Sequence[Evaluation]) -> Iterator[Evaluation]:
        if self.problem.constraints:
            rng = np.random.default_rng([self.problem.seed])
            self.anchors = (nearest_feasible(self.problem, rng).genotype,)
        try:
            self._submit(self._unknown(baselines))
            self._submit(self._wanted(first))
            yield from self._finished()
            yield from self._generations() if self.strategy.generations else self._stream()
        finally:
            self.executor.cancel()

    def _unknown(self, baselines: Sequence[Baseline]) -> list[Evaluation]:
        """Return a pending evaluation of each baseline that the archive does not know."""
        found: dict[str, Evaluation] = {}
        for baseline in baselines:
            graph = baseline.architecture
            if graph.key not in self.archive and graph.key not in found:
                scores = self.problem.cheap(graph)
                found[graph.key] = Evaluation(
                    graph.key,
                    baseline.genotype,
                    graph,
                    scores,
                    baseline.origin,
                    "pending",
                    position=len(found),
                )
        return list(found.values())

    def _wanted(self, first: Sequence[Evaluation]) -> list[Evaluation]:
        """Return a pending evaluation, without predicted accuracy, of each architecture to begin with."""
        new = {entry.key: entry for entry in first if entry.key not in self.archive}
        spent = sum(entry.is_spent for entry in self.archive.values())
        return [
            replace(
                entry,
                scores=self.problem.cheap(entry.architecture),
                origin="search",
                state="pending",
                generation=1,
            )
            for entry in list(new.values())[: self.budget.left(spent)]
            if self.problem.feasible(entry)
        ]

    def _generations(self) -> Iterator[Evaluation]:
        """Ask, wait for every answer, ask again; the last generation of a resumed history first."""
        generation = max([1, *(entry.generation for entry in self.archive.values())])
        while not self._late():
            before = self._before(generation)
            batch = self._batch(before, generation)
            if not batch:
                return
            self._submit([entry for entry in batch if entry.key not in self.archive])
            yield from self._finished()
            generation += 1

    def _before(self, generation: int) -> list[Evaluation]:
        """Return what was known before that generation, in an order that does not depend on arrival."""
        earlier = (entry for entry in self.archive.values() if entry.generation < generation)
        return sorted(earlier, key=lambda entry: (entry.generation, entry.position))

    def _stream(self) -> Iterator[Evaluation]:
        """Ask whenever the workers would run dry before the answer."""
        generation = max([0, *(entry.generation for entry in self.archive.values())])
        asking = True
        while asking or self.pending:
            if asking and len(self.pending) <= self._reserve():
                generation += 1
                batch = [] if self._late() else self._batch(list(self.archive.values()), generation)
                self._submit(batch)
                asking = bool(batch)
            elif (evaluation := self._next()) is not None:
                yield evaluation
            else:
                return

    def _reserve(self) -> int:
        """Return how many architectures keep the workers busy while the strategy thinks."""
        if not self.executor.concurrent:
            return 0
        rounds = self.think_s / self.work_s if self.work_s > 0 else 0.0
        return min(
            ceil(self.executor.workers * (1 + rounds)), self.executor.workers + 2 * self.strategy.batch
        )

    def _batch(self, before: Sequence[Evaluation], generation: int) -> list[Evaluation]:
        """Return what to evaluate next, cut to the budget; empty at the end."""
        asked = [*before, *self.pending.values()]
        left = self.budget.left(sum(entry.is_spent for entry in asked))
        if left == 0 or self.budget.is_flat(before, self.problem):
            return []
        began = monotonic()
        batch = propose(self.strategy, self.problem, asked, generation, self.anchors)
        self.think_s = monotonic() - began
        return batch[:left]

    def _submit(self, batch: Sequence[Evaluation]) -> None:
        self.pending.update((entry.key, entry) for entry in batch)
        self.executor.submit([entry.architecture for entry in batch])

    def _finished(self) -> Iterator[Evaluation]:
        """Yield what is being worked on until nothing is, or the time is over."""
        while self.pending and (evaluation := self._next()) is not None:
            yield evaluation

    def _next(self) -> Evaluation | None:
        """Return the next finished evaluation, archived; None where the time is over."""
        left = None if self.ends is None else self.ends - monotonic()
        outcome = None if left is not None and left <= 0 else self.executor.wait(left)
        if outcome is None:
            self.pending.clear()
            return None
        evaluation = self._settled(self.pending.pop(outcome.key), outcome)
        self.archive[evaluation.key] = evaluation
        return evaluation

    def _settled(self, pending: Evaluation, outcome: Outcome) -> Evaluation:
        """Return the evaluation that `pending` became: cheap scores first, then the evaluator's."""
        self.work_s = outcome.seconds if self.work_s == 0 else 0.8 * self.work_s + 0.2 * outcome.seconds
        if outcome.error is not None:
            return replace(pending, state="failed", error=outcome.error, seconds=outcome.seconds)
        had = {(score.metric, score.source) for score in pending.scores}
        gained = tuple(score for score in outcome.scores if (score.metric, score.source) not in had)
        ended = replace(pending, state="ok", scores=pending.scores + gained, seconds=outcome.seconds)
        self.problem.require_scores(ended)
        return ended

    def _late(self) -> bool:
        return self.ends is not None and monotonic() >= self.ends
