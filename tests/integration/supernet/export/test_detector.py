"""A whole detector as files: bit-equal to the trained one, and a script that finds and draws."""

import copy
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from supernet.backbone import BackboneSpec
from supernet.data.coco import Category
from supernet.detection.decoding import decode
from supernet.detection.head import flatten, locations
from supernet.detector import Detector
from supernet.export import bundle, detecting, verify
from supernet.export.card import Card
from supernet.export.detector import DetectorParts, check_detector, detector_files, detector_parts
from supernet.export.errors import FailedCheck
from supernet.training.spec import TrainingSpec


def parts_of(backbone: str) -> DetectorParts:
    torch.manual_seed(0)
    spec = TrainingSpec(dataset="none", backbone=BackboneSpec(backbone), space={"space": "fusion_grid"})
    categories = tuple(Category(index, f'digit "{index}"') for index in range(10))
    detector = Detector(spec, categories, (96, 128)).eval()
    (architecture,) = [detector.space.architecture(detector.space.sample(np.random.default_rng(3)))]
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(4, 3, 96, 128, generator=generator)
    with torch.no_grad():
        statistics = detector.calibrate(architecture, [detector.backbone(images)])
    return detector_parts(detector, architecture, statistics)


@pytest.fixture(scope="module")
def plain() -> DetectorParts:
    return parts_of("plain")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, plain: DetectorParts) -> Path:
    """Return a folder with the bundle of the plain detector."""
    made = tmp_path_factory.mktemp("bundle")
    bundle.write_bundle(made, plain.neck, card=Card(title="A detector."), detector=plain)
    return made


def test_it_is_in_the_bundle(folder: Path) -> None:
    with zipfile.ZipFile(folder / bundle.ARCHIVE) as archive:
        assert {"detect.py", "detector.safetensors", "backbone.py", "head.py"} <= set(archive.namelist())
    assert "python detect.py" in (folder / "card.md").read_text()


def test_it_is_bit_equal_and_other_weights_are_found(folder: Path, plain: DetectorParts) -> None:
    (check,) = check_detector(folder, plain)
    assert check.passed
    other = copy.deepcopy(plain)
    with torch.no_grad():
        next(other.head.parameters()).add_(1e-3)
    (check,) = check_detector(folder, other)
    with pytest.raises(FailedCheck, match=r"detect.py, detector_reference: difference \d"):
        verify.require([check])


def test_the_script_draws_what_it_finds(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = tmp_path / "image.jpg"
    Image.fromarray(rng.integers(0, 255, (150, 170, 3), dtype=np.uint8)).save(image)
    drawn = tmp_path / "drawn.png"
    arguments = [str(folder / "detect.py"), str(image), "--output", str(drawn), "--score", "0.01"]
    process = subprocess.run(
        [sys.executable, "-B", *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1].endswith(f"found, drawn on {drawn}")
    assert 'digit "' in process.stdout
    with Image.open(drawn) as found:
        assert found.size == (170, 150)


def test_timms_backbone_is_written_with_timm(tmp_path: Path) -> None:
    parts = parts_of("resnet10t")
    for name, content in (
        bundle.neck_files(parts.neck, Card(title="A detector.")) | detector_files(parts)
    ).items():
        (tmp_path / name).write_bytes(content)
    assert "import timm" in (tmp_path / "backbone.py").read_text()
    assert check_detector(tmp_path, parts)[0].passed


def test_the_written_decoding_is_the_products(plain: DetectorParts) -> None:
    outputs = plain.predict(torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(5)))
    spec = replace(plain.decoding, least_score=0.001)
    sizes = {level: x.shape[2:] for level, x in outputs.items()}
    wanted = decode(flatten(outputs), locations(sizes), spec)
    boxes, scores, labels = detecting.decode(outputs, spec.least_score, spec.candidates, spec.overlap)
    count = len(wanted.scores)
    assert count
    assert torch.equal(boxes[:count], wanted.boxes)
    assert torch.equal(scores[:count], wanted.scores)
    assert torch.equal(labels[:count], wanted.labels)


def test_files_are_formatted(tmp_path: Path, plain: DetectorParts) -> None:
    for name, content in detector_files(plain).items():
        if name.endswith(".py"):
            (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout
