"""Batches of a dataset as tensors: cached as bytes, in an order that seed and step determine.

Nothing here has a position: `batch(step)` is a function of the seed and the step, so a resumed run reads what
an uninterrupted one would have read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from supernet.data.augmentation import Augmentation, augment
from supernet.data.coco import CocoDetection, ImageRecord
from supernet.errors import DatasetError

Size = tuple[int, int]
"""Height and width in pixels."""

CACHE_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class Targets:
    """What is to be found in one image, in pixels of the letterboxed image.

    Attributes:
        boxes: (n, 4), left, top, right, bottom; crowd regions are left out.
        labels: (n,) int64.
    """

    boxes: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """Images and what is to be found in them.

    Attributes:
        images: (B, 3, H, W) float32 in 0..1.
        targets: one an image.
        indices: positions in the dataset's `images`.
    """

    images: Tensor
    targets: tuple[Targets, ...]
    indices: tuple[int, ...]


class Letterbox:
    """Images of a dataset brought to one size: scaled by one factor, padded right and below with grey."""

    def __init__(
        self, dataset: CocoDetection, size: Size, *, images: int | None = None, cache_bytes: int = CACHE_BYTES
    ) -> None:
        """Take the first `images` of the dataset, all by default; decode them now if they fit the cache."""
        self.dataset = dataset
        self.size = size
        self.records: Sequence[ImageRecord] = dataset.images[:images]
        self.scales = tuple(min(size[0] / r.height, size[1] / r.width) for r in self.records)
        self.targets = tuple(_targets(r, s) for r, s in zip(self.records, self.scales, strict=True))
        fits = len(self.records) * 3 * size[0] * size[1] <= cache_bytes
        self._cached = torch.stack([self._decode(i) for i in range(len(self.records))]) if fits else None

    def __len__(self) -> int:
        return len(self.records)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Return (B, 3, H, W) uint8."""
        if self._cached is not None:
            return self._cached[list(indices)]
        return torch.stack([self._decode(i) for i in indices])

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the images once, in order, unchanged; the last batch may be smaller."""
        for start in range(0, len(self), batch_size):
            indices = tuple(range(start, min(start + batch_size, len(self))))
            images = self.pixels(indices).float() / 255
            yield Batch(images, tuple(self.targets[i] for i in indices), indices)

    def _decode(self, index: int) -> Tensor:
        record, scale = self.records[index], self.scales[index]
        pixels = record.pixels()
        height, width = _scaled(record, scale)
        if (height, width) != pixels.shape[:2]:
            image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(image)
        canvas = np.full((*self.size, 3), 128, dtype=np.uint8)
        canvas[:height, :width] = pixels
        return torch.from_numpy(canvas.transpose(2, 0, 1).copy())


@dataclass(frozen=True, eq=False)
class Loader:
    """Training batches without end.

    Attributes:
        source: the images.
        batch_size: images a batch.
        seed: determines order and augmentation.
        augmentation: what is changed at random.
        rank, workers: which part of each step's images is this worker's, and of how many.
    """

    source: Letterbox
    batch_size: int
    seed: int
    augmentation: Augmentation
    rank: int = 0
    workers: int = 1

    def indices(self, step: int) -> tuple[int, ...]:
        """Return the images of a step: shuffled epochs, one behind the other, cut into batches."""
        first, count = (step * self.workers + self.rank) * self.batch_size, len(self.source)
        positions = range(first, first + self.batch_size)
        return tuple(int(_order(self.seed, p // count, count)[p % count]) for p in positions)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, augmented."""
        indices = self.indices(step)
        generator = torch.Generator().manual_seed(_number(self.seed, step * self.workers + self.rank))
        pixels = self.source.pixels(indices).float() / 255
        images, mirrored = augment(pixels, self.augmentation, generator)
        targets = (self.source.targets[i] for i in indices)
        width = self.source.size[1]
        moved = tuple(_mirror(t, width) if m else t for t, m in zip(targets, mirrored.tolist(), strict=True))
        return Batch(images, moved, indices)


def image_size(dataset: CocoDetection, *, stride: int, limit: int | None = None) -> Size:
    """Return a size that every image fits in without being enlarged or, but for `limit`, shrunk.

    Args:
        dataset: whose images are to fit.
        stride: height and width become multiples of it (the stride of the top level).
        limit: longest side in pixels; larger images are scaled down.

    Raises:
        DatasetError: the limit is under the stride.
    """
    statistics = dataset.statistics
    height, width = statistics.heights[1], statistics.widths[1]
    scale = min(1.0, limit / max(height, width)) if limit else 1.0
    size = tuple(-(-round(extent * scale) // stride) * stride for extent in (height, width))
    if limit is not None and limit < stride:
        raise DatasetError(
            f"image size {limit} is under the stride {stride} of the top level; use at least {stride} pixels "
            "or fewer levels"
        )
    return size[0], size[1]


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, 7, epoch]).permutation(count)


def _number(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, 11, step]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _scaled(record: ImageRecord, scale: float) -> Size:
    return max(1, round(record.height * scale)), max(1, round(record.width * scale))


def _targets(record: ImageRecord, scale: float) -> Targets:
    kept = ~record.crowd
    return Targets(
        torch.from_numpy(record.boxes[kept] * np.float32(scale)), torch.from_numpy(record.labels[kept])
    )


def _mirror(targets: Targets, width: int) -> Targets:
    left, top, right, bottom = targets.boxes.unbind(1)
    return Targets(torch.stack([width - right, top, width - left, bottom], 1), targets.labels)
