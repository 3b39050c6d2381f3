"""What a user is shown of a calibration: table, page, shares of kernels, a report to publish."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from evaluators.latency.calibrate import calibrate, finished
from evaluators.latency.explain import shares
from evaluators.latency.intervals import Residuals
from evaluators.latency.kernels import Kernel
from evaluators.latency.page import page, scatter, ticks
from evaluators.latency.report import Report, report
from evaluators.latency.summary import covered, summarise
from search_space.reference import build
from search_space.space import Space
from tests.unit.evaluators.latency.simulated import CHANNELS, IMAGE, Simulated

SPACE = Space.load({"space": "fusion_grid", "channels": CHANNELS, "widths": [32, 64, 96]})
DONE = finished(calibrate(Simulated(), SPACE, 30, image_size=IMAGE))
NECK = build("fpn", CHANNELS, width=64)


def test_the_summary_tells_errors_of_necks_that_no_fit_saw() -> None:
    summary = summarise(DONE)
    assert summary.samples == 30 == len(summary.points)
    errors = [abs(predicted / measured - 1) for measured, predicted in summary.points]
    assert summary.median_error == pytest.approx(np.median(errors))
    assert summary.within_5 <= summary.within_10 <= 1
    assert summary.rho > 0.98
    assert sorted(measured for measured, _ in summary.points) == pytest.approx(sorted(DONE.times_ms))
    assert summary.coverage is not None and 0.7 < summary.coverage <= 1
    assert len(summary.coverage_by_decile) == 10


def test_below_twenty_necks_the_table_says_that_there_are_no_intervals() -> None:
    few = summarise(finished(calibrate(Simulated(), SPACE, 12, image_size=IMAGE)))
    assert few.coverage is None
    assert "none: they need 20" in few.rows()[-1][1]


def test_coverage_leaves_each_neck_out() -> None:
    errors = [0.01] * 29 + [0.5]
    predicted = np.ones(30)
    inside = covered(Residuals.of(predicted, predicted * np.exp(errors)))
    assert inside.tolist() == [1.0] * 29 + [0.0]


def test_the_page_is_static_and_shows_every_neck() -> None:
    text = page(summarise(DONE), DONE.predictor.fingerprint)
    assert "<script" not in text and "http" not in text.replace("http://www.w3.org", "")
    assert text.count('class="neck"') == 30
    assert "noise floor" in text and "simulation" in text


def test_the_page_escapes_names_that_machines_give_themselves() -> None:
    fingerprint = replace(DONE.predictor.fingerprint, hardware="<b>Fast & co")
    assert "&lt;b&gt;Fast &amp; co" in page(summarise(DONE), fingerprint)


def test_points_without_error_lie_on_the_line() -> None:
    root = ElementTree.fromstring(scatter([(1.0, 1.0), (4.0, 4.0), (10.0, 9.0)]))
    dots = [(float(dot.get("cx", 0)), float(dot.get("cy", 0))) for dot in root.iter("circle")]
    assert dots[0][0] + dots[0][1] == pytest.approx(dots[1][0] + dots[1][1], abs=0.2)
    assert dots[2][1] > dots[2][0] * -1 + sum(dots[0])  # predicted too low lies below the line


def test_ticks_are_round_numbers_inside() -> None:
    assert ticks(0.3, 12) == pytest.approx([0.5, 1, 2, 5, 10])


def test_shares_add_up_with_what_every_inference_costs() -> None:
    predictor = DONE.predictor
    found = shares(predictor, predictor.kernels(NECK))
    time_ms = predictor.predict(NECK).value
    assert sum(entry.time_ms for entry in found) + predictor.base == pytest.approx(time_ms)
    assert sum(entry.share for entry in found) + predictor.base / time_ms == pytest.approx(1)
    assert all(entry.measured for entry in found)


def test_a_kernel_that_was_never_measured_has_a_time_too() -> None:
    (found,) = shares(DONE.predictor, [Kernel("x", "unheard_of", 1e6, 1e6, known=False)])
    assert not found.measured and found.time_ms > 0


def reported(device: Simulated, **rules: float) -> Report:
    *_, last = report(device, NECK, image_size=IMAGE, **rules)  # type: ignore[arg-type]
    assert isinstance(last, Report)
    return last


def test_a_report_has_enough_runs_and_lasts_long_enough() -> None:
    done = reported(Simulated())
    assert min(done.samples) >= 1024 and min(done.seconds) >= 60
    truth = Simulated().truth_ms(NECK)
    assert truth < done.p50_ms <= done.p90_ms < 1.4 * truth
    assert done.reproducible


def test_a_report_that_does_not_repeat_says_so() -> None:
    class Throttled(Simulated):
        def clock(self) -> float:
            return self.now_s if self.now_s < 1 else 1 + (self.now_s - 1) * 1.5

    done = reported(Throttled(slow=1.0), least_samples=64, least_seconds=1.0)
    assert not done.reproducible and done.difference == pytest.approx(0.5, abs=0.1)
    assert done.to_record()["reproducible"] is False


def test_progress_of_a_report_ends_at_its_total() -> None:
    *events, _ = report(Simulated(), NECK, image_size=IMAGE, least_samples=128, least_seconds=0.0)
    done = [event.done for event in events]  # type: ignore[union-attr]
    assert done == sorted(done) and done[-1] == 100
    assert re.fullmatch("report", events[0].stage)  # type: ignore[union-attr]
