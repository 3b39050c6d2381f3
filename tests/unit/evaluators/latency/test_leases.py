"""The agents' protocol: nothing that is wrong with an answer reaches a predictor."""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import pytest

from evaluators.devices.remote import Remote
from evaluators.latency import leases
from evaluators.latency.calibrate import calibrate, finished
from evaluators.latency.errors import (
    DeviceUnavailable,
    HashMismatch,
    InvalidSample,
    LatencyError,
    LeaseExpired,
    NotOnDevice,
    ProviderFellBack,
    Quarantined,
    SessionError,
    TokenUsed,
)
from evaluators.latency.leases import BatchRequest, Lease, Model, Standing
from evaluators.latency.session import Progress, Session
from search_space.reference import build
from search_space.space import Space
from tests.unit.evaluators.latency.fake_agent import Fault, description, times
from tests.unit.evaluators.latency.simulated import CHANNELS, IMAGE

NAMES = {item: sha256(str(item).encode()).hexdigest() for item in (leases.REFERENCE, -1, -2, -3, 0, 1)}
REQUEST = BatchRequest(
    tuple(Model(item, name, {"c3": (1, 8, 4, 4)}, {"batch": 1}) for item, name in NAMES.items()),
    IMAGE,
    provider="FancyExecutionProvider",
)


def result(fault: Fault = "none", **changes: Any) -> dict[str, Any]:
    return {"description": description(), **times(REQUEST.to_record(), fault), **changes}


def test_a_sound_answer_becomes_a_session() -> None:
    found = leases.answer(REQUEST, result(), Standing())
    assert found.problem is None and found.session is not None
    truth = [1 + 4 * int(NAMES[item][:4], 16) / 65535 for item in (0, 1)]
    assert [entry.latency_ms for entry in found.session.measured] == pytest.approx(truth, rel=0.03)
    assert len(found.session.sentinels) == 3 == len(found.standing.sentinels)
    assert found.session.fingerprint.hardware == "Board"
    assert found.session.fingerprint.runtime == "onnxruntime:FancyExecutionProvider"


FAULTS: list[tuple[Fault, type[LatencyError], str]] = [
    ("fallback", ProviderFellBack, "asked for Fancy.*ran on CPU"),
    ("timeout", SessionError, "Timeout: the batch took more"),
    ("hash", HashMismatch, "SHA-256 is def"),
    ("nan", InvalidSample, "must be positive, got nan"),
    ("missing", InvalidSample, r"missing for items \[0\]"),
]


@pytest.mark.parametrize(("fault", "kind", "message"), FAULTS)
def test_a_faulty_answer_is_named_and_gives_no_session(
    fault: Fault, kind: type[LatencyError], message: str
) -> None:
    found = leases.answer(REQUEST, result(fault), Standing())
    assert found.session is None
    assert found.standing.strikes == 1
    with pytest.raises(kind, match=message):
        raise found.problem  # type: ignore[misc]


def test_a_negative_time_is_refused() -> None:
    bad = result()
    bad["visits"][0]["runs_ms"][0] = -1.0
    assert isinstance(leases.answer(REQUEST, bad, Standing()).problem, InvalidSample)


def test_too_few_times_of_a_neck_are_refused() -> None:
    bad = result()
    kept = [visit for visit in bad["visits"] if visit["item"] != 1]
    bad["visits"] = [*kept, *[visit for visit in bad["visits"] if visit["item"] == 1][:3]]
    found = leases.answer(REQUEST, bad, Standing())
    assert found.session is None and isinstance(found.problem, InvalidSample)
    assert "at least 10 times of each item are needed: item 1 has 9" in str(found.problem)


def test_an_answer_without_a_description_is_refused() -> None:
    found = leases.answer(REQUEST, result(description={}), Standing())
    assert "does not say its machine" in str(found.problem)


def test_drifted_sentinels_set_a_session_aside_and_three_set_the_agent_aside() -> None:
    standing = leases.answer(REQUEST, result(), Standing()).standing
    for strike in (1, 2, 3):
        leases.check_standing(standing)
        found = leases.answer(REQUEST, result("drift"), standing)
        assert found.session is None and "sentinel 2 moved by +20" in str(found.problem)
        standing = found.standing
        assert standing.strikes == strike
    with pytest.raises(Quarantined, match=r"sentinel 2 moved.*enrol it with a new token"):
        leases.check_standing(standing)


def test_a_good_session_clears_the_strikes() -> None:
    first = leases.answer(REQUEST, result(), Standing()).standing
    struck = leases.answer(REQUEST, result("timeout"), first).standing
    again = leases.answer(REQUEST, result(), struck)
    assert again.session is not None and again.standing == first


def test_a_machine_that_is_slower_as_a_whole_has_not_drifted() -> None:
    standing = leases.answer(REQUEST, result(), Standing()).standing
    slow = result()
    for visit in slow["visits"]:
        for name in ("runs_ms", "reference_ms"):
            visit[name] = [2 * time_ms for time_ms in visit[name]]
    assert leases.answer(REQUEST, slow, standing).session is not None


def test_a_lease_counts_for_its_agent_epoch_and_time() -> None:
    lease = Lease("b", "a", 2, until_s=100.0)
    leases.check_lease(lease, agent="a", epoch=2, now_s=99.0)
    with pytest.raises(LeaseExpired, match="ran out 5 s ago"):
        leases.check_lease(lease, agent="a", epoch=2, now_s=105.0)
    others: list[tuple[Lease | None, str, int]] = [(None, "a", 2), (lease, "b", 2), (lease, "a", 1)]
    for found, agent, epoch in others:
        with pytest.raises(LeaseExpired, match="no longer"):
            leases.check_lease(found, agent=agent, epoch=epoch, now_s=1.0)


def test_a_token_counts_once_and_for_a_while() -> None:
    token, stored = leases.new_token()
    assert leases.digest(token) == stored != leases.new_token()[1]
    leases.check_enrolment(known=True, enrolled_at=None, expires_at=10.0, now_s=9.0)
    cases = [(False, None, 9.0, "never"), (True, 5.0, 9.0, "has been used"), (True, None, 11.0, "expired")]
    for known, enrolled_at, now_s, message in cases:
        with pytest.raises(TokenUsed, match=message):
            leases.check_enrolment(known=known, enrolled_at=enrolled_at, expires_at=10.0, now_s=now_s)


def test_another_protocol_is_refused() -> None:
    with pytest.raises(SessionError, match=r"protocol 99.*fetch the agent again"):
        leases.check_description(description(protocol=99))


def test_blobs_are_what_their_names_say() -> None:
    leases.check_blob(b"model", sha256(b"model").hexdigest())
    with pytest.raises(HashMismatch, match="blob 00"):
        leases.check_blob(b"model", "0" * 64)


def test_requests_and_standings_survive_json() -> None:
    record = json.loads(json.dumps(REQUEST.to_record()))
    assert BatchRequest.from_record(record) == REQUEST
    standing = Standing(2, "why", (1.0, 2.0))
    assert Standing.from_record(json.loads(json.dumps(standing.to_record()))) == standing


def test_a_batch_needs_its_reference_and_distinct_items() -> None:
    for models in (REQUEST.models[1:], REQUEST.models[:4], (*REQUEST.models, REQUEST.models[-1])):
        with pytest.raises(ValueError, match="distinct items"):
            BatchRequest(models, IMAGE)


@pytest.mark.parametrize(
    ("machine", "flags", "block"), [("x86_64", ["avx512f"], 16), ("AMD64", [], 8), ("aarch64", [], 0)]
)
def test_the_lowering_follows_the_machine(machine: str, flags: list[str], block: int) -> None:
    assert leases.lowering_of({"machine": machine, "flags": flags}).block == block


class Local:
    """An exchange whose agent answers at once."""

    def __init__(self, fault: Fault = "none") -> None:
        self.fault, self.blobs = fault, dict[str, bytes]()

    def description(self) -> Mapping[str, Any] | None:
        return description()

    def store(self, content: bytes, name: str) -> None:
        leases.check_blob(content, name)
        self.blobs[name] = content

    def run(self, request: BatchRequest) -> Iterator[Progress | Session]:
        assert {model.sha256 for model in request.models} <= self.blobs.keys()
        found = leases.answer(
            request, {"description": description(), **times(request.to_record())}, Standing()
        )
        assert found.session is not None
        yield Progress("measure", 1, 1, 0.0)
        yield found.session


def test_a_remote_device_is_calibrated_like_any_other() -> None:
    space = Space.load({"space": "fusion_grid", "channels": CHANNELS, "widths": [32, 64]})
    device = Remote(exchange=Local())
    done = finished(calibrate(device, space, 14, image_size=IMAGE))
    assert len(done.times_ms) == 14
    done.predictor.require(device.fingerprint(IMAGE))
    assert done.predictor.lowering.block == 0
    assert np.isfinite(done.predictor.predict(space.architecture(space.largest())).value)


def test_a_remote_device_needs_an_agent_and_measures_whole_sessions() -> None:
    with pytest.raises(DeviceUnavailable, match="no agent has enrolled"):
        Remote()
    device, neck = Remote(exchange=Local()), build("fpn", CHANNELS, width=32)
    with pytest.raises(NotOnDevice, match="a session at a time"):
        device.prepare(neck, IMAGE)
    with pytest.raises(NotOnDevice, match="at most 50"):
        list(device.measure([neck] * 51, image_size=IMAGE, batch=1, protocol=None))  # type: ignore[arg-type]
