"""Shared elastic weights: one tensor for each share, at its largest size, narrowed for each architecture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from search_space.architecture import Architecture, Step
from search_space.op import Op
from supernet.errors import UnknownWeights
from supernet.ops import runner

Segments = tuple[int, ...]
"""Widths of the tensors that a concatenation put side by side; one entry where there was none."""


def share_of(step: Step) -> str:
    """Return the name under which a supernet keeps the operation's tensors."""
    return (step.op.share or step.path).replace(".", "/")


@dataclass(frozen=True, slots=True)
class Need:
    """One tensor that an operation of an architecture needs.

    `parts` are the widths that a concatenation put side by side to make the operation's input.
    """

    path: str
    share: str
    op: Op
    name: str
    shape: tuple[int, ...]
    learned: bool
    parts: Segments


@lru_cache(maxsize=1024)
def needs(architecture: Architecture) -> tuple[Need, ...]:
    """Return every tensor that the live operations of `architecture` need, in the order of execution."""
    found: list[Need] = []
    parts: Segments = ()
    for step in architecture.steps():
        if step.op.kind == "concat":
            parts = tuple(shape.channels for shape in step.inputs)
        elif step.op.many or ".from_" in step.path or sum(parts) != step.inputs[0].channels:
            parts = ()
        learned = step.op.weights(step.inputs)
        for name, shape in {**learned, **step.op.buffers(step.inputs)}.items():
            found.append(Need(step.path, share_of(step), step.op, name, shape, name in learned, parts))
        if step.op.kind == "conv":
            parts = ()
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Extent:
    """The largest shape of a tensor over all architectures, and the largest segments of its input."""

    op: Op
    shape: tuple[int, ...]
    segments: Segments
    learned: bool


class SharedWeights(nn.Module):
    """The tensors of every operation of some architectures, each at its largest size.

    A smaller architecture uses the first channels of each tensor; behind a concatenation, the first
    channels of each part.
    """

    def __init__(self, cover: Iterable[Architecture]) -> None:
        """Hold what the architectures of `cover`, together, need at most."""
        super().__init__()
        self._extents: dict[tuple[str, str], _Extent] = {}
        for architecture in cover:
            self._grow(architecture)
        self.learned = nn.ParameterDict()
        for (share, name), extent in self._extents.items():
            tensor = torch.empty(extent.shape)
            with torch.no_grad():
                runner(extent.op.kind).initialise(extent.op, name, tensor)
            if extent.learned:
                self.learned[f"{share}:{name}"] = nn.Parameter(tensor)
            else:
                self.register_buffer(f"{share}:{name}", tensor)

    def _grow(self, architecture: Architecture) -> None:
        for need in needs(architecture):
            key = (need.share, need.name)
            mine = _Extent(need.op, need.shape, need.parts, need.learned)
            self._extents[key] = _larger(self._extents.get(key), mine)

    def view(self, architecture: Architecture) -> dict[str, dict[str, Tensor]]:
        """Return, by path and name, the tensors of `architecture`: views of the shared ones where possible.

        Raises:
            UnknownWeights: an operation or a width that the shared weights do not hold.
        """
        found: dict[str, dict[str, Tensor]] = {}
        for need in needs(architecture):
            found.setdefault(need.path, {})[need.name] = self._narrow(need)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors' names, `<share>:<tensor>`."""
        return tuple(f"{share}:{name}" for share, name in self._extents)

    @torch.no_grad()
    def take_over(self, other: "SharedWeights") -> list[str]:
        """Copy what `other` holds too, the channels that both have; return the names of these tensors."""
        taken: list[str] = []
        for key, mine in self._extents.items():
            theirs = other._extents.get(key)
            if theirs is None or not _alike(mine, theirs):
                continue
            name = f"{key[0]}:{key[1]}"
            full, source = self._full(name, mine), other._full(name, theirs)
            axis = _input_axis(mine.shape)
            for here, there, width in _common_parts(mine, theirs):
                target = full.narrow(axis, here, width) if width else full
                part = source.narrow(axis, there, width) if width else source
                common = tuple(slice(min(a, b)) for a, b in zip(target.shape, part.shape, strict=True))
                target[common].copy_(part[common])
            taken.append(name)
        return taken

    def _full(self, name: str, extent: _Extent) -> Tensor:
        return self.learned[name] if extent.learned else self.get_buffer(name)

    def _narrow(self, need: Need) -> Tensor:
        name = f"{need.share}:{need.name}"
        extent = self._extents.get((need.share, need.name))
        if extent is None or not _fits(need.shape, extent.shape):
            raise UnknownWeights(
                f"'{need.path}' wants '{name}' of shape {need.shape}, the supernet holds "
                f"{extent.shape if extent else 'no such tensor'}; is the architecture of its space?"
            )
        full = self._full(name, extent)
        return narrow(full, need.shape, need.parts, extent.segments)


def _alike(mine: _Extent, theirs: _Extent) -> bool:
    """Whether two tensors of one name are of one operation, but perhaps of other widths."""
    kernels = mine.shape[2:] == theirs.shape[2:]
    return mine.learned == theirs.learned and len(mine.shape) == len(theirs.shape) and kernels


def _common_parts(mine: _Extent, theirs: _Extent) -> list[tuple[int, int, int]]:
    """Return (start here, start there, width) of each part of the input that both hold; width 0 is all."""
    ours, other = _segments(mine), _segments(theirs)
    if not ours and not other:
        return [(0, 0, 0)]
    ours = ours or (mine.shape[_input_axis(mine.shape)],)
    other = other or (theirs.shape[_input_axis(theirs.shape)],)
    starts = [(sum(ours[:i]), sum(other[:i])) for i in range(min(len(ours), len(other)))]
    widths = [min(a, b) for a, b in zip(ours, other, strict=False)]
    return [(*start, width) for start, width in zip(starts, widths, strict=True) if width]


def _segments(extent: _Extent) -> Segments:
    """Return the parts of the tensor's input, none where the tensor does not lie along them."""
    along = sum(extent.segments) == extent.shape[_input_axis(extent.shape)]
    return extent.segments if along else ()


def _input_axis(shape: Sequence[int]) -> int:
    return 1 if len(shape) > 1 else 0


def _fits(shape: Sequence[int], full: Sequence[int]) -> bool:
    return len(shape) == len(full) and all(a <= b for a, b in zip(shape, full, strict=True))


def _larger(old: _Extent | None, new: _Extent) -> _Extent:
    if old is None:
        return new
    shape = tuple(map(max, old.shape, new.shape))
    length = max(len(old.segments), len(new.segments))
    pad = [part.segments + (0,) * (length - len(part.segments)) for part in (old, new)]
    return _Extent(old.op, shape, tuple(map(max, *pad)) if length else (), old.learned)


def narrow(full: Tensor, shape: Sequence[int], parts: Segments = (), full_parts: Segments = ()) -> Tensor:
    """Return the leading part of `full` that has `shape`.

    Where the input channels are a concatenation, `parts` are its widths and `full_parts` the largest ones,
    and the leading channels of each part are taken.
    """
    if tuple(full.shape) == tuple(shape):
        return full
    axis = 1 if len(shape) > 1 else 0
    if not parts or sum(parts) != shape[axis]:
        return full[tuple(slice(extent) for extent in shape)]
    starts = [sum(full_parts[:index]) for index in range(len(parts))]
    pieces = [full.narrow(axis, start, width) for start, width in zip(starts, parts, strict=True)]
    return torch.cat(pieces, axis)[tuple(slice(extent) for extent in shape)]
