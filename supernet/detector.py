"""`Detector`: backbone, neck supernet and head supernet, trained together and stored together."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from search_space.architecture import Architecture
from search_space.space import Space
from supernet.backbone import Backbone
from supernet.data.coco import Category
from supernet.detection.head import flatten
from supernet.errors import WeightMismatch
from supernet.supernet import Statistics, SuperNet
from supernet.tasks.detection import Detection
from supernet.training.spec import TrainingSpec, spec_from_record, spec_to_record

SCHEMA_VERSION = 1
WEIGHTS, CARD = "supernet.safetensors", "supernet.json"


@dataclass(frozen=True)
class DetectorStatistics:
    """Norm statistics of one architecture, of its neck and of its head."""

    neck: Statistics
    head: Statistics


class Detector(nn.Module):
    """A detector whose neck is any architecture of a space; which one is an argument of each call.

    Attributes:
        spec: what it is, or was, trained by.
        space: of the necks, its input channels those of the backbone.
        neck, head: their shared weights.
        categories: of the dataset, in the order of the class logits.
        image_size: height and width in pixels that images are letterboxed to.
    """

    def __init__(
        self, spec: TrainingSpec, categories: tuple[Category, ...], image_size: tuple[int, int]
    ) -> None:
        """Build with first weights drawn from torch's global random state."""
        super().__init__()
        self.spec, self.categories, self.image_size = spec, categories, image_size
        self.backbone = Backbone(spec.backbone, spec.levels)
        self.space = Space.load(space_record(spec.space, self.backbone.channels))
        self.task = Detection(len(categories), spec.task)
        cover = tuple(self.space.cover())
        self.neck = SuperNet(cover)
        self.head = self.task.heads(cover)

    def forward(
        self,
        features: Mapping[int, Tensor],
        architecture: Architecture,
        *,
        statistics: DetectorStatistics | None = None,
    ) -> Tensor:
        """Return `(B, N, classes + 4)` for the backbone's features, see `detection.head.flatten`."""
        neck = self.neck(features, architecture, statistics=statistics.neck if statistics else None)
        return self.predict(neck, architecture, statistics=statistics)

    def predict(
        self,
        neck_features: Mapping[int, Tensor],
        architecture: Architecture,
        *,
        statistics: DetectorStatistics | None = None,
    ) -> Tensor:
        """Return `(B, N, classes + 4)` for the neck's outputs."""
        head = self.task.head_of(architecture)
        outputs = self.head(neck_features, head, statistics=statistics.head if statistics else None)
        return flatten(outputs)

    @torch.no_grad()
    def calibrate(
        self, architecture: Architecture, batches: Iterable[Mapping[int, Tensor]]
    ) -> DetectorStatistics:
        """Return the norm statistics of `architecture` over batches of backbone features."""
        kept = list(batches)
        neck = self.neck.calibrate(architecture, kept)
        outputs = [self.neck(features, architecture, statistics=neck) for features in kept]
        return DetectorStatistics(neck, self.head.calibrate(self.task.head_of(architecture), outputs))

    def card(self) -> dict[str, object]:
        """Return what must be known to build this detector again, as JSON-ready values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "spec": spec_to_record(self.spec),
            "space": self.space.spec(),
            "categories": [{"id": c.id, "name": c.name} for c in self.categories],
            "image_size": list(self.image_size),
            "channels": {str(level): width for level, width in self.backbone.channels.items()},
        }


def space_record(record: Mapping[str, object], channels: Mapping[int, int]) -> dict[str, object]:
    """Return the space's record with the backbone's channels, unless it names its own."""
    own = {str(level): width for level, width in channels.items()}
    return {"channels": own, **record}


def load_detector(workdir: Path | str) -> Detector:
    """Return the trained detector of a work folder, in evaluation mode.

    Raises:
        WeightMismatch: there is none, or its files were written by a later version or do not fit each other.
    """
    folder = Path(workdir)
    if not (folder / CARD).is_file() or not (folder / WEIGHTS).is_file():
        raise WeightMismatch(
            f"{folder}: holds no trained supernet ({CARD} and {WEIGHTS}); finish its training"
        )
    card = json.loads((folder / CARD).read_text())
    if card["schema_version"] > SCHEMA_VERSION:
        raise WeightMismatch(
            f"{folder / CARD}: schema {card['schema_version']} is newer than {SCHEMA_VERSION}; "
            "upgrade neckline"
        )
    spec = spec_from_record({**card["spec"], "space": card["space"]}).without_pretrained()
    categories = tuple(Category(entry["id"], entry["name"]) for entry in card["categories"])
    detector = Detector(spec, categories, (card["image_size"][0], card["image_size"][1]))
    try:
        detector.load_state_dict(load_file(folder / WEIGHTS))
    except RuntimeError as error:
        raise WeightMismatch(f"{folder / WEIGHTS}: does not fit {CARD}: {error}") from error
    return detector.eval()
