"""Real handwritten digits on textured images, written as a COCO-format folder.

The digits are scikit-learn's (1,797 scans of 8 x 8 pixels). Those of the validation images never occur in a
training image: the scans themselves are split before anything is composed.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_digits

from supernet.data.canvas import Canvas, Glyph, paste, texture
from supernet.data.writing import Sample, reuse, write_dataset

Scans = dict[int, npt.NDArray[np.float32]]
"""Ink in 0..1 by digit, (n, 8, 8)."""

SMALLEST, LARGEST = 12, 72
"""Sides of a composed digit, pixels."""
OBJECTS = (3, 7)
"""Fewest and most digits tried for an image; those that find no free place are left out."""
VALIDATION_SHARE = 0.25
NAMES = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class DigitsSpec:
    """What determines a digits dataset, to the pixel.

    Attributes:
        seed: of everything drawn.
        train, val: images a split.
        image_size: side of a square image, pixels.
    """

    seed: int = 0
    train: int = 1024
    val: int = 200
    image_size: int = 128
    generator: str = "digits"


def make_digits(
    root: Path | str, *, seed: int = 0, train: int = 1024, val: int = 200, image_size: int = 128
) -> Path:
    """Return `root` after writing the dataset there; one that is already there is kept.

    Raises:
        FolderInUse: `root` holds something else.
    """
    spec = DigitsSpec(seed=seed, train=train, val=val, image_size=image_size)
    root = Path(root)
    if reuse(root, asdict(spec)):
        return root
    sources = dict(zip(("train", "val"), source_digits(seed), strict=True))
    splits = {split: _samples(spec, split, sources[split]) for split in sources}
    return write_dataset(root, splits, names=NAMES, made_from=asdict(spec))


def source_digits(seed: int) -> tuple[Scans, Scans]:
    """Return the scans for training and those for validation, disjoint, by digit."""
    data = load_digits()
    rng = np.random.default_rng([seed, 101])
    train: Scans = {}
    val: Scans = {}
    for digit in range(10):
        scans = data.images[data.target == digit].astype(np.float32) / 16
        order = rng.permutation(len(scans))
        held_out = round(len(scans) * VALIDATION_SHARE)
        val[digit], train[digit] = scans[order[:held_out]], scans[order[held_out:]]
    return train, val


def _samples(spec: DigitsSpec, split: str, scans: Scans) -> Iterator[Sample]:
    count = spec.train if split == "train" else spec.val
    for index in range(count):
        rng = np.random.default_rng([spec.seed, 0 if split == "train" else 1, index])
        yield _compose(rng, spec.image_size, scans)


def _compose(rng: np.random.Generator, size: int, scans: Scans) -> Sample:
    """Return one image with digits that do not overlap."""
    canvas = Canvas(texture(rng, size))
    for _ in range(int(rng.integers(OBJECTS[0], OBJECTS[1] + 1))):
        digit = int(rng.integers(10))
        # log-uniform: as many small digits as large ones
        side = round(float(np.exp(rng.uniform(np.log(SMALLEST), np.log(min(LARGEST, size * 0.6))))))
        ink = scans[digit][int(rng.integers(len(scans[digit])))]
        paste(canvas, Glyph(enlarge(ink, side), label=digit), rng)
    return Sample(canvas.pixels, tuple(canvas.boxes), tuple(canvas.labels))


def enlarge(ink: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """Return the ink at `side` x `side` pixels, values in 0..1."""
    image = Image.fromarray(np.round(ink * 255).astype(np.uint8))
    larger = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
    return larger.astype(np.float32) / np.float32(255)
