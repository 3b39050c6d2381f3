"""What the client hands out: frozen records that know their raw JSON and look well in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from html import escape
from typing import Any, ClassVar, Self

ENDED = ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED")
Json = Mapping[str, Any]


class ApiError(Exception):
    """The service refused a request; ``problem`` is its RFC 9457 document."""

    def __init__(self, status: int, problem: Json) -> None:
        faults = "; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in problem.get("errors", []))
        text = str(problem.get("detail") or problem.get("title"))
        shown = text if not faults or faults == text else f"{text} ({faults})"
        super().__init__(f"{status} {shown}" if status else shown)
        self.status, self.problem = status, problem


class JobFailed(Exception):
    """A job ended without what it was to make."""

    def __init__(self, record: Record) -> None:
        error = record.error or {}
        reason = f"{error.get('title', '')}: {error.get('detail', '')}".strip(": ")
        super().__init__(f"{record.address} is {record.state}{': ' if reason else ''}{reason}")
        self.record = record


@dataclass(frozen=True)
class Record:
    """A resource of the service."""

    place: ClassVar[str] = ""
    id: str
    state: str
    progress: Json | None
    error: Json | None
    raw: Json

    @classmethod
    def of(cls, record: Json) -> Self:
        """Return the record of a JSON object."""
        known = {field.name: record.get(field.name) for field in fields(cls) if field.name != "raw"}
        return cls(**known, raw=record)  # type: ignore[arg-type]

    @property
    def address(self) -> str:
        """Return the resource's path."""
        return f"{self.place}/{self.id}"

    def _repr_html_(self) -> str:
        known = ((name, str(value)) for name, value in self.raw.items() if value is not None)
        rows = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in known)
        return f"<table>{''.join(rows)}</table>"

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in self._shown().items() if value is not None)
        return f"{type(self).__name__}({', '.join(shown)})"

    def _shown(self) -> dict[str, Any]:
        return {"id": self.id, "state": self.state}


@dataclass(frozen=True, repr=False)
class Dataset(Record):
    """A dataset."""

    place: ClassVar[str] = "/datasets"
    name: str
    statistics: Json | None


@dataclass(frozen=True, repr=False)
class Supernet(Record):
    """A supernet."""

    place: ClassVar[str] = "/supernets"
    name: str
    dataset_id: str
    revision: str | None
    ranking: Json | None


@dataclass(frozen=True, repr=False)
class Search(Record):
    """A search."""

    place: ClassVar[str] = "/searches"
    label: str
    supernet_id: str
    device_id: str | None
    predictor_id: str | None
    spec: Json
    evaluated: int
    failed: int
    result: Json | None
    ranking: Json | None

    def _shown(self) -> dict[str, Any]:
        return {**super()._shown(), "label": self.label, "evaluated": self.evaluated}


@dataclass(frozen=True, repr=False)
class Artifact(Record):
    """A file made of a subnet."""

    place: ClassVar[str] = "/artifacts"
    format: str
    sha256: str | None
    size: int | None
    filename: str | None
    content: str | None


@dataclass(frozen=True, repr=False)
class Device(Record):
    """A device."""

    place: ClassVar[str] = "/devices"
    name: str
    kind: str
    predictors: list[Json]


@dataclass(frozen=True, repr=False)
class Finetuning(Record):
    """A fine-tuning of one subnet; scores are there when it has ended well."""

    place: ClassVar[str] = "/finetunings"
    subnet_id: str
    steps: int
    before: list[Json] | None
    after: list[Json] | None
    control: list[Json] | None


@dataclass(frozen=True, repr=False)
class Ranking(Record):
    """An estimate of how truly a supernet ranks; it is there when it has ended well."""

    place: ClassVar[str] = "/rankings"
    supernet_id: str
    estimate: Json | None


@dataclass(frozen=True, repr=False)
class Finalists(Record):
    """Finalists of a search, fine-tuned against each other; they are there, best first, when it has ended."""

    place: ClassVar[str] = "/finalists"
    search_id: str
    finalists: list[Json] | None


@dataclass(frozen=True, repr=False)
class Predictor(Record):
    """A calibration of a device for a space."""

    device_id: str
    summary: Json | None

    @property
    def address(self) -> str:
        """Return the calibration's path, below its device's."""
        return f"/devices/{self.device_id}/predictors/{self.id}"


@dataclass(frozen=True, repr=False)
class Subnet(Record):
    """An evaluated architecture."""

    place: ClassVar[str] = "/subnets"
    number: int
    key: str
    origin: str
    scores: list[Json]
    architecture: Json | None

    def value(self, metric: str, source: str | None = None) -> float | None:
        """Return the first score of a metric, of a source if one is named, None if there is none."""
        return _value(self.scores, metric, source)

    def _shown(self) -> dict[str, Any]:
        values = {score["metric"]: round(score["value"], 4) for score in reversed(self.scores)}
        return {"id": self.id, "origin": self.origin, **values}


@dataclass(frozen=True)
class Point:
    """One point of a front."""

    id: str
    origin: str
    feasible: bool
    rank: int
    scores: tuple[Json, ...]

    def score(self, metric: str, source: str | None = None) -> Json | None:
        """Return the first score of a metric, of a source if one is named."""
        wanted = (s for s in self.scores if s["metric"] == metric and source in (None, s["source"]))
        return next(wanted, None)

    def value(self, metric: str, source: str | None = None) -> float | None:
        """Return its value."""
        return _value(self.scores, metric, source)

    def known(self, metric: str) -> float | None:
        """Return what the front was made by: measured, or on all validation images, where it was checked so;
        else what was searched by.
        """
        found = (self.value(metric, source) for source in ("measured", "verified", None))
        return next((value for value in found if value is not None), None)


@dataclass(frozen=True)
class Front:
    """A search's front with its neighbours and baselines."""

    points: tuple[Point, ...]
    neighbours: tuple[Point, ...]
    baselines: tuple[Point, ...]
    nearest: tuple[Point, ...]
    hypervolume: float
    raw: Json

    @classmethod
    def of(cls, record: Json) -> Front:
        """Return the front of a JSON object."""
        parts = {
            part: tuple(_point(entry) for entry in record[part])
            for part in ("points", "neighbours", "baselines", "nearest")
        }
        return cls(**parts, hypervolume=record["hypervolume"], raw=record)

    def best(self, metric: str, *, larger: bool = True, **upper: float) -> Point | None:
        """Return the front's best point of a metric within upper bounds, such as ``latency_ms=4.0``.

        A measured value counts before a predicted one, and one of all validation images before one of a part.
        """
        within = [point for point in self.points if _is_within(point, upper)]
        ranked = [(value, point) for point in within if (value := point.known(metric)) is not None]
        if not ranked:
            return None
        return (max if larger else min)(ranked, key=lambda entry: entry[0])[1]

    def _repr_html_(self) -> str:
        metrics = [axis["metric"] for axis in self.raw["objectives"]]
        head = "".join(f"<th>{escape(name)}</th>" for name in ("subnet", "origin", *metrics))
        shown = (*self.points, *self.baselines)
        table = [(point.id, point.origin, *(point.known(metric) for metric in metrics)) for point in shown]
        rows = ["".join(f"<td>{escape(str(cell))}</td>" for cell in cells) for cells in table]
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


@dataclass(frozen=True)
class Event:
    """Something that happened to a search."""

    number: int
    kind: str
    payload: Json

    @classmethod
    def of(cls, record: Json) -> Event:
        """Return the event of a JSON object."""
        return cls(record["number"], record["kind"], record["payload"])


def _point(record: Json) -> Point:
    return Point(record["id"], record["origin"], record["feasible"], record["rank"], tuple(record["scores"]))


def _is_within(point: Point, upper: Mapping[str, float]) -> bool:
    values = ((point.known(name), bound) for name, bound in upper.items())
    return all(value is not None and value <= bound for value, bound in values)


def _value(scores: Any, metric: str, source: str | None) -> float | None:
    wanted = (s for s in scores if s["metric"] == metric and source in (None, s["source"]))
    found = next(wanted, None)
    return None if found is None else float(found["value"])
