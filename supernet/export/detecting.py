"""What the written detector script is made of: real functions and classes, whose own text it carries.

They use torch and Pillow alone, and are formatted for 88 columns.
"""

from itertools import pairwise

import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional as F


def letterbox(image: Image.Image, size: tuple[int, int]) -> tuple[Tensor, float]:
    """Return `(1, 3, H, W)` in 0..1, padded right and below with grey, and the scale."""
    scale = min(size[0] / image.height, size[1] / image.width)
    width, height = (max(1, round(x * scale)) for x in (image.width, image.height))
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    pixels = flat.view(height, width, 3).permute(2, 0, 1).float() / 255
    margins = [0, size[1] - width, 0, size[0] - height]
    return F.pad(pixels, margins, value=128 / 255)[None], scale


def locations(outputs: dict[int, Tensor]) -> Tensor:
    """Return `(N, 3)`: x, y and stride, in pixels, of every output, level by level."""
    found = []
    for level, x in sorted(outputs.items()):
        rows, columns = (torch.arange(extent) for extent in x.shape[2:])
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        centres = (torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * 2**level
        strides = torch.full((len(centres), 1), 2.0**level)
        found.append(torch.cat([centres, strides], 1))
    return torch.cat(found)


def flatten(outputs: dict[int, Tensor]) -> Tensor:
    """Return `(B, N, classes + 4)`, level by level, row by row."""
    flat = [outputs[level].flatten(2).transpose(1, 2) for level in sorted(outputs)]
    return torch.cat(flat, 1)


def decode(
    outputs: dict[int, Tensor], least_score: float, candidates: int, overlap: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return boxes `(D, 4)` in pixels, scores and labels of the first image."""
    predicted = flatten(outputs)[0]
    classes = predicted.shape[1] - 4
    logits = predicted[:, :classes].flatten()
    best, position = logits.topk(min(candidates, logits.numel()))
    scores = best.sigmoid()
    position, scores = position[scores >= least_score], scores[scores >= least_score]
    location, labels = position // classes, position % classes
    points = locations(outputs)[location]
    distances = predicted[location, classes:].clamp(max=6.0).exp() * points[:, 2:]
    near, far = points[:, :2] - distances[:, :2], points[:, :2] + distances[:, 2:]
    boxes = torch.cat([near, far], 1)
    kept = apart(boxes, scores, labels, overlap)
    return boxes[kept], scores[kept], labels[kept]


def apart(boxes: Tensor, scores: Tensor, labels: Tensor, overlap: float) -> Tensor:
    """Return the boxes, best first, that no better one of their class overlaps."""
    order = scores.argsort(descending=True, stable=True)
    boxes, labels = boxes[order].double(), labels[order]
    low = torch.maximum(boxes[:, None, :2], boxes[:, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    close = shared > overlap * (areas[:, None] + areas - shared)
    close &= labels[:, None] == labels
    free = torch.ones(len(order), dtype=torch.bool)
    for index in range(len(order)):
        if free[index]:
            free[index + 1 :] &= ~close[index, index + 1 :]
    return order[free]


def draw(image: Image.Image, boxes: Tensor, texts: list[str]) -> Image.Image:
    """Return the image with boxes and texts drawn on it."""
    drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    for box, text in zip(boxes.tolist(), texts, strict=True):
        pen.rectangle(box, outline="red", width=2)
        pen.text((box[0] + 3, box[1] + 2), text, fill="red")
    return drawn


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, width, H, W)`."""
        return torch.relu(x + self.body(x))


def unit(channels: int, width: int) -> nn.Sequential:
    """Return a convolution of stride 2, normalisation and activation."""
    conv = nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


class Plain(nn.Module):
    """Five convolutions of stride 2, a residual block at strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 96, 128)
        self.down = nn.ModuleList(unit(a, b) for a, b in pairwise(widths))
        self.residual = nn.ModuleList(Residual(width) for width in widths[3:])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features at strides 8, 16 and 32."""
        found: list[Tensor] = []
        for index, down in enumerate(self.down):
            x = down(x)
            if index >= 2:
                x = self.residual[index - 2](x)
                found.append(x)
        return found
