"""A backbone pretrained elsewhere: as a classifier of single digits, without boxes, necks or detection.

It stands for the weights that people download: good features of another task on other images. It is trained
on pictures of one digit each, of any size anywhere, made from the scans that detection trains on, and its
last feature map is averaged over the picture, so nothing asks its finer levels for classes or positions.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from supernet.backbone import Backbone, BackboneSpec
from supernet.data.canvas import Canvas, Glyph, paste, texture
from supernet.data.digits import LARGEST, SMALLEST, Scans, enlarge, source_digits
from supernet.training.schedule import build_optimizer, learning_rate
from supernet.training.spec import TrainingSpec

LEVELS = (3, 4, 5)
PICTURE = 80
"""Side of a picture, pixels."""


@dataclass(frozen=True)
class Pretraining:
    """How the classifier is trained.

    Attributes:
        steps: optimizer steps.
        batch_size: pictures a step.
        seed: of weights and pictures.
        data_seed: of the split of the scans; those of validation are never seen.
    """

    steps: int = 400
    batch_size: int = 32
    seed: int = 0
    data_seed: int = 0


def pretrain(file: Path, spec: Pretraining) -> float:
    """Write the weights of a pretrained `plain` backbone; return its accuracy over the last tenth."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        backbone = Backbone(BackboneSpec(), LEVELS)
        classifier = nn.Linear(backbone.channels[LEVELS[-1]], 10)
    scans, _ = source_digits(spec.data_seed)
    schedule = TrainingSpec("", steps=spec.steps, learning_rate=2e-3)
    optimizer = build_optimizer(nn.ModuleList([backbone, classifier]), schedule)
    right: list[float] = []
    for step in range(spec.steps):
        images, labels = pictures(np.random.default_rng([spec.seed, 71, step]), scans, spec.batch_size)
        scores: Tensor = classifier(backbone(images)[LEVELS[-1]].mean((2, 3)))
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(scores, labels).backward()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(schedule, step)
        optimizer.step()
        right.append(float((scores.argmax(1) == labels).float().mean()))
    weights = {name: t.detach().contiguous() for name, t in backbone.model.state_dict().items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, file)
    return float(np.mean(right[-max(1, spec.steps // 10) :]))


def pictures(rng: np.random.Generator, scans: Scans, count: int) -> tuple[Tensor, Tensor]:
    """Return pictures of one digit, `(count, 3, PICTURE, PICTURE)` in 0..1, and the digits, `(count,)`."""
    made: list[Tensor] = []
    labels: list[int] = []
    while len(made) < count:
        canvas, digit = Canvas(texture(rng, PICTURE)), int(rng.integers(10))
        side = round(float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))))
        ink = scans[digit][int(rng.integers(len(scans[digit])))]
        paste(canvas, Glyph(enlarge(ink, side), label=digit), rng)
        made.append(torch.from_numpy(canvas.pixels).permute(2, 0, 1).float() / 255)
        labels.append(digit)
    return torch.stack(made).contiguous(memory_format=torch.channels_last), torch.tensor(labels)
