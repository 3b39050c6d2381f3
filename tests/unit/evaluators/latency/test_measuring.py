"""The protocol finds the truth behind a disturbed clock, stops when it has, and compares sessions."""

import gc
import os
from dataclasses import replace

import numpy as np
import pytest

from evaluators.latency.affinity import on_quiet_cores, quietest
from evaluators.latency.errors import DriftedSession, LatencyError
from evaluators.latency.measuring import collector_off, finished, measure, scores
from evaluators.latency.session import Progress, Protocol, Session, joined, require_steady
from search_space.architecture import Architecture
from search_space.space import Space
from tests.unit.evaluators.latency.simulated import CHANNELS, IMAGE, Simulated


def necks(count: int, seed: int = 0) -> list[Architecture]:
    space = Space.load({"space": "fusion_grid", "channels": CHANNELS, "widths": [32, 64, 96]})
    rng = np.random.default_rng(seed)
    return [space.architecture(space.sample(rng)) for _ in range(count)]


def run(device: Simulated, count: int = 6, **settings: object) -> Session:
    protocol = Protocol(**settings)  # type: ignore[arg-type]
    return finished(measure(device, necks(count), image_size=IMAGE, protocol=protocol))


def test_labels_are_the_truth_in_the_order_of_the_necks() -> None:
    device = Simulated(noise=0.02)
    session = run(device)
    truth = [device.truth_ms(neck) for neck in necks(6)]
    assert [entry.latency_ms for entry in session.measured] == pytest.approx(truth, rel=0.03)
    assert len(session.sentinels) == 3
    assert session.noise_floor < 0.02


def test_every_raw_sample_is_kept() -> None:
    session = run(Simulated(), visits=5, most_visits=5, runs=2)
    assert [len(entry.visits) for entry in session.measured] == [5] * 6
    assert all(len(visit.runs_ms) == len(visit.reference_ms) == 2 for visit in session.measured[0].visits)


def test_visits_interleave_and_their_order_changes() -> None:
    session = run(Simulated(), visits=4, most_visits=4)
    visits = sorted((visit for entry in session.measured for visit in entry.visits), key=lambda v: v.at_s)
    order = [visit.item for visit in visits]
    rounds = [order[start : start + 6] for start in range(0, 24, 6)]
    assert all(sorted(items) == list(range(6)) for items in rounds)
    assert len({tuple(items) for items in rounds}) > 1


def test_settled_necks_get_no_more_visits_and_noisy_ones_are_flagged() -> None:
    quiet, loud = (run(Simulated(noise=noise), visits=6, most_visits=9) for noise in (0.001, 2.0))
    assert all(entry.settled and len(entry.visits) == 6 for entry in quiet.measured)
    assert any(not entry.settled and len(entry.visits) == 9 for entry in loud.measured)


def test_time_that_runs_out_leaves_four_visits() -> None:
    session = run(Simulated(), seconds=0.0)
    assert {len(entry.visits) for entry in session.measured} == {4}


def test_progress_counts_up_to_its_total() -> None:
    *events, last = measure(
        Simulated(), necks(2), image_size=IMAGE, protocol=Protocol(visits=4, most_visits=4)
    )
    assert isinstance(last, Session)
    shown = [(event.stage, event.done, event.total) for event in events if isinstance(event, Progress)]
    assert shown == [("prepare", 1, 2), ("prepare", 2, 2), *(("measure", done, 4) for done in (1, 2, 3, 4))]


def test_sessions_that_only_differ_in_the_machines_speed_join() -> None:
    fast, slow = run(Simulated(seed=1)), run(Simulated(seed=2, speed=1.2))
    first, second = joined([fast, slow])
    assert [m.latency_ms for m in second.measured] == pytest.approx(
        [m.latency_ms for m in first.measured], rel=0.03
    )
    with pytest.raises(DriftedSession, match=r"sentinel 1 moved by \+(19|2)"):
        require_steady(fast, slow)


def test_a_drift_that_the_reference_does_not_share_is_refused() -> None:
    rates = {"conv_dense": (0.02, 0.01, 0.01), "conv_depthwise": (0.3, 0.1, 0.02)}
    with pytest.raises(DriftedSession, match=r"sentinel 2 moved by"):
        joined([run(Simulated(seed=1)), run(Simulated(seed=2, rates=rates))])


def test_sessions_of_other_devices_or_without_sentinels_are_refused() -> None:
    session = run(Simulated(), visits=4, most_visits=4)
    other = replace(session, fingerprint=replace(session.fingerprint, threads=2))
    with pytest.raises(DriftedSession, match="threads"):
        require_steady(session, other)
    with pytest.raises(DriftedSession, match="sentinels"):
        require_steady(session, replace(session, sentinels=()))


def test_scores_carry_source_unit_and_error() -> None:
    label, p50, p90 = scores(run(Simulated()).measured[0])
    assert (label.metric, label.unit, label.source) == ("latency_ms", "ms", "measured")
    assert label.stderr is not None and 0 < label.stderr < 0.1 * label.value
    assert label.value < p50.value < p90.value


def test_a_measurement_that_never_ends_is_an_error() -> None:
    with pytest.raises(LatencyError, match="without a session"):
        finished(iter([]))


@pytest.mark.parametrize("settings", [{"visits": 0}, {"visits": 5, "most_visits": 4}, {"runs": 0}])
def test_a_protocol_that_measures_nothing_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="visits"):
        Protocol(**settings)


def test_the_collector_is_off_inside_only() -> None:
    with collector_off():
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_affinity_is_held_inside_and_given_back() -> None:
    before = os.sched_getaffinity(0)
    with on_quiet_cores(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
    assert quietest(before, 1) <= before
