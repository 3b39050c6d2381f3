"""`neckline datasets make` and `neckline datasets check`."""

import json
from pathlib import Path

from typer.testing import CliRunner

from service.cli import app

RUN = CliRunner()


def test_made_datasets_pass_their_check(tmp_path: Path) -> None:
    folder = str(tmp_path / "digits")
    made = RUN.invoke(
        app, ["datasets", "make", "digits", folder, "--train", "5", "--val", "3", "--seed", "2"]
    )
    assert made.exit_code == 0 and "5 training and 3 validation images of 128 px, seed 2" in made.output
    checked = RUN.invoke(app, ["datasets", "check", folder, "--json"])
    record = json.loads(checked.output)
    assert checked.exit_code == 0 and record["problems"] == []
    assert [record["splits"][split]["images"] for split in ("train", "val")] == [5, 3]
    assert "val: 3 images (0 empty)" in RUN.invoke(app, ["datasets", "check", folder]).output


def test_every_fault_is_listed_and_the_exit_status_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    RUN.invoke(app, ["datasets", "make", "digits", str(folder), "--train", "3", "--val", "2"])
    (folder / "train" / "images" / "000001.png").unlink()
    (folder / "val" / "annotations.json").write_text("{")
    checked = RUN.invoke(app, ["datasets", "check", str(folder), "--json"])
    faults = json.loads(checked.output)["problems"]
    assert checked.exit_code == 1 and len(faults) == 2
    assert "image 1 ('000001.png'): file not found" in faults[0] and "is not JSON" in faults[1]


def test_a_foreign_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    refused = RUN.invoke(app, ["datasets", "make", "digits", str(tmp_path), "--train", "1", "--val", "1"])
    assert refused.exit_code == 2 and "choose an empty or new folder" in " ".join(refused.output.split())
