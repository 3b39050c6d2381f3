"""The raw records of a COCO annotation file and what can be wrong with them."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supernet.data.errors import BrokenAnnotations, InvalidBox, OrphanAnnotation, RecordError

Record = dict[str, Any]
SECTIONS = ("images", "annotations", "categories")
OVERSHOOT = 1.0
"""Pixels by which a box may leave its image (rounding in common tools); it is clipped."""


@dataclass(frozen=True)
class Document:
    """A parsed annotation file: images by id, annotations in order, category names by id."""

    file: Path
    images: dict[int, Record]
    annotations: list[Record]
    categories: dict[int, str]

    def problems(self) -> Iterator[RecordError]:
        """Yield what is wrong with the annotations, in the file's order."""
        for annotation in self.annotations:
            problem = self._orphan(annotation) or self._box(annotation)
            if problem:
                yield problem

    def _orphan(self, annotation: Record) -> RecordError | None:
        where = _name("annotation", annotation)
        if annotation["image_id"] not in self.images:
            problem = f"refers to image {annotation['image_id']}, which the file does not list"
            return OrphanAnnotation(
                self.file, where, problem, "add the image's record or delete the annotation"
            )
        if annotation["category_id"] not in self.categories:
            problem = (
                f"refers to category {annotation['category_id']}; listed: {sorted(self.categories)[:20]}"
            )
            return OrphanAnnotation(self.file, where, problem, "add the category or correct the annotation")
        return None

    def _box(self, annotation: Record) -> RecordError | None:
        where, image = _name("annotation", annotation), self.images[annotation["image_id"]]
        left, top, width, height = annotation["bbox"]
        shown = f"box {annotation['bbox']} (left, top, width, height)"
        if width <= 0 or height <= 0:
            return InvalidBox(
                self.file, where, f"{shown} has no area", "delete the annotation or redraw its box"
            )
        inside = (
            left >= -OVERSHOOT
            and top >= -OVERSHOOT
            and left + width <= image["width"] + OVERSHOOT
            and top + height <= image["height"] + OVERSHOOT
        )
        if not inside:
            problem = f"{shown} leaves image {image['id']} of {image['width']} x {image['height']} pixels"
            return InvalidBox(self.file, where, problem, "clip the box to the image or delete the annotation")
        return None


def read_document(file: Path) -> Document:
    """Return the parsed file, every record known to have its fields.

    Raises:
        BrokenAnnotations: not JSON, or a section, field or id is missing, doubled or of a wrong type.
    """
    content = _parse(file)
    for section in SECTIONS:
        if not isinstance(content.get(section), list):
            raise BrokenAnnotations(
                file, section, "is missing or no list", f"COCO's format has {', '.join(SECTIONS)}"
            )
    images = _by_id(file, "image", content["images"], {"file_name": str, "width": int, "height": int})
    categories = _by_id(file, "category", content["categories"], {"name": str})
    for annotation in content["annotations"]:
        _require(file, "annotation", annotation, {"image_id": int, "category_id": int, "bbox": list})
        if not _is_box(annotation["bbox"]):
            where, problem = (
                _name("annotation", annotation),
                f"bbox {annotation['bbox']} is no list of 4 numbers",
            )
            raise BrokenAnnotations(file, where, problem, "give left, top, width, height in pixels")
    names = {key: record["name"] for key, record in categories.items()}
    return Document(file, images, content["annotations"], names)


def _parse(file: Path) -> Record:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BrokenAnnotations(
            file, where, f"is not JSON ({error.msg})", "export the annotations again"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenAnnotations(
            file, "", f"cannot be read ({error})", "export the annotations again"
        ) from error
    if not isinstance(content, dict):
        raise BrokenAnnotations(file, "", "holds no object", f"COCO's format has {', '.join(SECTIONS)}")
    return content


def _by_id(file: Path, kind: str, records: list[Record], fields: dict[str, type]) -> dict[int, Record]:
    found: dict[int, Record] = {}
    for record in records:
        _require(file, kind, record, {"id": int, **fields})
        if record["id"] in found:
            raise BrokenAnnotations(
                file, _name(kind, record), "its id occurs twice", "give each record its own id"
            )
        found[record["id"]] = record
    return found


def _require(file: Path, kind: str, record: object, fields: dict[str, type]) -> None:
    """Raise `BrokenAnnotations` unless `record` is an object with those fields."""
    if not isinstance(record, dict):
        raise BrokenAnnotations(file, kind, f"{record!r} is no object", "export the annotations again")
    for name, kind_of in fields.items():
        if not isinstance(record.get(name), kind_of) or isinstance(record.get(name), bool):
            problem = f"field '{name}' is {record.get(name)!r}, not {kind_of.__name__}"
            raise BrokenAnnotations(file, _name(kind, record), problem, "correct the record")


def _is_box(box: list[object]) -> bool:
    return len(box) == 4 and all(
        isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in box
    )


def _name(kind: str, record: Record) -> str:
    return f"{kind} {record.get('id', '(no id)')}"
