"""Composing images: textures, and glyphs pasted where nothing is yet."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatImage = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

TRIES = 40
MARGIN = 2
LEAST_CONTRAST = 0.35
INK = 0.15
"""Coverage from which a pixel counts as part of the glyph."""


@dataclass
class Canvas:
    """An image in the making, (size, size, 3) in 0..1, with what was pasted on it."""

    image: FloatImage
    boxes: list[Box] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The image as (size, size, 3) uint8."""
        return np.round(np.clip(self.image, 0, 1) * 255).astype(np.uint8)

    def free(self, box: Box) -> bool:
        """Return whether `box` keeps its distance from every object."""
        return all(
            box[2] + MARGIN <= left
            or right + MARGIN <= box[0]
            or box[3] + MARGIN <= top
            or bottom + MARGIN <= box[1]
            for left, top, right, bottom in self.boxes
        )


@dataclass(frozen=True)
class Glyph:
    """A shape to paste: coverage in 0..1, (side, side), and the class of the object that it shows."""

    coverage: FloatImage
    label: int


def texture(rng: np.random.Generator, size: int) -> FloatImage:
    """Return smooth coloured noise of several scales, (size, size, 3), values around 0.5."""
    image = np.full((size, size, 3), 0.5, dtype=np.float32)
    image += rng.uniform(-0.2, 0.2, 3).astype(np.float32)
    for cells, strength in ((3, 0.10), (12, 0.05), (48, 0.02)):
        noise = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        image += _stretched(noise, size)
    return np.clip(image, 0, 1)


def _stretched(noise: FloatImage, size: int) -> FloatImage:
    channels = [
        np.asarray(Image.fromarray(noise[..., c]).resize((size, size), Image.Resampling.BICUBIC))
        for c in range(3)
    ]
    return np.stack(channels, axis=-1)


def extent(coverage: FloatImage) -> Box:
    """Return the tight box around the ink, in the glyph's own pixels."""
    rows, columns = np.flatnonzero((coverage > INK).any(1)), np.flatnonzero((coverage > INK).any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def paste(canvas: Canvas, glyph: Glyph, rng: np.random.Generator) -> bool:
    """Paste the glyph at a free place in a colour that stands out; return whether a place was found.

    The box recorded is tight around the ink.
    """
    side, size = len(glyph.coverage), len(canvas.image)
    left, top, right, bottom = extent(glyph.coverage)
    for _ in range(TRIES):
        x, y = (int(v) for v in rng.integers(0, size - side + 1, 2))
        box = (x + left, y + top, x + right, y + bottom)
        if canvas.free(box):
            blend(canvas, glyph.coverage, (x, y), rng)
            canvas.boxes.append(box)
            canvas.labels.append(glyph.label)
            return True
    return False


def blend(canvas: Canvas, coverage: FloatImage, place: tuple[int, int], rng: np.random.Generator) -> None:
    """Blend the coverage into the image at `place` (left, top)."""
    x, y = place
    side = len(coverage)
    patch = canvas.image[y : y + side, x : x + side]
    colour = contrasting(patch.mean((0, 1)), rng)
    patch += coverage[..., None] * (colour - patch)


def contrasting(background: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return a random colour whose brightness differs from the background's by `LEAST_CONTRAST` or more."""
    while True:
        colour = rng.uniform(0, 1, 3).astype(np.float32)
        if abs(float(colour.mean() - background.mean())) >= LEAST_CONTRAST:
            return colour
