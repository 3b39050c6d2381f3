"""The command line: what it prints, as text and as JSON, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import build
from service.settings import Settings

runner = CliRunner()
app = build()


def run(*words: object, code: int = 0) -> str:
    result = runner.invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


def test_every_group_is_found_by_its_file() -> None:
    listed = run("--help")
    for group in ("serve", "worker", "demo", "search", "supernets", "datasets", "db", "settings", "gc"):
        assert group in listed


def test_settings_say_their_meaning_and_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NECKLINE_PORT", "8123")
    monkeypatch.setenv("NECKLINE_RAY_TOKEN", "secret-token")
    rows = {row["name"]: row for row in json.loads(run("settings", "--json"))}
    assert rows.keys() == Settings.model_fields.keys()
    assert (rows["port"]["value"], rows["port"]["source"]) == ("8123", "environment")
    assert rows["host"]["source"] == "default" and rows["ray_token"]["value"] == "***"
    assert all(row["meaning"] for row in rows.values())


def test_a_setting_that_cannot_be_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NECKLINE_PORT", "many")
    assert "port" in run("settings", code=2)


def test_a_database_is_upgraded_checked_and_backed_up(tmp_path: Path) -> None:
    data = ("--data", tmp_path, "--json")
    before = json.loads(run("db", "check", *data, code=1))
    assert before["revision"] is None and before["differences"]
    upgraded = json.loads(run("db", "upgrade", *data))
    after = json.loads(run("db", "check", *data))
    assert after == {"revision": upgraded["revision"], "newest": upgraded["revision"], "differences": []}
    copy = tmp_path / "copy.db"
    assert json.loads(run("db", "backup", copy, *data))["bytes"] == copy.stat().st_size > 0
    run("db", "backup", copy, *data, code=2)


def test_collecting_in_an_empty_service_removes_nothing(tmp_path: Path) -> None:
    run("db", "upgrade", "--data", tmp_path)
    found = json.loads(run("gc", "--data", tmp_path, "--json"))
    assert set(found.values()) == {0}
    assert run("gc", "--data", tmp_path, "--dry-run").startswith("Would remove 0 events")


def test_without_a_service_a_command_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("NECKLINE_URL", "NECKLINE_DATA", "NECKLINE_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    assert "neckline serve" in run("search", "list", "--data", tmp_path, code=2)


@pytest.mark.parametrize("bound", ["latency_ms<3", "latency_ms", "latency_ms<=fast"])
def test_a_bound_that_is_none_is_refused(tmp_path: Path, bound: str) -> None:
    run("search", "submit", "id", "--constraint", bound, "--data", tmp_path, code=2)


def test_a_ray_beyond_loopback_without_a_token_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(variable, raising=False)
    output = run("worker", "--data", tmp_path, "--ray-address", "10.0.0.5:6379", code=2)
    assert "RAY_AUTH_MODE" in output
