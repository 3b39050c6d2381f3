"""`Fingerprint`: everything that changes what a measurement means."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from evaluators.latency.kernels import LOWERING_VERSION
from search_space.op import Size


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Everything that changes what a measurement means.

    Attributes:
        device: the plug-in's name.
        hardware: the processor's or accelerator's own name.
        runtime: what runs the neck, and `version` its version.
        threads: threads of one inference.
        precision: of weights and features.
        batch: images of one inference.
        image: height and width in pixels; a predictor holds for one image size.
        lowering: version of the kernel lists that the features come from.
    """

    device: str
    hardware: str
    runtime: str
    version: str
    threads: int
    precision: str
    batch: int
    image: Size
    lowering: int = LOWERING_VERSION

    @property
    def key(self) -> str:
        """A digest equal for measurements that may be put together."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> "Fingerprint":
        """Return the fingerprint whose fields a JSON mapping holds."""
        height, width = record["image"]
        return Fingerprint(**{**record, "image": (int(height), int(width))})

    def differences(self, other: "Fingerprint") -> dict[str, tuple[object, object]]:
        """Return what differs by name: (mine, other's)."""
        mine, theirs = asdict(self), asdict(other)
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}
