"""Numbers as people read them."""

import pytest

from service.ui import figures


@pytest.mark.parametrize(
    ("value", "unit", "stderr", "text"),
    [
        (0.64321, "1", 0.011, "0.643 ± 0.011"),
        (4.2134, "ms", 0.12, "4.21 ± 0.12 ms"),
        (57_360_000.0, "MACs", None, "57.36 MMACs"),
        (660_040.0, "parameters", None, "660.0 k"),
        (12_000_000.0, "bytes", None, "12.00 MB"),
        (0.0, "1", None, "0"),
    ],
)
def test_quantity(value: float, unit: str, stderr: float | None, text: str) -> None:
    assert figures.quantity(value, unit, stderr) == text


def test_column_shares_one_scale_and_one_number_of_decimals() -> None:
    scale = figures.column_scale("MACs", [900_000.0, 30e6, 57e6], [])
    assert scale == figures.Scale(1e6, "M", 2)
    assert figures.number(900_000.0, scale.divisor, digits=scale.digits) == "0.90"


def test_bound_has_no_trailing_zeros() -> None:
    assert figures.bound("latency_ms", 0.5, None) == "Latency p10 ≤ 0.5 ms"
    assert figures.bound("ap", None, 0.4) == "AP ≥ 0.4"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.04, "0.0 s"), (59.6, "60 s"), (84.0, "1 min 24 s"), (7260.0, "2 h 1 min")],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert figures.duration(seconds) == text


def test_origin() -> None:
    assert figures.origin("baseline:bifpn", 7) == "BiFPN"
    assert figures.origin("search", 7) == "#7"


def test_an_event_names_a_neck_and_leaves_its_figures_to_its_page() -> None:
    payload = {"id": "x", "origin": "baseline:bifpn", "values": {"ap": 0.41}, "error": None}
    assert figures.event_words("evaluation", payload) == "BiFPN was scored"
    score = {"metric": "ap", "value": 0.5123, "unit": "1", "source": "verified", "stderr": 0.01}
    assert figures.event_words("score", {"id": "x", "score": score}, 3) == "#3: AP verified"
    assert figures.event_words("evaluation", {"origin": "search"}, 17) == "#17 was scored"
    assert figures.event_words("evaluation", {"origin": "search", "error": "out of memory"}).endswith(
        "memory"
    )
