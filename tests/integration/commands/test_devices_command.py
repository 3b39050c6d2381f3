"""`neckline devices` and `neckline agent` from the outside."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app

CHANNELS = "3:8,4:8,5:8"


def neckline(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a calibration of ONNX Runtime."""
    folder = tmp_path_factory.mktemp("calibrations")
    given = ["--budget", "12", "--image", "64x64", "--channels", CHANNELS, "--folder", str(folder), "--json"]
    given.append("--memory")
    done = neckline("devices", "calibrate", *given)
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["samples"] == 12 and record["coverage"] is None
    assert record["started_from"] is None and record["memory_median_error"] >= 0
    return folder


def test_list_names_every_device_and_whether_it_is_here() -> None:
    found = {entry["device"]: entry for entry in json.loads(neckline("devices", "list", "--json").stdout)}
    assert {"torch_cpu", "onnxruntime_cpu", "cuda", "remote"} <= found.keys()
    assert found["torch_cpu"]["here"] and not found["remote"]["here"]
    assert "onnxruntime" in neckline("devices", "list").stdout


def test_calibrate_leaves_coefficients_samples_and_a_page(folder: Path) -> None:
    kept = folder / "onnxruntime_cpu"
    assert json.loads((kept / "predictor.json").read_text())["schema_version"] == 2
    assert json.loads((kept / "memory.json").read_text())["metric"] == "peak_activation_mb"
    samples = json.loads((kept / "samples.json").read_text())
    assert len(samples["necks"]) == 12 == len(samples["measured"])
    assert all(entry["visits"] for entry in samples["measured"])
    page = (kept / "calibration.html").read_text()
    assert "<svg" in page and "peak memory" in page


def test_a_calibration_can_start_from_another_and_says_whether_that_helped(
    folder: Path, tmp_path: Path
) -> None:
    given = [
        "--budget",
        "10",
        "--image",
        "32x32",
        "--channels",
        CHANNELS,
        "--folder",
        str(tmp_path),
        "--json",
    ]
    start = str(folder / "onnxruntime_cpu" / "predictor.json")
    done = neckline("devices", "calibrate", *given, "--start", start)
    assert done.exit_code == 0, done.output
    assert (json.loads(done.stdout)["started_from"] or "onnxruntime_cpu").startswith("onnxruntime_cpu")


def test_explain_shows_kernels_and_shares(folder: Path) -> None:
    given = [
        "explain",
        "onnxruntime_cpu",
        "fpn",
        "--channels",
        CHANNELS,
        "--width",
        "16",
        "--folder",
        str(folder),
    ]
    record = json.loads(neckline("devices", *given, "--json").stdout)
    total = sum(entry["ms"] for entry in record["kernels"]) + record["base_ms"]
    assert total == pytest.approx(record["latency_ms"])
    shown = neckline("devices", *given).stdout
    assert "conv_dense" in shown and "ms predicted" in shown and "MB of activations" in shown


def test_explain_takes_an_architecture_file(folder: Path, tmp_path: Path) -> None:
    from search_space.reference import build

    path = tmp_path / "neck.json"
    path.write_text(build("pafpn", {3: 8, 4: 8, 5: 8}, width=8).to_json())
    assert (
        neckline("devices", "explain", "onnxruntime_cpu", str(path), "--folder", str(folder)).exit_code == 0
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["calibrate", "--device", "torch_cpi"], "torch_cpu"),
        (["calibrate", "--image", "big"], "640x640"),
        (["calibrate", "--image", "0x64"], "empty"),
        (["calibrate", "--channels", "3=8"], "3:64"),
        (["calibrate", "--space", "fusion_gird"], "fusion_grid"),
        (["calibrate", "--space", "nowhere.json"], "nowhere.json"),
        (["calibrate", "--device", "remote"], "agent"),
        (["explain", "torch_cpu", "fpn", "--folder", "nowhere"], "devices calibrate --device torch_cpu"),
        (["report", "torch_cpu", "fpm"], "fpn"),
    ],
)
def test_what_is_asked_wrongly_is_explained(arguments: list[str], message: str) -> None:
    done = neckline("devices", *arguments)
    assert done.exit_code == 2
    shown = " ".join(done.output.replace("│", " ").split())
    assert message.replace(" ", "") in shown.replace(" ", "")


def test_the_agents_source_can_be_copied_to_a_device() -> None:
    from evaluators import agent

    done = neckline("agent", "http://127.0.0.1:9", "--source")
    assert done.stdout == Path(agent.__file__).read_text()


def test_an_agent_without_token_or_secret_fails(tmp_path: Path) -> None:
    done = neckline("agent", "http://127.0.0.1:9", "--state", str(tmp_path / "a.json"), "--once")
    assert done.exit_code == 1
