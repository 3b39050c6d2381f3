"""The base of every operation: a frozen record of attributes with exact structural formulas.

An operation is pure data. `supernet/ops/<kind>.py` holds the module of the same name that runs it.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache, cached_property
from math import ceil, isfinite, prod
from types import UnionType
from typing import ClassVar, Literal, NamedTuple, Self, cast, get_args, get_origin, get_type_hints

from search_space.errors import InvalidArchitecture

Size = tuple[int, int]
"""Height and width in pixels."""


class Shape(NamedTuple):
    """Channels, height and width of one feature map, the batch left out."""

    channels: int
    height: int
    width: int

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return self.height, self.width

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.height * self.width


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operation: what it is called, what it holds, what it makes of its inputs.

    Attributes:
        share: two operations of one architecture with the same `share` are the same weights and count
            once; a supernet keeps one tensor for each `share`. Without one, the weights are the op's own.
    """

    kind: ClassVar[str]
    many: ClassVar[bool] = False
    """True for a fusion, which takes any number of inputs; others take exactly one."""
    export_safe: ClassVar[bool] = True
    """Whether ONNX and a runtime without custom operators can express it."""

    share: str | None = None

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the shape made of `inputs` at a node of `size` (None: the level has no size yet)."""
        return inputs[0]

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of each learnable tensor."""
        return {}

    def buffers(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of each tensor that is stored but not learned."""
        return {}

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return multiply-accumulates of convolutions and matrix products for one image."""
        return 0

    def parameters(self, inputs: Sequence[Shape]) -> int:
        """Return the number of learnable numbers."""
        return sum(prod(shape) for shape in self.weights(inputs).values())

    def to_record(self) -> dict[str, object]:
        """Return the op as JSON-ready values, every attribute explicit."""
        record = {"op": self.kind, **asdict(self)}
        if self.share is None:
            del record["share"]
        return record

    @cached_property
    def signature(self) -> str:
        """The kind and every attribute but `share`, as short text."""
        values = [str(value) for name, value in vars(self).items() if name != "share"]
        return f"{self.kind}({','.join(values)})"

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> Self:
        """Return the op of `to_record`.

        Raises:
            InvalidArchitecture: an attribute that this op does not have, or lacks.
        """
        known = {field.name for field in fields(cls)}
        given = {name: _frozen(value) for name, value in record.items() if name != "op"}
        unknown = set(given) - known
        if unknown:
            raise InvalidArchitecture(
                f"op '{cls.kind}' has no attribute {sorted(unknown)}; it takes {sorted(known)}"
            )
        hints = _hints(cast(Hashable, cls))
        for name, value in given.items():
            if not _fits(value, hints[name]):
                raise InvalidArchitecture(f"op '{cls.kind}': {value!r} is no {name}")
        try:
            return cls(**given)  # type: ignore[arg-type]
        except TypeError as error:
            raise InvalidArchitecture(f"op '{cls.kind}': {error}") from error


@cache
def _hints(cls: Hashable) -> Mapping[str, object]:
    return get_type_hints(cls)


def _fits(value: object, hint: object) -> bool:
    """Return whether a value of JSON is one of the attribute's type; whole numbers are below 2**31."""
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if isinstance(hint, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if hint in (int, float) and type(value) is int:
        return abs(value) < 2**31
    return type(value) is hint and (not isinstance(value, float) or isfinite(value))


def _frozen(value: object) -> object:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def require(condition: bool, message: str) -> None:
    """Raise `InvalidArchitecture(message)` unless `condition` holds."""
    if not condition:
        raise InvalidArchitecture(message)


def strided(extent: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return the extent after a window of `kernel` moved by `stride` over `extent + 2 * padding` pixels."""
    return (extent + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def ceil_div(extent: int, stride: int) -> int:
    """Return the extent after TensorFlow's SAME padding."""
    return ceil(extent / stride)
