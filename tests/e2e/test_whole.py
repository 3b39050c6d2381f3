"""The whole product as a newcomer meets it: the demo, its worker killed on the way, and the first example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from service.client import Client

ROOT = Path(__file__).parent.parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(600)]


def run(*command: str, cwd: Path = ROOT) -> str:
    """Return what a command printed, in one line; it must end well."""
    environment = {**os.environ, "COLUMNS": "200", "NECKLINE_LOW_WATER_BYTES": "0"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return " ".join(done.stdout.split())


def test_the_demo_survives_its_worker_and_the_example_finds_a_neck(tmp_path: Path) -> None:
    data = tmp_path / "data"
    small = ["--steps", "12", "--images", "48", "--evaluations", "12"]
    shown = run(sys.executable, "-m", "service.cli", "demo", "--data", str(data), *small, "--kill-worker")
    assert re.search(r"asked 12, stored 1[2-5] with baselines, lost 0, twice 0, attempts 2", shown), shown
    assert all(f"│ {name} " in shown for name in ("fpn", "pafpn", "bifpn"))
    assert "imports torch alone" in shown and "equal to the bit" in shown
    assert "The service has ended" in shown

    serve = [sys.executable, "-m", "service.cli", "serve", "--port", "0", "--data", str(data)]
    (data / "address").unlink(missing_ok=True)
    service = subprocess.Popen(serve, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(data / "address", service)
        neck = tmp_path / "neck.zip"
        with Client(
            (data / "address").read_text().strip(), (data / "admin.key").read_text().strip()
        ) as client:
            (supernet,) = client.supernets()
        tiny = ["--supernet", supernet.id, "--evaluations", "8", "--budget-ms", "50"]
        ours = ["--data", str(data), "--output", str(neck)]
        printed = run(sys.executable, "-m", "examples.find_a_neck", *tiny, *ours)
    finally:
        service.terminate()
        assert service.wait(60) is not None
    assert "baseline:fpn ap" in printed and f"downloaded {neck}" in printed
    assert {"neck.py", "neck.safetensors", "architecture.json", "card.md"} <= set(
        zipfile.ZipFile(neck).namelist()
    )


def _wait_for(file: Path, service: subprocess.Popen[bytes]) -> None:
    for _ in range(900):
        if file.exists():
            return
        with pytest.raises(subprocess.TimeoutExpired):
            service.wait(0.1)
    raise AssertionError(f"{file.name} did not appear within 90 s")
