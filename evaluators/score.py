"""`Score`: one number about an architecture, with its unit, its source and its error."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

Source = Literal[
    "measured", "predicted", "inherited", "adapted", "fine-tuned", "trained", "verified", "counted"
]
"""measured on a device; predicted by a fitted model; by inherited supernet weights; by inherited weights
adapted briefly; by fine-tuned or newly trained weights; by the weights of an earlier score, on every
validation image where that was on a part of them; counted exactly from the structure."""
CHECKED: tuple[Source, ...] = ("measured", "verified")
"""Sources of scores that are taken of a search's front at its end: they count before what was searched by."""


@dataclass(frozen=True, slots=True)
class Score:
    """One number about an architecture.

    Attributes:
        metric: its name, the unit as a suffix where it has one, such as `latency_ms`.
        value: finite.
        unit: `1` for a ratio.
        source: where it comes from; values of different sources are never compared silently.
        stderr: standard error in the same unit; None where there is none (counted) or it is not known.
        images: validation images that it was taken on; None where it does not come from images.
        of_images: how many of them there are.
    """

    metric: str
    value: float
    unit: str
    source: Source
    stderr: float | None = None
    images: int | None = None
    of_images: int | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"score '{self.metric}': the value must be finite, got {self.value}")
        if self.source not in get_args(Source):
            raise ValueError(
                f"score '{self.metric}': source '{self.source}' is not one of {get_args(Source)}"
            )
        if self.stderr is not None and not self.stderr >= 0:
            raise ValueError(
                f"score '{self.metric}': the standard error must not be negative, got {self.stderr}"
            )

    def to_record(self) -> dict[str, object]:
        """Return the score as JSON-ready values; those of images only where there are images."""
        return {name: x for name, x in asdict(self).items() if x is not None or name == "stderr"}

    @property
    def is_partial(self) -> bool:
        """Whether it was taken on a part of the validation images."""
        return self.images is not None and self.of_images is not None and self.images < self.of_images

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> "Score":
        """Return the score of `to_record`."""
        return cls(**record)  # type: ignore[arg-type]
