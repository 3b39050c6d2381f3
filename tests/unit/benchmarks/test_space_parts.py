"""A run of the spaces' benchmark goes on where one was cut off."""

from pathlib import Path

from benchmarks import space

TASK = (divmod, (7, 3))


def test_parts_are_kept_until_the_run_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "parts.jsonl"
    first = space.Parts(file)
    first.run([TASK])
    assert first.found(*TASK) == [2, 1]
    again = space.Parts(file)
    assert again.found(*TASK) == [2, 1]
    again.drop()
    assert not file.exists()


def test_parts_of_other_sources_do_not_count(tmp_path: Path) -> None:
    file = tmp_path / "parts.jsonl"
    file.write_text('{"sources": "older", "part": "divmod 7 3", "found": [0, 0]}\n')
    parts = space.Parts(file)
    parts.run([TASK])
    assert parts.found(*TASK) == [2, 1]
