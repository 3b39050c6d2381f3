"""`Evaluation`: what a search learned about one architecture."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from evaluators.score import Score
from search.errors import MissingScore, NewerSchema, SearchError
from search_space.architecture import Architecture

SCHEMA_VERSION = 1

ARCHIVE = "archive"
"""Origin of what an earlier search of the same supernet found."""
Genotype = tuple[int, ...]
State = Literal["ok", "failed", "pending"]
"""scored; failed for good; handed to a worker (only inside a running search)."""


@dataclass(frozen=True)
class Evaluation:
    """One architecture, its scores, and where both come from.

    Attributes:
        key: `Architecture.key`; a search holds at most one evaluation of each.
        genotype: choices of the space; None for a baseline outside it.
        architecture: the graph itself.
        scores: every score known, each with its source; the first of a metric is the one searched by.
        origin: `search`, `baseline:<name>`, or `archive` where an earlier search found it.
        state: `ok`, `failed`, or `pending` while it is worked on.
        error: why it failed; None otherwise.
        seconds: time the evaluation took on its worker.
        generation: which question to the strategy it answers; 0 for baselines.
        position: its place among the answers to that question.
    """

    key: str
    genotype: Genotype | None
    architecture: Architecture
    scores: tuple[Score, ...]
    origin: str = "search"
    state: State = "ok"
    error: str | None = None
    seconds: float = 0.0
    generation: int = 0
    position: int = 0

    def __post_init__(self) -> None:
        if self.state not in get_args(State):
            raise SearchError(f"evaluation {self.key}: state '{self.state}' is not one of {get_args(State)}")
        if (self.state == "failed") != (self.error is not None):
            raise SearchError(
                f"evaluation {self.key}: an error belongs to a failed evaluation, and to no other"
            )

    @property
    def is_baseline(self) -> bool:
        """Whether it is a published neck rather than an answer of the strategy."""
        return self.origin.startswith("baseline:")

    @property
    def is_spent(self) -> bool:
        """Whether the budget counts it: baselines and what an earlier search found are free."""
        return not self.is_baseline and self.origin != ARCHIVE

    def find(self, metric: str) -> Score | None:
        """Return the first score of `metric`, or None."""
        return next((score for score in self.scores if score.metric == metric), None)

    def score(self, metric: str) -> Score:
        """Return the first score of `metric`.

        Raises:
            MissingScore: there is none.
        """
        found = self.find(metric)
        if found is None:
            have = ", ".join(score.metric for score in self.scores) or "none"
            raise MissingScore(f"evaluation {self.key}: no score of '{metric}'; it has {have}")
        return found

    def value(self, metric: str) -> float:
        """Return the value of the first score of `metric`, in the metric's unit.

        Raises:
            MissingScore: there is none.
        """
        return self.score(metric).value

    def to_record(self) -> dict[str, object]:
        """Return the evaluation as JSON-ready values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "key": self.key,
            "genotype": None if self.genotype is None else list(self.genotype),
            "architecture": json.loads(self.architecture.to_json()),
            "scores": [score.to_record() for score in self.scores],
            "origin": self.origin,
            "state": self.state,
            "error": self.error,
            "seconds": self.seconds,
            "generation": self.generation,
            "position": self.position,
        }

    def to_json(self) -> str:
        """Return the evaluation as JSON with a `schema_version`."""
        return json.dumps(self.to_record(), separators=(",", ":"))

    @staticmethod
    def from_record(record: Mapping[str, object]) -> "Evaluation":
        """Return the evaluation of `to_record`.

        Raises:
            NewerSchema: written by a later version.
        """
        check_schema(record, "evaluation", SCHEMA_VERSION)
        genotype = cast("list[int] | None", record["genotype"])
        scores = cast("list[dict[str, object]]", record["scores"])
        return Evaluation(
            key=cast(str, record["key"]),
            genotype=None if genotype is None else tuple(genotype),
            architecture=Architecture.from_json(json.dumps(record["architecture"])),
            scores=tuple(Score.from_record(score) for score in scores),
            origin=cast(str, record["origin"]),
            state=cast(State, record["state"]),
            error=cast("str | None", record["error"]),
            seconds=cast(float, record["seconds"]),
            generation=cast(int, record["generation"]),
            position=cast(int, record["position"]),
        )

    @staticmethod
    def from_json(text: str) -> "Evaluation":
        """Return the evaluation of `to_json`.

        Raises:
            NewerSchema: written by a later version.
        """
        return Evaluation.from_record(json.loads(text))


def check_schema(record: Mapping[str, object], what: str, newest: int) -> None:
    """Raise `NewerSchema` where `record` was written by a later version than this."""
    version = record.get("schema_version")
    if not isinstance(version, int) or version > newest:
        raise NewerSchema(
            f"{what}: schema_version {version} is not one of 1..{newest}; update neckline to read it"
        )
