"""The turns that the benchmark of data-parallel training counts, and those it does not."""

import os
from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.data_parallel import ENOUGH, THREADS, Speed, Turn, _figures

CORES = 2 * THREADS
FREE = Speed(10.0, free=True)
FAST = Turn(FREE, Speed(18.0, free=True), Speed(20.0, free=True))
SLOW = Turn(FREE, Speed(12.0, free=True), Speed(20.0, free=True))
LOST = Turn(FREE, Speed(4.0, free=False), Speed(20.0, free=True))


def test_time_kept_by_the_host_is_read_in_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    monkeypatch.setattr(machine, "_STAT", stat)
    assert machine.stolen_s() == 0
    ticks = 3 * os.sysconf("SC_CLK_TCK")
    stat.write_text(f"cpu  9 9 9 9 9 9 9 {ticks} 0 0\ncpu0 9 9 9 9 9 9 9 1 0 0\n")
    assert machine.stolen_s() == 3


def test_turns_without_free_cores_are_left_out_of_the_claim() -> None:
    lost = [LOST] * (2 * ENOUGH)
    figures = {figure.name: figure for figure in _figures("plain", [FAST] * ENOUGH + lost, CORES)}
    claim, everywhere = figures["plain_two_workers_speedup"], figures["plain_two_workers_speedup_all_turns"]
    assert claim.value == claim.low == claim.high == 1.8
    assert claim.met
    assert f"{ENOUGH} of {3 * ENOUGH} turns" in claim.detail
    assert everywhere.value == 0.4
    assert everywhere.target is None
    assert figures["plain_two_apart_speedup"].value == 2


@pytest.mark.parametrize(
    ("turns", "cores", "met"),
    [
        ([FAST] * ENOUGH, CORES, True),
        ([SLOW] * ENOUGH, CORES, False),
        ([SLOW] * ENOUGH, CORES - 1, None),
        ([SLOW] * (ENOUGH - 1) + [LOST] * ENOUGH, CORES, None),
    ],
)
def test_a_claim_needs_free_cores(turns: list[Turn], cores: int, met: bool | None) -> None:
    claim, *_ = _figures("plain", turns, cores)
    assert claim.met is met
