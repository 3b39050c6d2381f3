"""`TrainingSpec`: everything that determines a training."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from supernet.backbone import BackboneSpec
from supernet.data.augmentation import Augmentation
from supernet.tasks.detection import DetectionSpec
from supernet.training.errors import InvalidTraining

SCHEMA_VERSION = 1
DEMO_SPACE: Mapping[str, Any] = {
    "space": "fusion_grid",
    "stages": [1, 2],
    "paths": ["top_down", "bottom_up", "reverse", "parallel"],
    "fusions": ["sum", "fast"],
    "ops": ["dw3", "conv3"],
    "skips": ["none", "laterals"],
    "widths": [16, 32, 64],
}
DEMO_RULE: Mapping[str, float] = {"smallest": 0}
FROZEN: Mapping[str, Any] = {"rule": "single_path", "rule_options": {"candidates": 8}, "steps": 4800}
"""What trains on a kept backbone unless something else is asked for: the rule that ranks best for its time
(`benchmarks/ranking.py`), with as many architectures in all as 1,200 steps of four.
"""


@dataclass(frozen=True)
class TrainingSpec:
    """What is trained, on what, how and for how long. Round-trips through JSON.

    Attributes:
        dataset: folder with the splits train and val.
        space: record of the necks' space; its channels are the backbone's where it names none.
        backbone: which, from which weights, frozen or trained.
        levels: feature levels of the backbone (stride 2**level).
        rule: name of a file under `training/rules`.
        rule_options: by name, numbers that the rule knows.
        steps: optimizer steps.
        batch_size: images a step.
        subnets: architectures a step, where the rule draws several.
        learning_rate: peak, after the warm-up.
        final_rate: share of the peak at the end of the cosine.
        warmup: share of the steps in which the rate rises.
        weight_decay: of AdamW, for all tensors with two axes or more.
        clip: largest norm of the gradient.
        seed: of weights, order, augmentation and architectures.
        image_limit: longest side in pixels; None keeps the largest image's.
        augmentation: what is changed in training images.
        feature_copies: augmented copies of the features that a frozen backbone keeps; 0 runs it every step.
        checkpoint_every: steps between two checkpoints.
        event_every: steps between two events.
        device: `cpu`, or a CUDA device.
        precision: of the forward passes; float32 or, on a GPU, bfloat16.
        align_variance: AGVM's alignment of gradient variance between backbone, neck and head.
        task: options of the detection task.
        warm_start: folder of a trained supernet of a compatible space to begin from; None begins at random.
    """

    dataset: str
    space: Mapping[str, Any] = field(default_factory=lambda: {"space": "fusion_grid"})
    backbone: BackboneSpec = field(default_factory=BackboneSpec)
    levels: tuple[int, ...] = (3, 4, 5)
    rule: str = "sandwich"
    rule_options: Mapping[str, float] = field(default_factory=dict)
    steps: int = 1200
    batch_size: int = 16
    subnets: int = 4
    learning_rate: float = 4e-3
    final_rate: float = 0.01
    warmup: float = 0.1
    weight_decay: float = 0.02
    clip: float = 5.0
    seed: int = 0
    image_limit: int | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    feature_copies: int = 4
    checkpoint_every: int = 200
    event_every: int = 10
    device: str = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    align_variance: bool = False
    task: DetectionSpec = field(default_factory=DetectionSpec)
    warm_start: str | None = None

    def __post_init__(self) -> None:
        _require(self.steps > 0, f"steps is {self.steps}; train at least one")
        _require(self.batch_size > 1, f"batch_size is {self.batch_size}; batch norm needs two images or more")
        _require(self.subnets > 0, f"subnets is {self.subnets}; train at least one a step")
        _require(self.learning_rate > 0, f"learning_rate is {self.learning_rate}; it must be positive")
        _require(0 <= self.warmup < 1, f"warmup is {self.warmup}; it is a share of the steps, 0 to 1")
        _require(bool(self.levels), "levels is empty; name the backbone's levels, such as 3, 4, 5")
        _require(
            min(self.checkpoint_every, self.event_every) > 0, "checkpoint_every and event_every are positive"
        )

    @classmethod
    def demo(cls, dataset: str, *, space: Mapping[str, Any] | None = None, seed: int = 0) -> Self:
        """Return the training of the demo: the digits in about four minutes on two cores.

        On the 200 validation images of seed 0 the largest neck reached AP 0.66, the smallest 0.52, 24 random
        ones 0.49 to 0.63. With the smallest in every step it was over-rated (0.56) and random ones lost 0.02.
        """
        return cls(
            dataset, space=space or DEMO_SPACE, rule_options=DEMO_RULE, steps=900, subnets=4, seed=seed
        )

    def without_pretrained(self) -> Self:
        """Return the spec with a backbone that reads no file: its weights come with the checkpoint."""
        backbone = dataclasses.replace(self.backbone, pretrained_file=None, frozen=False)
        return dataclasses.replace(self, backbone=backbone)

    def to_json(self) -> str:
        """Return the spec as JSON with a `schema_version`."""
        return json.dumps(spec_to_record(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "TrainingSpec":
        """Return the spec of `to_json`.

        Raises:
            InvalidTraining: not a spec, or one of a later version.
        """
        return spec_from_record(json.loads(text))


def spec_to_record(spec: TrainingSpec) -> dict[str, Any]:
    """Return the spec as JSON-ready values."""
    record: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(spec)))
    return {"schema_version": SCHEMA_VERSION, **record}


def spec_from_record(record: Mapping[str, Any]) -> TrainingSpec:
    """Return the spec of `spec_to_record`.

    Raises:
        InvalidTraining: an option that does not exist, a wrong value, or a later version.
    """
    content = dict(record)
    version = content.pop("schema_version", SCHEMA_VERSION)
    _require(version <= SCHEMA_VERSION, f"schema {version} is newer than {SCHEMA_VERSION}; upgrade neckline")
    built: TrainingSpec = _build(TrainingSpec, content, "training")
    return built


def _build(kind: Any, value: Any, where: str) -> Any:
    """Return `value`, of JSON, as an object of the annotated `kind`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    if origin is UnionType:
        return None if value is None else _build(arguments[0], value, where)
    if origin is tuple:
        return tuple(_build(arguments[0], item, where) for item in value)
    if origin is Literal:
        _require(value in arguments, f"{where} is {value!r}, not one of {list(arguments)}")
        return value
    if origin is not None and arguments[0] is int:
        return {int(key): item for key, item in value.items()}
    return float(value) if kind is float else value


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    hints = get_type_hints(kind)
    known = {entry.name for entry in dataclasses.fields(kind)}
    _require(isinstance(value, Mapping), f"{where} is {value!r}, not an object with {sorted(known)}")
    unknown = sorted(set(value) - known)
    _require(not unknown, f"{where} has no option {unknown}; it takes {sorted(known)}")
    try:
        return kind(**{name: _build(hints[name], item, f"{where}.{name}") for name, item in value.items()})
    except (TypeError, AttributeError) as error:
        raise InvalidTraining(f"{where}: {error}") from error


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidTraining(message)
