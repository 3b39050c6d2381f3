"""A COCO-format detection dataset on disk, checked record by record.

Layout: `<root>/<split>/images/*` and `<root>/<split>/annotations.json`, splits `train` and `val`;
or both places given explicitly.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from supernet.data.errors import FolderMissing, NoAnnotations, RecordError, UnreadableImage
from supernet.data.records import Document, read_document

LAYOUT = "expected <folder>/<split>/images/* and <folder>/<split>/annotations.json, splits train and val"


@dataclass(frozen=True)
class Category:
    """A class of objects under the id that its dataset gives it; ids may be sparse."""

    id: int
    name: str


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """One image and what is in it.

    Attributes:
        boxes: (n, 4) float32, left, top, right, bottom in pixels.
        labels: (n,) int64, positions in the dataset's `categories`, not COCO ids.
        crowd: (n,) bool, regions that are neither learned nor scored against.
    """

    id: int
    path: Path
    width: int
    height: int
    boxes: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    crowd: npt.NDArray[np.bool_]

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return the decoded image, (height, width, 3) RGB.

        Raises:
            UnreadableImage: the file cannot be decoded.
        """
        try:
            with Image.open(self.path) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise _unreadable(self, str(error)) from error


@dataclass(frozen=True)
class Statistics:
    """What a dataset holds.

    Attributes:
        images, annotations: counts; crowd regions are not counted.
        empty_images: images without an object.
        categories: objects a category, by name.
        object_sizes: 0, 10, 25, 50, 75, 90 and 100 % quantiles of the square root of the box area, in pixels.
        widths, heights: smallest and largest, in pixels.
    """

    images: int
    annotations: int
    empty_images: int
    categories: dict[str, int]
    object_sizes: tuple[float, ...]
    widths: tuple[int, int]
    heights: tuple[int, int]


@dataclass(frozen=True, eq=False)
class CocoDetection:
    """One split of a dataset, every record known to be sound.

    Attributes:
        annotations: the JSON file.
        images_folder: where its images lie.
    """

    annotations: Path
    images_folder: Path
    categories: tuple[Category, ...]
    images: tuple[ImageRecord, ...] = field(repr=False)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        split: str = "train",
        *,
        annotations: Path | None = None,
        images: Path | None = None,
    ) -> Self:
        """Return the split of that folder, or of the places given explicitly.

        Raises:
            RecordError: the first problem found; `problems` lists all.
        """
        annotations, images = places(folder, split, annotations, images)
        for problem in problems(folder, split, annotations=annotations, images=images):
            raise problem
        document = read_document(annotations)
        categories = tuple(Category(key, name) for key, name in sorted(document.categories.items()))
        return cls(annotations, images, categories, tuple(_records(document, images, categories)))

    @cached_property
    def statistics(self) -> Statistics:
        """What the split holds."""
        kept = [(record.boxes[~record.crowd], record.labels[~record.crowd]) for record in self.images]
        labels = Counter(int(label) for _, found in kept for label in found)
        sides = np.concatenate([np.sqrt((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])) for b, _ in kept])
        widths, heights = [r.width for r in self.images], [r.height for r in self.images]
        return Statistics(
            images=len(self.images),
            annotations=len(sides),
            empty_images=sum(not len(boxes) for boxes, _ in kept),
            categories={category.name: labels[i] for i, category in enumerate(self.categories)},
            object_sizes=tuple(float(q) for q in np.quantile(sides, (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1))),
            widths=(min(widths), max(widths)),
            heights=(min(heights), max(heights)),
        )


def places(
    folder: Path | str, split: str, annotations: Path | None = None, images: Path | None = None
) -> tuple[Path, Path]:
    """Return the annotation file and the image folder of a split.

    Raises:
        FolderMissing: either is not there.
    """
    root = Path(folder)
    annotations = annotations or root / split / "annotations.json"
    images = images or root / split / "images"
    for place in (root, annotations.parent, annotations, images):
        if not place.exists():
            raise FolderMissing(place, "", "not found", LAYOUT)
    return annotations, images


def problems(
    folder: Path | str, split: str, *, annotations: Path | None = None, images: Path | None = None
) -> Iterator[RecordError]:
    """Yield everything that is wrong with a split; nothing where it is sound."""
    try:
        annotations, images = places(folder, split, annotations, images)
        document = read_document(annotations)
    except RecordError as error:
        yield error
        return
    yield from document.problems()
    for record in document.images.values():
        fault = _image_fault(record, images)
        if fault:
            yield fault
    if not any(not annotation.get("iscrowd", 0) for annotation in document.annotations):
        remedy = "label at least one object, or choose the split that has labels"
        yield NoAnnotations(annotations, "", "no annotations at all", remedy)


def _image_fault(record: dict[str, Any], folder: Path) -> UnreadableImage | None:
    path = folder / record["file_name"]
    where = f"image {record['id']} ('{record['file_name']}')"
    try:
        with Image.open(path) as image:
            size = image.size
    except FileNotFoundError:
        return UnreadableImage(path, where, "file not found", "add it or delete its record")
    except (OSError, SyntaxError, ValueError) as error:
        return UnreadableImage(
            path, where, f"cannot be read ({error})", "replace the file or delete its record"
        )
    recorded = (record["width"], record["height"])
    if size != recorded:
        return UnreadableImage(
            path, where, f"is {size} pixels, recorded as {recorded}", "correct the record's size"
        )
    return None


def _unreadable(record: ImageRecord, reason: str) -> UnreadableImage:
    remedy = "replace the file or delete its record"
    return UnreadableImage(record.path, f"image {record.id}", f"cannot be read ({reason})", remedy)


def _records(document: Document, folder: Path, categories: tuple[Category, ...]) -> Iterator[ImageRecord]:
    """Yield the images in order of id, each with its boxes in the file's order."""
    label = {category.id: position for position, category in enumerate(categories)}
    found: dict[int, list[dict[str, Any]]] = {key: [] for key in document.images}
    for annotation in document.annotations:
        found[annotation["image_id"]].append(annotation)
    for key in sorted(document.images):
        image, objects = document.images[key], found[key]
        extent = (image["width"], image["height"])
        yield ImageRecord(
            id=key,
            path=folder / image["file_name"],
            width=image["width"],
            height=image["height"],
            boxes=_corners([annotation["bbox"] for annotation in objects], extent),
            labels=np.array([label[annotation["category_id"]] for annotation in objects], dtype=np.int64),
            crowd=np.array([bool(annotation.get("iscrowd", 0)) for annotation in objects], dtype=np.bool_),
        )


def _corners(boxes: list[list[float]], extent: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return left, top, right, bottom, clipped to the image (the tolerated overshoot is a pixel)."""
    array = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    array[:, 2:] += array[:, :2]
    return np.clip(array, 0, np.array(extent * 2, dtype=np.float32))
