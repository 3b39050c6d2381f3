"""The agents' protocol as data: what a batch asks, what an answer must hold, when an agent is set aside.

Pure functions: the service stores what they return. A batch goes to one agent at a time under an epoch; an
answer counts only for the epoch that it was given out with.
"""

import math
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any

from evaluators.latency.errors import (
    HashMismatch,
    InvalidSample,
    LeaseExpired,
    ProviderFellBack,
    Quarantined,
    SessionError,
    TokenUsed,
)
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.lowering import Lowering
from evaluators.latency.samples import Visit, measurements, reference_level
from evaluators.latency.session import MAXIMUM_DRIFT, Session
from search_space.op import Size

PROTOCOL_VERSION = 1
REFERENCE = -1000
"""Item of the reference net; sentinels are -1, -2 ..., necks 0, 1 ..."""
LEASE_S = 900.0
TOKEN_S = 3600.0
"""How long a one-time token may be used."""
LEAST_TIMES = 10
"""Raw times of each neck below which a session is refused, where as many were asked for."""
STRIKES = 3
"""Sessions in a row that drifted or failed before an agent is set aside."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a batch.

    Attributes:
        item: see `REFERENCE`.
        sha256: of the ONNX file.
        inputs: shape of each input.
        extents: symbolic dimensions fixed before loading.
    """

    item: int
    sha256: str
    inputs: Mapping[str, tuple[int, ...]]
    extents: Mapping[str, int]


@dataclass(frozen=True)
class BatchRequest:
    """What an agent is asked to measure."""

    models: tuple[Model, ...]
    image: Size
    batch: int = 1
    threads: int = 1
    provider: str = "CPUExecutionProvider"
    visits: int = 10
    runs: int = 3
    seconds: float = 600.0
    memory_bytes: int = 4 << 30
    seed: int = 0

    def __post_init__(self) -> None:
        items = [model.item for model in self.models]
        if len(set(items)) != len(items) or REFERENCE not in items or max(items) < 0:
            raise ValueError("a batch needs distinct items, the reference among them and one neck or more")

    @property
    def necks(self) -> int:
        """Number of necks, the reference and the sentinels left out."""
        return sum(model.item >= 0 for model in self.models)

    def to_record(self) -> dict[str, Any]:
        """Return what an agent reads, JSON-ready."""
        record = asdict(self)
        record["extents"] = {model.sha256: dict(model.extents) for model in self.models}
        return record

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> "BatchRequest":
        """Return the request of `to_record`."""
        values = {name: value for name, value in record.items() if name not in ("extents", "models", "image")}
        models = tuple(
            Model(
                entry["item"],
                entry["sha256"],
                {name: tuple(shape) for name, shape in entry["inputs"].items()},
                dict(entry["extents"]),
            )
            for entry in record["models"]
        )
        height, width = record["image"]
        return BatchRequest(models, (height, width), **values)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the service knows of an agent's reliability.

    Attributes:
        strikes: sessions in a row that drifted or failed.
        quarantined: why the agent is set aside; empty while it is not.
        sentinels: labels of the fixed nets in its first good session, over that session's reference time.
    """

    strikes: int = 0
    quarantined: str = ""
    sentinels: tuple[float, ...] = ()

    def struck(self, why: str) -> "Standing":
        """Return the standing after a session that cannot be used."""
        strikes = self.strikes + 1
        return replace(self, strikes=strikes, quarantined=why if strikes >= STRIKES else self.quarantined)

    def to_record(self) -> dict[str, Any]:
        """Return the standing as JSON-ready values."""
        return asdict(self)

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> "Standing":
        """Return the standing of `to_record`."""
        return Standing(**{**record, "sentinels": tuple(record.get("sentinels", ()))})


@dataclass(frozen=True, slots=True)
class Lease:
    """One batch in one agent's hands."""

    batch: str
    agent: str
    epoch: int
    until_s: float


@dataclass(frozen=True)
class Answer:
    """A checked result: a session, or the reason why there is none.

    Attributes:
        session: the measurements; None where they cannot be used.
        standing: of the agent, afterwards.
        problem: what was wrong; None where nothing was.
    """

    session: Session | None
    standing: Standing
    problem: SessionError | InvalidSample | ProviderFellBack | None = field(default=None, compare=False)


def new_token() -> tuple[str, str]:
    """Return a fresh token and the digest by which it is stored."""
    token = secrets.token_urlsafe(24)
    return token, digest(token)


def digest(token: str) -> str:
    """Return the digest by which a token or a secret is stored."""
    return sha256(token.encode()).hexdigest()


def check_enrolment(*, known: bool, enrolled_at: float | None, expires_at: float, now_s: float) -> None:
    """Check that a one-time token may still be used.

    Raises:
        TokenUsed: it was never given out, has been used, or is too old.
    """
    if not known:
        raise TokenUsed("this token was never given out")
    if enrolled_at is not None:
        raise TokenUsed("this token has been used; ask for another one")
    if now_s > expires_at:
        raise TokenUsed("this token has expired; ask for another one")


def check_description(description: Mapping[str, Any]) -> None:
    """Check what an agent says of its machine.

    Raises:
        SessionError: another protocol version, or a field is missing.
    """
    missing = [name for name in ("machine", "processor", "runtime", "version") if not description.get(name)]
    if missing:
        raise SessionError(f"the agent does not say its {', '.join(missing)}")
    if description.get("protocol") != PROTOCOL_VERSION:
        raise SessionError(
            f"the agent speaks protocol {description.get('protocol')}, the service {PROTOCOL_VERSION}: "
            "fetch the agent again"
        )


def check_standing(standing: Standing) -> None:
    """Check that an agent may have work.

    Raises:
        Quarantined: it is set aside; the message says why and how to come back.
    """
    if standing.quarantined:
        raise Quarantined(
            f"this agent is set aside: {standing.quarantined}. Let the device cool down and idle, then enrol "
            "it with a new token"
        )


def check_lease(lease: Lease | None, *, agent: str, epoch: int, now_s: float) -> None:
    """Check that a result comes from the agent that holds the batch.

    Raises:
        LeaseExpired: the lease ran out, or the batch went to another agent.
    """
    if lease is None or lease.agent != agent or lease.epoch != epoch:
        raise LeaseExpired("this batch is not, or no longer, leased to this agent")
    if now_s > lease.until_s:
        raise LeaseExpired(
            f"the lease ran out {now_s - lease.until_s:.0f} s ago; the batch goes to the next agent"
        )


def check_blob(content: bytes, name: str) -> None:
    """Check that a blob is what its name says.

    Raises:
        HashMismatch: it is not.
    """
    found = sha256(content).hexdigest()
    if found != name:
        raise HashMismatch(f"blob {name}: the content's SHA-256 is {found}")


def lowering_of(description: Mapping[str, Any]) -> Lowering:
    """Return how ONNX Runtime rewrites necks on a machine with this description."""
    x86 = str(description["machine"]).lower() in ("x86_64", "amd64")
    block = 16 if "avx512f" in description.get("flags", ()) else 8
    return Lowering("onnxruntime", block if x86 else 0)


def fingerprint_of(
    description: Mapping[str, Any], *, provider: str, threads: int, batch: int, image: Size
) -> Fingerprint:
    """Return what a session on a machine with this description is valid for."""
    runtime = f"{description['runtime']}:{provider}"
    hardware, version = str(description["processor"]), str(description["version"])
    return Fingerprint("remote", hardware, runtime, version, threads, "float32", batch, image)


def answer(request: BatchRequest, result: Mapping[str, Any], standing: Standing) -> Answer:
    """Return what a result is worth: nothing of it enters a predictor unless all of it is sound."""
    try:
        check_description(result.get("description", {}))
        _check_error(result)
        _check_provider(request, result)
        session = _session(request, result)
        sentinels = _sentinel_ratios(session)
        _check_drift(standing.sentinels, sentinels)
    except (SessionError, InvalidSample, ProviderFellBack) as problem:
        return Answer(None, standing.struck(str(problem)), problem)
    return Answer(session, Standing(sentinels=standing.sentinels or sentinels))


def _check_error(result: Mapping[str, Any]) -> None:
    if not result.get("error"):
        return
    kinds = {"HashMismatch": HashMismatch, "InvalidSample": InvalidSample}
    raise kinds.get(str(result["error"]), SessionError)(
        f"the agent reports {result['error']}: {result.get('detail', '')}"
    )


def _check_provider(request: BatchRequest, result: Mapping[str, Any]) -> None:
    providers = list(result.get("providers", ()))
    if providers != [request.provider]:
        raise ProviderFellBack(
            f"asked for {request.provider}, ran on {', '.join(map(str, providers)) or 'none'}"
        )


def _session(request: BatchRequest, result: Mapping[str, Any]) -> Session:
    visits = [Visit.from_record(entry) for entry in result.get("visits", ())]
    wanted = {model.item for model in request.models} - {REFERENCE}
    found = {visit.item for visit in visits}
    if found != wanted:
        raise InvalidSample(
            f"times are missing for items {sorted(wanted - found)}, unasked {sorted(found - wanted)}"
        )
    _check_times(visits, min(LEAST_TIMES, request.visits * request.runs))
    if not all(math.isfinite(visit.at_s) for visit in visits):
        raise InvalidSample("a visit's time of day is not a number")
    measured = measurements(visits)
    return Session(
        fingerprint_of(
            result["description"],
            provider=request.provider,
            threads=request.threads,
            batch=request.batch,
            image=request.image,
        ),
        tuple(measured[item] for item in range(request.necks)),
        tuple(measured[item] for item in sorted(measured, reverse=True) if item < 0),
        reference_level(visits),
        float(result.get("elapsed_s") or 0.0),
        float(result["load"]) if result.get("load") is not None else math.nan,
    )


def _check_times(visits: Sequence[Visit], least: int) -> None:
    counts: Counter[int] = Counter()
    for visit in visits:
        counts[visit.item] += len(visit.runs_ms)
    few = {item: count for item, count in sorted(counts.items()) if count < least}
    if few:
        listed = ", ".join(f"item {item} has {count}" for item, count in few.items())
        raise InvalidSample(f"at least {least} times of each item are needed: {listed}")


def _sentinel_ratios(session: Session) -> tuple[float, ...]:
    return tuple(entry.latency_ms / session.reference_ms for entry in session.sentinels)


def _check_drift(before: Sequence[float], after: Sequence[float]) -> None:
    """Compare sentinels over the reference, so that a machine that is slower as a whole passes."""
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        change = new / old - 1
        if abs(change) > MAXIMUM_DRIFT:
            raise SessionError(
                f"sentinel {index + 1} moved by {change:+.1%} against the reference since the last session "
                f"(at most {MAXIMUM_DRIFT:.0%} is allowed)"
            )
