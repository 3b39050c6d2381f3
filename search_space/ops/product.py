"""The element-wise product of all inputs."""

from dataclasses import dataclass
from typing import ClassVar

from search_space.fusion import ElementwiseFusion


@dataclass(frozen=True, kw_only=True)
class Product(ElementwiseFusion):
    """The element-wise product of all inputs."""

    kind: ClassVar[str] = "product"
