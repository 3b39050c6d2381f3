"""Writing a generated dataset as a COCO-format folder: whole, or not at all."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from supernet.data.canvas import Box
from supernet.data.errors import FolderInUse

MADE_FROM = "made_from.json"


@dataclass(frozen=True, eq=False)
class Sample:
    """A generated image, (height, width, 3), with a box and a label (position among the names) an object."""

    pixels: npt.NDArray[np.uint8]
    boxes: tuple[Box, ...]
    labels: tuple[int, ...]


def reuse(root: Path, made_from: Mapping[str, object]) -> bool:
    """Return whether `root` already holds the dataset made from that.

    Raises:
        FolderInUse: it holds something else.
    """
    if not root.exists() or not any(root.iterdir()):
        return False
    record = root / MADE_FROM
    if record.exists() and json.loads(record.read_text()) == dict(made_from):
        return True
    found = record.read_text().strip() if record.exists() else "files that no generator wrote"
    raise FolderInUse(root, "", f"holds {found}", "choose an empty or new folder, or the same options")


def write_dataset(
    root: Path,
    splits: Mapping[str, Iterable[Sample]],
    *,
    names: Sequence[str],
    made_from: Mapping[str, object],
) -> Path:
    """Return `root` once every split and the record of its making are in it."""
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = root.with_name(f".{root.name}.{os.getpid()}.draft")
    try:
        for split, samples in splits.items():
            _write_split(draft / split, samples, names)
        (draft / MADE_FROM).write_text(json.dumps(dict(made_from), indent=2) + "\n")
        if root.exists():
            root.rmdir()
        draft.rename(root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def _write_split(folder: Path, samples: Iterable[Sample], names: Sequence[str]) -> None:
    (folder / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, sample in enumerate(samples):
        name = f"{index:06d}.png"
        Image.fromarray(sample.pixels).save(folder / "images" / name, compress_level=1)
        height, width = sample.pixels.shape[:2]
        images.append({"id": index, "file_name": name, "width": width, "height": height})
        annotations += _annotations(sample, image=index, first=len(annotations))
    categories = [{"id": position, "name": name} for position, name in enumerate(names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content) + "\n")


def _annotations(sample: Sample, *, image: int, first: int) -> list[dict[str, Any]]:
    return [
        {
            "id": first + offset + 1,  # COCO tools take id 0 for "unmatched"
            "image_id": image,
            "category_id": label,
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "iscrowd": 0,
        }
        for offset, ((left, top, right, bottom), label) in enumerate(
            zip(sample.boxes, sample.labels, strict=True)
        )
    ]
