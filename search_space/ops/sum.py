"""The sum of all inputs."""

from dataclasses import dataclass
from typing import ClassVar

from search_space.fusion import ElementwiseFusion


@dataclass(frozen=True, kw_only=True)
class Sum(ElementwiseFusion):
    """The sum of all inputs."""

    kind: ClassVar[str] = "sum"
