"""The mean of all inputs."""

from dataclasses import dataclass
from typing import ClassVar

from search_space.fusion import ElementwiseFusion


@dataclass(frozen=True, kw_only=True)
class Mean(ElementwiseFusion):
    """The mean of all inputs."""

    kind: ClassVar[str] = "mean"
