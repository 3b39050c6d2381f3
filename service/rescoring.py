"""Scoring the front of a search on every validation image, where there was memory for a part of them only."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
import torch

from evaluators.accuracy import levels_of
from evaluators.errors import EvaluatorError
from evaluators.outsiders import AnyNeck
from evaluators.score import Score
from evaluators.validation import Tally
from search_space.architecture import Architecture
from service.scoring import Bench, ScorerFactory
from service.work import Work
from supernet.errors import SupernetError

TOGETHER = 8
"""Necks for which the backbone runs once; each group's scores are stored before the next begins."""
REPORT_S = 1.0
log = structlog.get_logger("rescoring")


def rescored(
    work: Work, bench: Bench, necks: Sequence[Architecture], report: Mapping[str, Any]
) -> Iterator[dict[str, tuple[Score, ...]]]:
    """Yield scores by key of the necks on all validation images, some necks after the other.

    Where the dataset or the weights cannot be read any more, that is said and no more comes.
    """
    if not necks:
        return
    assert isinstance(bench.factory, ScorerFactory), bench.factory
    torch.set_num_threads(work.store.settings.train_threads)
    try:
        scorer = replace(bench.factory.necks(), check=work.check)
        images = scorer.evaluator.whole.of_images
        pace = _Pace(work, report, len(necks), images)
        for start in range(0, len(necks), TOGETHER):
            yield _together(scorer, necks[start : start + TOGETHER], pace)
    except (EvaluatorError, SupernetError) as error:
        log.warning("front.unverified", reason=str(error))
        notice = f"The front could not be scored on all validation images: {error}"
        work.report({**report, "notice": notice}, event="notice")


class _Pace:
    """How far the necks are, in images of each, and when that was last said."""

    def __init__(self, work: Work, report: Mapping[str, Any], necks: int, images: int) -> None:
        self._work, self._report = work, report
        self._total, self._done = necks * images, 0
        self._began_s = time.monotonic()
        self._said_s = 0.0
        text = f"Scoring {necks} necks of the front again, on all {images:,} validation images"
        work.report(self._now() | {"notice": text}, event="notice", fruitful=False)

    def count(self, images: int) -> None:
        """Note that so many more were scored, and look whether to stop."""
        self._done += images
        self._work.check()
        if time.monotonic() - self._said_s >= REPORT_S or self._done == self._total:
            self._said_s = time.monotonic()
            self._work.report(self._now(), fruitful=False)

    def _now(self) -> dict[str, Any]:
        took_s = time.monotonic() - self._began_s
        eta_s = took_s / self._done * (self._total - self._done) if self._done else None
        place = {"stage": "verify", "step": self._done, "total": self._total, "eta_s": eta_s}
        return {**self._report, **place}


def _together(scorer: AnyNeck, necks: Sequence[Architecture], pace: _Pace) -> dict[str, tuple[Score, ...]]:
    """Return the scores of some necks, the backbone run once for all of them."""
    tallies = [Tally(scorer.ready(neck)[0], levels_of(neck)) for neck in necks]
    images, before = scorer.evaluator.whole, 0
    for done in images.scan(tallies):
        pace.count((done - before) * len(necks))
        before = done
    return {
        neck.key: images.judged(tally).scores("verified") for neck, tally in zip(necks, tallies, strict=True)
    }
