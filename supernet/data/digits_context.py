"""Digits whose class lies elsewhere: a dataset that cannot be read from one level alone.

Each image holds one large outline, a circle or a square, with small handwritten digits near its centre and
one tiny mark near its inner edge. A digit's class is the digit and the outline around it, which lies beyond
the reach of a fine level (top-down); the outline's class is the mark, which is lost on a coarse one
(bottom-up). The same images can be labelled by their parts instead, each digit, outline and mark for itself:
what a backbone may know that has never seen which depends on which.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from supernet.data.canvas import Box, Canvas, FloatImage, Glyph, blend, extent, texture
from supernet.data.digits import Scans, enlarge, source_digits
from supernet.data.writing import Sample, reuse, write_dataset

Outline = Literal["circle", "square"]
OUTLINES: tuple[Outline, ...] = ("circle", "square")
MARKS = ("dot", "bar", "cross")
DIGITS = 5
NAMES = (
    *(f"{digit} in {outline}" for outline in OUTLINES for digit in range(DIGITS)),
    *(f"{mark} inside" for mark in MARKS),
)

PARTS = (*(str(digit) for digit in range(DIGITS)), *OUTLINES, *MARKS)
"""Names of what is in an image, each for itself."""

OUTLINE_SHARE = (0.86, 0.97)
"""Side of the outline, as a share of the image's."""
MARKS_AWAY, DIGITS_AWAY = (0.28, 0.34), (0.0, 0.11)
"""From the outline's centre, shares of its side: as far from what they decide, or are decided by, as fits."""
DIGIT_SIDES = (14, 22)
MARK_SIDE = 7
STROKE = 3
TRIES = 60
OVERSAMPLING = 4


@dataclass(frozen=True)
class DigitsContextSpec:
    """What determines the dataset, to the pixel; see `digits.DigitsSpec`.

    `layout` says where things lie: since 2 digits and marks are as far from the outline as they can be.
    """

    seed: int = 0
    train: int = 1024
    val: int = 200
    image_size: int = 128
    generator: str = "digits-context"
    layout: int = 2


def make_digits_context(
    root: Path | str, *, seed: int = 0, train: int = 1024, val: int = 200, image_size: int = 128
) -> Path:
    """Return `root` after writing the dataset there; one that is already there is kept.

    Raises:
        FolderInUse: `root` holds something else.
    """
    spec = DigitsContextSpec(seed=seed, train=train, val=val, image_size=image_size)
    return _write(Path(root), spec, NAMES)


def make_digits_parts(
    root: Path | str, *, seed: int = 0, train: int = 1024, val: int = 200, image_size: int = 128
) -> Path:
    """Return `root` after writing images of the same kind there, labelled by their `PARTS`.

    Raises:
        FolderInUse: `root` holds something else.
    """
    spec = DigitsContextSpec(seed, train, val, image_size, generator="digits-parts")
    return _write(Path(root), spec, PARTS)


def _write(root: Path, spec: DigitsContextSpec, names: tuple[str, ...]) -> Path:
    if reuse(root, asdict(spec)):
        return root
    sources = dict(zip(("train", "val"), source_digits(spec.seed), strict=True))
    splits = {split: _samples(spec, split, scans) for split, scans in sources.items()}
    return write_dataset(root, splits, names=names, made_from=asdict(spec))


def _samples(spec: DigitsContextSpec, split: str, scans: Scans) -> Iterator[Sample]:
    parts = spec.generator == "digits-parts"
    kind = (2 if split == "train" else 3) + 10 * parts
    for index in range(spec.train if split == "train" else spec.val):
        rng = np.random.default_rng([spec.seed, kind, index])
        yield compose(rng, spec.image_size, scans, parts=parts)


def compose(rng: np.random.Generator, size: int, scans: Scans, *, parts: bool = False) -> Sample:
    """Return an image of an outline, a mark and one to three digits, labelled by `NAMES` or its `parts`."""
    canvas = Canvas(texture(rng, size))
    outline, mark = int(rng.integers(len(OUTLINES))), int(rng.integers(len(MARKS)))
    side = round(size * float(rng.uniform(*OUTLINE_SHARE)))
    left, top = (int(v) for v in rng.integers(0, size - side + 1, 2))
    blend(canvas, draw_outline(OUTLINES[outline], side), (left, top), rng)
    of_mark = DIGITS + len(OUTLINES) + mark if parts else -1
    _inside(canvas, rng, (left, top, side), Glyph(draw_mark(MARKS[mark]), of_mark), away=MARKS_AWAY)
    for _ in range(int(rng.integers(1, 4))):
        digit = int(rng.integers(DIGITS))
        ink = scans[digit][int(rng.integers(len(scans[digit])))]
        label = digit if parts else outline * DIGITS + digit
        glyph = Glyph(enlarge(ink, int(rng.integers(*DIGIT_SIDES))), label)
        _inside(canvas, rng, (left, top, side), glyph, away=DIGITS_AWAY)
    objects = [(b, n) for b, n in zip(canvas.boxes, canvas.labels, strict=True) if n >= 0]
    whole = DIGITS + outline if parts else len(OUTLINES) * DIGITS + mark
    objects.append(((left, top, left + side, top + side), whole))
    return Sample(canvas.pixels, tuple(box for box, _ in objects), tuple(label for _, label in objects))


def _inside(
    canvas: Canvas,
    rng: np.random.Generator,
    place: tuple[int, int, int],
    glyph: Glyph,
    *,
    away: tuple[float, float],
) -> None:
    """Paste the glyph where it is free, between two distances (shares of the side) from the centre."""
    left, top, side = place
    half = len(glyph.coverage) / 2
    for _ in range(TRIES):
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(*away) * side
        x = round(left + side / 2 + radius * float(np.cos(angle)) - half)
        y = round(top + side / 2 + radius * float(np.sin(angle)) - half)
        a, b, c, d = extent(glyph.coverage)
        box: Box = (x + a, y + b, x + c, y + d)
        if canvas.free(box):
            blend(canvas, glyph.coverage, (x, y), rng)
            canvas.boxes.append(box)
            canvas.labels.append(glyph.label)
            return


def draw_outline(form: Outline, side: int) -> FloatImage:
    """Return the coverage of an outline that fills `side` x `side` pixels."""
    return _drawn(side, lambda pen, edge, width: _outline(pen, form, edge, width))


def _outline(pen: ImageDraw.ImageDraw, form: Outline, edge: int, width: int) -> None:
    shape = pen.ellipse if form == "circle" else pen.rectangle
    shape((0, 0, edge, edge), outline=255, width=STROKE * width)


def draw_mark(form: str) -> FloatImage:
    """Return the coverage of a mark of `MARK_SIDE` pixels."""
    return _drawn(MARK_SIDE, lambda pen, edge, width: _mark(pen, form, edge, width))


def _mark(pen: ImageDraw.ImageDraw, form: str, edge: int, width: int) -> None:
    if form == "dot":
        pen.ellipse((width, width, edge - width, edge - width), fill=255)
    middle = edge / 2
    if form in ("bar", "cross"):
        pen.line((0, middle, edge, middle), fill=255, width=2 * width)
    if form == "cross":
        pen.line((middle, 0, middle, edge), fill=255, width=2 * width)


def _drawn(side: int, draw: Callable[[ImageDraw.ImageDraw, int, int], None]) -> npt.NDArray[np.float32]:
    large = Image.new("L", (side * OVERSAMPLING, side * OVERSAMPLING))
    draw(ImageDraw.Draw(large), side * OVERSAMPLING - 1, OVERSAMPLING)
    small = np.asarray(large.resize((side, side), Image.Resampling.BOX))
    return small.astype(np.float32) / np.float32(255)
