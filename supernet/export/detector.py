"""A whole detector to take home: `backbone.py`, `head.py`, `detect.py` and `detector.safetensors`.

`write_bundle(folder, parts.neck, card=card, detector=parts)` adds them, where `parts` is
`detector_parts(detector, architecture, statistics)` of a `supernet.detector.Detector`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from search_space.architecture import Architecture
from search_space.op import Size
from supernet.backbone import Backbone
from supernet.detection.decoding import DecodingSpec
from supernet.detector import Detector, DetectorStatistics
from supernet.export import detecting, source
from supernet.export.bare import BareProcess
from supernet.export.expression import quoted
from supernet.export.printing import helper_source
from supernet.export.safetensors import dump
from supernet.export.source_ops import Helper
from supernet.export.verify import Check, exact
from supernet.subnet import Subnet

REFERENCE = "detector_reference.safetensors"


@dataclass(frozen=True)
class DetectorParts:
    """A finished detector.

    Attributes:
        categories: names, in the order of the class logits.
        image_size: height and width in pixels that images are letterboxed to.
    """

    backbone: Backbone
    neck: Subnet
    head: Subnet
    categories: tuple[str, ...]
    image_size: Size
    decoding: DecodingSpec

    @torch.no_grad()
    def predict(self, images: Tensor) -> dict[int, Tensor]:
        """Return the head's outputs by level for `(B, 3, H, W)` in 0..1."""
        return self.head(self.neck(self.backbone(images)))


def detector_parts(
    detector: Detector, architecture: Architecture, statistics: DetectorStatistics
) -> DetectorParts:
    """Return the detector with one architecture as its neck, all in evaluation mode."""
    head = detector.head.extract(detector.task.head_of(architecture), statistics=statistics.head)
    return parts_with(detector, detector.neck.extract(architecture, statistics=statistics.neck), head)


def parts_with(detector: Detector, neck: Subnet, head: Subnet) -> DetectorParts:
    """Return the detector with a neck and a head of their own, all in evaluation mode."""
    return DetectorParts(
        backbone=detector.backbone.eval(),
        neck=neck,
        head=head,
        categories=tuple(category.name for category in detector.categories),
        image_size=detector.image_size,
        decoding=detector.task.spec.decoding,
    )


def detector_files(parts: DetectorParts) -> dict[str, bytes]:
    """Return the files by name; they belong beside the neck's own.

    Raises:
        ExportError: an operation cannot be written as source.
    """
    tensors = {f"backbone.{name}": x for name, x in parts.backbone.state_dict().items()}
    for name, subnet in (("neck", parts.neck), ("head", parts.head)):
        tensors |= {f"{name}.{key}": x for key, x in source.renamed(subnet, subnet.architecture).items()}
    head = source.generate(parts.head.architecture, title="The detection head.", name="Head")
    return {
        "backbone.py": backbone_source(parts.backbone).encode(),
        "head.py": head.encode(),
        "detect.py": script(parts).encode(),
        "detector.safetensors": dump(tensors, {"format": "pt"}),
    }


def backbone_source(backbone: Backbone) -> str:
    """Return `backbone.py`, which needs torch, and timm where the backbone is timm's."""
    plain = backbone.spec.name == "plain"
    mean, std = (tuple(float(str(x)) for x in t.flatten().numpy()) for t in (backbone.mean, backbone.std))
    maps = ", ".join(f"{level}: maps[{position}]" for level, (position, _) in backbone._taken.items())
    model = "Plain()" if plain else _timm_model(backbone.spec.name)
    text = _BACKBONE.format(model=model, mean=mean, std=std, maps=maps)
    if not plain:
        return "\n\n\n".join([_BACKBONE_HEAD.format(standard="", timm="import timm\n"), text])
    head = _BACKBONE_HEAD.format(standard="from itertools import pairwise\n\n", timm="")
    parts: tuple[Helper, ...] = (detecting.Residual, detecting.unit, detecting.Plain)
    return "\n\n\n".join([head, *map(helper_source, parts), text])


def _timm_model(name: str) -> str:
    return f"timm.create_model({json.dumps(name)}, features_only=True)"


def script(parts: DetectorParts) -> str:
    """Return `detect.py`: runs the detector on an image and draws what it found."""
    functions: tuple[Helper, ...] = (
        detecting.letterbox,
        detecting.flatten,
        detecting.locations,
        detecting.decode,
        detecting.apart,
        detecting.draw,
    )
    names = _tuple([quoted(name) for name in parts.categories])
    head = _SCRIPT_HEAD.format(
        categories=names,
        size=parts.image_size,
        candidates=parts.decoding.candidates,
        overlap=parts.decoding.overlap,
    )
    return "\n\n\n".join([head.strip(), *map(helper_source, functions), _SCRIPT])


def _tuple(items: Sequence[str]) -> str:
    line = f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if len(f"CATEGORIES = {line}") <= 88:
        return line
    return "(\n" + "".join(f"    {item},\n" for item in items) + ")"


def write_reference(folder: Path, parts: DetectorParts) -> Path:
    """Write the outputs for a random image, which the written detector must give too; return the file."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(1, 3, *parts.image_size, generator=generator)
    outputs = {f"output.{level}": x for level, x in parts.predict(images).items()}
    (folder / REFERENCE).write_bytes(dump({"images": images, **outputs}))
    return folder / REFERENCE


def check_detector(folder: Path, parts: DetectorParts) -> list[Check]:
    """Return the checks of the written detector in a process of its own: bit-equal to this one.

    Raises:
        FailedCheck: the files do not run.
    """
    reference = write_reference(folder, parts)
    with BareProcess() as bare:
        bare.send([("detector", folder)])
        (answer,) = bare.answers()
    reference.unlink()
    return exact("detect.py", answer)


_BACKBONE_HEAD = '''\
"""The backbone: images to feature maps by level, in plain PyTorch."""

{standard}{timm}import torch
from torch import Tensor, nn'''

_BACKBONE = '''\
class Backbone(nn.Module):
    """Images in 0..1 to features by level; normalises its input itself."""

    def __init__(self) -> None:
        super().__init__()
        self.model = {model}
        mean, std = torch.tensor({mean}), torch.tensor({std})
        self.register_buffer("mean", mean.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", std.view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Return `(B, C, H / 2**level, W / 2**level)` by level."""
        maps = self.model((images - self.mean) / self.std)
        return {{{maps}}}
'''

_SCRIPT_HEAD = '''
"""Runs the whole detector on an image and draws what it found.

    python detect.py image.jpg --output found.png --score 0.3

Needs torch and Pillow (timm too where backbone.py does), and the files beside it:
backbone.py, neck.py, head.py and detector.safetensors.
"""

import argparse
from pathlib import Path

import torch
from backbone import Backbone
from head import Head
from neck import Neck, read_safetensors
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional as F

CATEGORIES = {categories}
IMAGE_SIZE = {size}  # height and width, pixels
CANDIDATES = {candidates}  # best scores that are looked at
OVERLAP = {overlap}  # IoU from which the lower score of a class is dropped
'''

_SCRIPT = '''\
class Detector(nn.Module):
    """Images to the head's outputs by level: class logits, then log distances."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = Neck()
        self.head = Head()

    @classmethod
    def from_safetensors(cls, path: str | Path) -> "Detector":
        """Return the detector in evaluation mode."""
        detector = cls()
        detector.load_state_dict(read_safetensors(path))
        return detector.eval()

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Return `(B, classes + 4, H / 2**level, W / 2**level)` by level."""
        return self.head(self.neck(self.backbone(images)))


def main() -> None:
    """Read an image, run the detector, print and draw the boxes."""
    parser = argparse.ArgumentParser(description="Detect objects in an image.")
    parser.add_argument("image", type=Path)
    parser.add_argument("--output", type=Path, default=Path("found.png"))
    parser.add_argument("--score", type=float, default=0.3, help="least score")
    options = parser.parse_args()
    weights = Path(__file__).with_name("detector.safetensors")
    detector = Detector.from_safetensors(weights)
    image = Image.open(options.image).convert("RGB")
    pixels, scale = letterbox(image, IMAGE_SIZE)
    with torch.no_grad():
        outputs = detector(pixels)
    boxes, scores, labels = decode(outputs, options.score, CANDIDATES, OVERLAP)
    boxes = boxes / scale
    texts = [f"{CATEGORIES[k]} {s:.2f}" for k, s in zip(labels, scores, strict=True)]
    for text, box in zip(texts, boxes.tolist(), strict=True):
        print(text, [round(x) for x in box])
    draw(image, boxes, texts).save(options.output)
    print(f"{len(boxes)} found, drawn on {options.output}")


if __name__ == "__main__":
    main()
'''
