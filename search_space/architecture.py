"""`Architecture`: an immutable, self-validating graph of a feature-pyramid neck.

Inputs are feature maps of a backbone, one or more a level; level l of an H x W image has ceil(H / 2**l) rows.
Nodes are listed in topological order. A node's size is that of its level's own tensor: the level's input
where there is one, else the first node of the level. Nothing is ever resized by a scale factor.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

from search_space import ops
from search_space.canonical import canonical
from search_space.counting import input_shape, work
from search_space.errors import CyclicGraph, InvalidArchitecture, NewerSchema, WidthMismatch
from search_space.naming import check_name
from search_space.op import Op, Shape, Size

SCHEMA_VERSION = 1
MAX_LEVEL = 16
"""Highest level; at its stride of 65,536 pixels every image is one pixel."""
_NOMINAL = (640, 640)


@dataclass(frozen=True, slots=True)
class Input:
    """A feature map handed in: its name, level (stride 2**level) and channels."""

    id: str
    level: int
    channels: int


@dataclass(frozen=True, slots=True)
class Edge:
    """One input of a node: where it comes from and the operations on the way, in order."""

    source: str
    ops: tuple[Op, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """Edges in order, fused, then operations in order; the result has `width` channels at `level`.

    `fusion` may be None where there is one input only.
    """

    id: str
    level: int
    width: int
    inputs: tuple[Edge, ...]
    fusion: Op | None = None
    ops: tuple[Op, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One operation at work: where it stands, what it reads, what it makes."""

    path: str
    """`<node>.from_<source>.<kind>`, `<node>.<fusion kind>` or `<node>.<kind>`; numbered where it repeats."""
    node: Node
    op: Op
    inputs: tuple[Shape, ...]
    output: Shape


@dataclass(frozen=True)
class Architecture:
    """A neck as data. Equality of function is equality of `key`.

    Raises:
        InvalidArchitecture: the graph cannot be built; the message names node, level and channels.
    """

    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[int, str], ...]
    """(level, id of the node or input), by level."""

    def __post_init__(self) -> None:
        if isinstance(self.outputs, Mapping):
            object.__setattr__(self, "outputs", tuple(sorted(self.outputs.items())))
        _check_names(self)
        _check_order(self)
        _check_outputs(self)
        self.steps()  # infers every shape, which checks every width

    @classmethod
    def trusted(
        cls, inputs: tuple[Input, ...], nodes: tuple[Node, ...], outputs: tuple[tuple[int, str], ...]
    ) -> Self:
        """Return the graph without checking it; for builders that make valid graphs only, such as spaces."""
        made = object.__new__(cls)
        made.__dict__.update(inputs=inputs, nodes=nodes, outputs=outputs)
        return made

    @cached_property
    def key(self) -> str:
        """A digest equal for graphs that compute the same function by the same parameters."""
        return sha256(canonical(self).encode()).hexdigest()[:32]

    @cached_property
    def live(self) -> tuple[Node, ...]:
        """The nodes that some output depends on."""
        by_id = {node.id: node for node in self.nodes}
        wanted = [source for _, source in self.outputs]
        found: set[str] = set()
        while wanted:
            name = wanted.pop()
            if name in by_id and name not in found:
                found.add(name)
                wanted.extend(edge.source for edge in by_id[name].inputs)
        return tuple(node for node in self.nodes if node.id in found)

    @property
    def channels(self) -> dict[int, int]:
        """Input channels by level."""
        return {entry.level: entry.channels for entry in self.inputs}

    @property
    def export_safe(self) -> bool:
        """Whether every operation can be exported to ONNX."""
        return all(op.export_safe for _, op in _ops(self.live))

    def steps(self, image_size: Size = _NOMINAL) -> tuple[Step, ...]:
        """Return every operation of the live nodes in the order of execution, with its shapes."""
        return tuple(step for step, _ in _trace(self, image_size) if step is not None)

    def shapes(self, image_size: Size = _NOMINAL) -> dict[str, Shape]:
        """Return the shape of every input and live node for an image of height x width pixels."""
        shapes = {entry.id: input_shape(entry, image_size) for entry in self.inputs}
        for _, made in _trace(self, image_size):
            shapes.update(made)
        return shapes

    def output_shapes(self, image_size: Size = _NOMINAL) -> dict[int, Shape]:
        """Return the shape of each output level."""
        shapes = self.shapes(image_size)
        return {level: shapes[source] for level, source in self.outputs}

    def parameters(self) -> int:
        """Return the number of learnable numbers; tied ones count once."""
        own, shared = 0, dict[str, int]()
        for op, inputs, _ in work(self, _NOMINAL):
            if not op.share:
                own += op.parameters(inputs)
            elif op.share not in shared:
                shared[op.share] = op.parameters(inputs)
        return own + sum(shared.values())

    def macs(self, image_size: Size = _NOMINAL) -> int:
        """Return multiply-accumulates of convolutions and matrix products for one image."""
        return sum(op.macs(inputs, output) for op, inputs, output in work(self, image_size))

    def to_json(self) -> str:
        """Return the graph as JSON with a `schema_version`; equal graphs give equal text."""
        return json.dumps(_to_record(self), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Architecture":
        """Return the graph of `to_json`.

        Raises:
            NewerSchema: written by a later version.
            InvalidArchitecture: not an architecture.
        """
        try:
            record = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InvalidArchitecture(f"architecture: not JSON: {error}") from error
        return _from_record(record)


def _ops(nodes: Sequence[Node]) -> Iterator[tuple[Node, Op]]:
    for node in nodes:
        for edge in node.inputs:
            yield from ((node, op) for op in edge.ops)
        if node.fusion is not None:
            yield node, node.fusion
        yield from ((node, op) for op in node.ops)


def _trace(architecture: Architecture, image_size: Size) -> Iterator[tuple[Step | None, dict[str, Shape]]]:
    shapes = {entry.id: input_shape(entry, image_size) for entry in architecture.inputs}
    sizes: dict[int, Size] = {}
    for entry in architecture.inputs:
        sizes.setdefault(entry.level, shapes[entry.id].size)
    ties: dict[str, tuple[str, Mapping[str, tuple[int, ...]]]] = {}
    for node in architecture.live:
        steps: list[Step] = []
        shape = node_shape(node, shapes, sizes.get(node.level), steps)
        for step in steps:
            _check_tie(step, ties)
            yield step, {}
        if shape.channels != node.width:
            raise WidthMismatch(
                f"node '{node.id}' (level {node.level}): its operations make {shape.channels} channels, "
                f"but its width is {node.width}"
            )
        size = sizes.setdefault(node.level, shape.size)
        if shape.size not in (size, (1, 1)):
            raise InvalidArchitecture(
                f"node '{node.id}' (level {node.level}) makes {shape.height} x {shape.width} pixels of a "
                f"{image_size[0]} x {image_size[1]} image, but its level has {size[0]} x {size[1]}"
            )
        shapes[node.id] = shape
        yield None, {node.id: shape}


def node_shape(node: Node, shapes: Mapping[str, Shape], size: Size | None, steps: list[Step]) -> Shape:
    """Return the shape that a node makes of the `shapes` of its inputs; its operations are added to `steps`.

    Raises:
        InvalidArchitecture: an operation cannot take its input; the message names the node.
    """
    taken: dict[str, int] = {}

    def apply(prefix: str, op: Op, inputs: tuple[Shape, ...]) -> Shape:
        name = f"{prefix}.{op.kind}"
        taken[name] = count = taken.get(name, 0) + 1
        try:
            output = op.infer(inputs, size)
        except InvalidArchitecture as error:
            raise type(error)(f"node '{node.id}' (level {node.level}): {error}") from error
        if min(output) < 1:
            raise InvalidArchitecture(
                f"node '{node.id}' (level {node.level}): {op.kind} makes {output} of {list(inputs)}"
            )
        steps.append(Step(name if count == 1 else f"{name}_{count}", node, op, inputs, output))
        return output

    arrived: list[Shape] = []
    seen: dict[str, int] = {}
    for edge in node.inputs:
        shape = shapes[edge.source]
        seen[edge.source] = count = seen.get(edge.source, 0) + 1
        prefix = f"{node.id}.from_{edge.source}" + ("" if count == 1 else f"_{count}")
        for op in edge.ops:
            shape = apply(prefix, op, (shape,))
        size = size or shape.size
        arrived.append(shape)
    shape = arrived[0] if node.fusion is None else apply(node.id, node.fusion, tuple(arrived))
    for op in node.ops:
        shape = apply(node.id, op, (shape,))
    return shape


def _check_tie(step: Step, ties: dict[str, tuple[str, Mapping[str, tuple[int, ...]]]]) -> None:
    if step.op.share is None:
        return
    weights = {**step.op.weights(step.inputs), **step.op.buffers(step.inputs)}
    path, first = ties.setdefault(step.op.share, (step.path, weights))
    if first != weights:
        raise InvalidArchitecture(
            f"'{step.path}' and '{path}' share '{step.op.share}' but hold different tensors: "
            f"{weights} and {first}"
        )


def _check_names(architecture: Architecture) -> None:
    names = [entry.id for entry in architecture.inputs] + [node.id for node in architecture.nodes]
    for name in names:
        check_name(name)
    repeated = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()
    if repeated:
        raise InvalidArchitecture(f"two inputs or nodes are called {sorted(repeated)}")
    for entry in architecture.inputs:
        check_level(entry.id, entry.level, entry.channels)
    for node in architecture.nodes:
        check_level(node.id, node.level, node.width)
        _check_node(node)


def check_level(name: str, level: object, channels: object) -> None:
    """Raise `InvalidArchitecture` unless `level` and `channels` are whole numbers in their ranges."""
    if type(level) is not int or not 0 <= level <= MAX_LEVEL:
        raise InvalidArchitecture(f"'{name}': a level is 0 to {MAX_LEVEL}, got {level!r}")
    if type(channels) is not int or channels < 1:
        raise InvalidArchitecture(f"'{name}' (level {level}): {channels!r} is no number of channels")


def _check_node(node: Node) -> None:
    where = f"node '{node.id}' (level {node.level})"
    if not node.inputs:
        raise InvalidArchitecture(f"{where} has no inputs")
    if node.fusion is None and len(node.inputs) > 1:
        raise InvalidArchitecture(f"{where} has {len(node.inputs)} inputs and no fusion")
    if node.fusion is not None and not node.fusion.many:
        raise InvalidArchitecture(f"{where}: '{node.fusion.kind}' takes one input, so it is no fusion")
    single = [*node.ops, *(op for edge in node.inputs for op in edge.ops)]
    if any(op.many for op in single):
        raise InvalidArchitecture(f"{where}: a fusion can only stand as the node's fusion")


def _check_order(architecture: Architecture) -> None:
    known = {entry.id for entry in architecture.inputs}
    every = known | {node.id for node in architecture.nodes}
    for node in architecture.nodes:
        for edge in node.inputs:
            if edge.source not in every:
                raise InvalidArchitecture(
                    f"node '{node.id}' (level {node.level}) reads '{edge.source}', which no node offers"
                )
            if edge.source not in known:
                _refuse_order(architecture, node, edge.source)
        known.add(node.id)


def _refuse_order(architecture: Architecture, node: Node, source: str) -> None:
    by_id = {entry.id: entry for entry in architecture.nodes}
    waiting, reached = [source], set[str]()
    while waiting:
        name = waiting.pop()
        if name == node.id:
            raise CyclicGraph(f"'{node.id}' (level {node.level}) and '{source}' wait for one another")
        if name in by_id and name not in reached:
            reached.add(name)
            waiting.extend(edge.source for edge in by_id[name].inputs)
    raise InvalidArchitecture(f"node '{node.id}' (level {node.level}) is listed before its input '{source}'")


def _check_outputs(architecture: Architecture) -> None:
    levels = {entry.id: entry.level for entry in architecture.inputs}
    levels |= {node.id: node.level for node in architecture.nodes}
    if not architecture.outputs:
        raise InvalidArchitecture("an architecture needs at least one output")
    for level, source in architecture.outputs:
        if source not in levels:
            raise InvalidArchitecture(f"output level {level} names '{source}', which no node offers")
        if levels[source] != level:
            raise InvalidArchitecture(f"output level {level} names '{source}' of level {levels[source]}")


def _to_record(architecture: Architecture) -> dict[str, object]:
    return {
        "schema_version": SCHEMA_VERSION,
        "inputs": [{"id": i.id, "level": i.level, "channels": i.channels} for i in architecture.inputs],
        "nodes": [_node_record(node) for node in architecture.nodes],
        "outputs": {str(level): source for level, source in architecture.outputs},
    }


def _node_record(node: Node) -> dict[str, object]:
    record: dict[str, object] = {"id": node.id, "level": node.level, "width": node.width}
    record["inputs"] = [{"source": e.source, "ops": [op.to_record() for op in e.ops]} for e in node.inputs]
    record["fusion"] = node.fusion.to_record() if node.fusion else None
    record["ops"] = [op.to_record() for op in node.ops]
    return record


def _from_record(record: object) -> Architecture:
    if not isinstance(record, dict) or type(record.get("schema_version")) is not int:
        raise InvalidArchitecture("architecture: not an object with a schema_version")
    if record["schema_version"] > SCHEMA_VERSION:
        raise NewerSchema(
            f"architecture: schema {record['schema_version']} is newer than {SCHEMA_VERSION}, "
            "the newest that this version reads; upgrade neckline"
        )
    try:
        return Architecture(
            tuple(Input(**entry) for entry in record["inputs"]),
            tuple(_node_from(entry) for entry in record["nodes"]),
            tuple(sorted((_level(level), source) for level, source in record["outputs"].items())),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InvalidArchitecture(f"architecture: malformed record: {error!r}") from error


def _level(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LEVEL))):
        raise InvalidArchitecture(f"architecture: '{text}' is no level of an output")
    return int(text)


def _node_from(record: Mapping[str, Any]) -> Node:
    name, level, fusion = record["id"], record["level"], record["fusion"]
    try:
        return Node(
            id=name,
            level=level,
            width=record["width"],
            inputs=tuple(Edge(e["source"], tuple(map(ops.from_record, e["ops"]))) for e in record["inputs"]),
            fusion=None if fusion is None else ops.from_record(fusion),
            ops=tuple(map(ops.from_record, record["ops"])),
        )
    except InvalidArchitecture as error:
        raise type(error)(f"node '{name}' (level {level}): {error}") from error
