"""The digits datasets: real scans, boxes that fit the ink, validation scans never trained on."""

import json
from pathlib import Path

import numpy as np
import pytest

from supernet.data.canvas import Canvas, Glyph, extent, paste
from supernet.data.coco import CocoDetection
from supernet.data.digits import LARGEST, SMALLEST, make_digits, source_digits
from supernet.data.errors import FolderInUse


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_digits(tmp_path_factory.mktemp("data") / "digits", seed=3, train=24, val=8)


def test_the_folder_opens_as_any_dataset(folder: Path) -> None:
    train, val = CocoDetection.open(folder, "train"), CocoDetection.open(folder, "val")
    assert (len(train.images), len(val.images)) == (24, 8)
    assert [category.name for category in train.categories] == [str(digit) for digit in range(10)]
    assert train.statistics.widths == train.statistics.heights == (128, 128)
    assert train.statistics.empty_images == 0
    assert SMALLEST / 3 <= train.statistics.object_sizes[0] <= train.statistics.object_sizes[-1] <= LARGEST


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(folder: Path, tmp_path: Path) -> None:
    again = make_digits(tmp_path / "again", seed=3, train=24, val=8)
    other = make_digits(tmp_path / "other", seed=4, train=24, val=8)
    for file in sorted(path.relative_to(folder) for path in folder.rglob("*.png")):
        assert (again / file).read_bytes() == (folder / file).read_bytes()
    labels = [json.loads((root / "val" / "annotations.json").read_text()) for root in (folder, again, other)]
    assert labels[0] == labels[1] != labels[2]


def test_validation_scans_never_occur_in_training() -> None:
    train, val = source_digits(0)
    for digit in range(10):
        seen = {scan.tobytes() for scan in train[digit]}
        assert len(val[digit]) > 30
        assert not [scan for scan in val[digit] if scan.tobytes() in seen]


def test_a_finished_folder_is_kept_and_a_foreign_one_refused(folder: Path, tmp_path: Path) -> None:
    before = (folder / "made_from.json").stat().st_mtime_ns
    assert make_digits(folder, seed=3, train=24, val=8) == folder
    assert (folder / "made_from.json").stat().st_mtime_ns == before
    with pytest.raises(FolderInUse, match="choose an empty or new folder"):
        make_digits(folder, seed=5, train=24, val=8)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FolderInUse, match="files that no generator wrote"):
        make_digits(tmp_path, train=1, val=1)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_boxes_are_tight_around_the_ink_and_never_overlap() -> None:
    coverage = np.zeros((9, 9), np.float32)
    coverage[2:5, 3:8] = 1
    assert extent(coverage) == (3, 2, 8, 5)
    canvas, rng = Canvas(np.full((40, 40, 3), 0.5, np.float32)), np.random.default_rng(0)
    placed = sum(paste(canvas, Glyph(coverage, label), rng) for label in range(12))
    assert placed == len(canvas.boxes) == len(canvas.labels) >= 6
    changed = np.zeros((40, 40), bool)
    for left, top, right, bottom in canvas.boxes:
        patch = (slice(int(top), int(bottom)), slice(int(left), int(right)))
        assert (right - left, bottom - top) == (5, 3) and not changed[patch].any()
        changed[patch] = True
        assert abs(canvas.image[patch].mean() - 0.5) >= 0.1  # the colour stands out
    np.testing.assert_array_equal((canvas.image != 0.5).any(2), changed)
