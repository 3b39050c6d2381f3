"""NAS-FPN: seven searched merging cells, stacked (Ghiasi et al. 2019).

Two versions that differ in gate, padding and extra levels: `@tf` (the paper's) and `@mmdet` (the default).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, acts, norms
from search_space.op import Op
from search_space.ops.conv import Conv
from search_space.ops.gate import Gate
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize

VARIANTS: Mapping[str, Mapping[str, object]] = {"tf": {"style": "tf"}, "mmdet": {"style": "mmdet"}}


@dataclass(frozen=True, slots=True)
class Cell:
    """One merging cell: the offset of its level, its fusion, and the features it joins by index."""

    level: int
    fusion: Literal["gp", "sum"]
    first: int
    second: int
    third: int | None = None


CELLS = (
    Cell(1, "gp", 1, 3),
    Cell(1, "sum", 1, 5),
    Cell(0, "sum", 0, 6),
    Cell(1, "sum", 6, 7),
    Cell(2, "gp", 7, 8, third=2),
    Cell(4, "gp", 6, 9, third=4),
    Cell(3, "gp", 9, 10),
)
"""Features 0 to 4 are P3 to P7, 5 the first cell's, and so on; `third` is added before the convolution."""


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    style: Literal["mmdet", "tf"] = "mmdet",
    width: int = 256,
    repeats: int = 7,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return a NAS-FPN of five levels.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest level, five in all; None takes the backbone's lowest and four above.
        style: which of the two versions.
        width: channels of every node.
        repeats: stacks of the seven cells.
        norm: after every convolution; a mere name gets the version's eps.
        act: before every convolution of a cell.
    """
    if style not in ("mmdet", "tf"):
        raise InvalidArchitecture(f"unknown style '{style}'; known: mmdet, tf")
    lowest = min(channels, default=0)
    own, above = split_levels(channels, levels or (lowest, lowest + 4))
    if len(own) + len(above) != 5:
        raise InvalidArchitecture(f"nas_fpn has five levels, got {[*own, *above]}")
    made_norm = norms(norm, eps=1e-3, momentum=0.01) if style == "tf" else norms(norm)
    layers = _Layers(width, style, made_norm, acts(act))
    draft = Draft(channels)
    current = {
        level: draft.node(f"lateral{level}", level, draft.feature(level), ops=layers.lateral) for level in own
    }
    for level in above:
        reduce = layers.lateral if style == "mmdet" else ()
        current[level] = draft.node(f"lateral{level}", level, current[level - 1], ops=(*reduce, layers.halve))
    for index in range(repeats):
        current = _stack(draft, layers, f"stack{index}", current)
    return draft.finish(current)


@dataclass(frozen=True, slots=True)
class _Layers:
    width: int
    style: str
    norm: tuple[Op, ...]
    act: tuple[Op, ...]

    @property
    def lateral(self) -> tuple[Op, ...]:
        return (Conv(width=self.width, kernel=1, bias=not self.norm), *self.norm)

    @property
    def halve(self) -> Pool:
        return Pool(kernel=2, stride=2, padding="same")

    @property
    def node(self) -> tuple[Op, ...]:
        padding: Literal["same", "zeros"] = "same" if self.style == "tf" else "zeros"
        return (*self.act, Conv(width=self.width, padding=padding), *self.norm)

    def resample(self, source: int, target: int) -> tuple[Op, ...]:
        if source > target:
            return (Resize(mode="nearest"),)
        if source == target:
            return ()
        factor = 2 ** (target - source)
        return (Pool(kernel=factor, stride=factor, padding="same" if self.style == "tf" else "same_zeros"),)


def _stack(draft: Draft, layers: _Layers, stack: str, given: Mapping[int, str]) -> dict[int, str]:
    base = min(given)
    features = [(level, given[level]) for level in sorted(given)]
    for index, cell in enumerate(CELLS):
        level = base + cell.level
        joined = (features[cell.first], features[cell.second])
        edges = [Edge(name, layers.resample(source, level)) for source, name in joined]
        name = f"{stack}_cell{index}"
        features.append((level, _join(draft, layers, name, level, edges, cell, features)))
    return {level: name for level, name in features[5:] if name == _last(features, level)}


def _join(
    draft: Draft,
    layers: _Layers,
    name: str,
    level: int,
    edges: list[Edge],
    cell: Cell,
    features: Sequence[tuple[int, str]],
) -> str:
    if cell.fusion == "sum":
        return draft.node(name, level, *edges, ops=layers.node)
    # The second input is the coarse one. TensorFlow's gate looks at it, the other version's at the fine one.
    gate = Gate(form="max") if layers.style == "tf" else Gate(form="avg")
    ordered = edges[::-1] if layers.style == "tf" else edges
    if cell.third is None:
        return draft.node(name, level, *ordered, fusion=gate, ops=layers.node)
    joined = draft.node(f"{name}_gate", level, *ordered, fusion=gate)
    return draft.node(name, level, joined, features[cell.third][1], ops=layers.node)


def _last(features: Sequence[tuple[int, str]], level: int) -> str:
    return [name for found, name in features if found == level][-1]
