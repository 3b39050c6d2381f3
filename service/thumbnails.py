"""Small pictures of a dataset's images with their boxes, so that a user sees what was registered."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from PIL import Image, ImageDraw

from service.models.datasets import THUMBNAILS
from service.store import Store
from supernet.data.coco import ImageRecord

SIDE = 192
"""Longest side of a thumbnail, pixels."""
BOX, CROWD = (255, 160, 0), (140, 140, 140)


def keep(store: Store, images: Iterable[ImageRecord]) -> list[str]:
    """Store thumbnails of the first images that have boxes, and return their sha256."""
    labelled = (record for record in images if len(record.boxes))
    return [_kept(store, draw(record)) for record in islice(labelled, THUMBNAILS)]


def draw(record: ImageRecord) -> Image.Image:
    """Return the image at most `SIDE` pixels wide and high, its boxes drawn, crowds in grey."""
    picture = Image.fromarray(record.pixels())
    scale = min(1.0, SIDE / max(picture.size))
    picture = picture.resize((max(1, round(record.width * scale)), max(1, round(record.height * scale))))
    pen = ImageDraw.Draw(picture)
    for corners, crowd in zip(record.boxes * scale, record.crowd, strict=True):
        pen.rectangle([float(value) for value in corners], outline=CROWD if crowd else BOX)
    return picture


def _kept(store: Store, picture: Image.Image) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thumbnail.jpg"
        picture.save(path, quality=85, subsampling=0)
        return store.files.put(path)[0]
