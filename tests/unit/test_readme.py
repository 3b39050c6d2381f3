"""The README says what holds: its tables are the stored results, its links and make targets exist."""

import re
from pathlib import Path

import pytest

from benchmarks.form import Figure, Results, ResultsError, Target, write
from benchmarks.machine import Machine
from benchmarks.readme import PAGE, README, page, rendered

ROOT = Path(__file__).parent.parent.parent


def test_the_tables_are_those_of_the_stored_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert rendered(text) == text, "run `python -m benchmarks.readme`"
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m benchmarks.readme`"


def test_a_table_shows_value_interval_target_and_verdict(tmp_path: Path) -> None:
    figures = (Figure("ap", 0.5, "1", Target(">=", 0.6), low=0.4, high=0.6), Figure("wait", 2.0, "s"))
    machine = Machine(cpu="A", cores=2, memory_gib=4, load=0.0, system="Linux")
    results = Results(
        "demo", figures, False, "python -m benchmarks.demo", "2026-01-02T03:04:05Z", 1.0, (), machine
    )
    write(results, tmp_path / "demo.json")
    made = rendered("<!-- results:demo -->\nold\n<!-- /results -->\n", tmp_path)
    assert "| ap | 0.5 (0.4 to 0.6) | >= 0.6 | **short** |" in made
    assert "| wait | 2 s |  |  |" in made
    assert "old" not in made
    alone = rendered("<!-- results:demo wait -->\nold\n<!-- /results -->\n", tmp_path)
    assert "| wait |" in alone and "| ap |" not in alone
    with pytest.raises(ResultsError, match="no figure is called hope"):
        rendered("<!-- results:demo hope -->\n<!-- /results -->\n", tmp_path)


def test_links_and_targets_exist() -> None:
    text = README.read_text(encoding="utf-8")
    missing = [path for path in re.findall(r"\]\(((?!http)[^)#]+)\)", text) if not (ROOT / path).exists()]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wanted = set(re.findall(r"^    make (\w+)", text, re.MULTILINE))
    assert not missing
    assert wanted <= targets
