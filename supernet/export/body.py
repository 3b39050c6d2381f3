"""The members and statements of one class: nodes of an architecture as modules and the calls between them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from search_space.architecture import Architecture, Step
from supernet.export import naming, source_ops
from supernet.export.expression import LINE_LENGTH, Argument, Call, Name, Value, call, text
from supernet.export.runs import NodeRuns, Run
from supernet.export.source_ops import Layer

PROBES = ((640, 640), (333, 251), (97, 131), (65, 33))
"""Image sizes at which two tensors of one level are compared before one may stand for the other's size."""
_STATEMENT_INDENT = 8
UNKNOWN = Name("?")
"""Stands for the size of a level of which no tensor is at hand: the body cannot be written like this."""


@dataclass(frozen=True)
class Member:
    """An attribute of a module: its name, its constructor, and where it keeps which operation's tensors."""

    name: str
    call: Call
    places: Mapping[str, str]
    """By path of the operation and tensor, `<path>.<tensor>`: the name in the written module's state dict."""


@dataclass(frozen=True)
class Statement:
    """`targets = value`."""

    targets: tuple[str, ...]
    value: Value


@dataclass
class Body:
    """What a class holds and does."""

    members: list[Member] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every size that a statement needs is at hand."""
        return str(UNKNOWN) not in str(self.statements)


class Sizes:
    """Which tensors have the size of their level, whatever the image size."""

    def __init__(self, architecture: Architecture) -> None:
        """Find the first tensor of each level and all that are as large."""
        self.levels = {entry.id: entry.level for entry in architecture.inputs}
        self.levels |= {node.id: node.level for node in architecture.live}
        self.first: dict[int, str] = {}
        for name, level in self.levels.items():
            self.first.setdefault(level, name)
        shapes = [architecture.shapes(size) for size in PROBES]
        self._standard = {
            name
            for name, level in self.levels.items()
            if all(shape[name].size == shape[self.first[level]].size for shape in shapes)
        }

    def like(self, level: int, candidates: Sequence[str]) -> str | None:
        """Return the first candidate of the level's size."""
        return next((n for n in candidates if n in self._standard and self.levels[n] == level), None)


class BodyWriter:
    """Writes nodes, in order, into one `Body`."""

    def __init__(
        self,
        sizes: Sizes,
        inputs: Mapping[str, int],
        tied: Mapping[tuple[str, ...], str],
        reserved: Iterable[str] = (),
    ) -> None:
        """Start an empty body.

        Args:
            sizes: of the architecture.
            inputs: levels of the architecture's inputs by id, where the body reads any.
            tied: the name of a module that several nodes use, by their shares.
            reserved: local names that only `bind` may give.
        """
        self.body = Body()
        self._sizes = sizes
        self._inputs = inputs
        self._tied = tied
        self._reserved = set(reserved)
        self._locals: dict[str, str] = {}
        self._members: dict[object, Member] = {}

    def bind(self, source: str, name: str, *, dead: Iterable[str] = ()) -> str:
        """Return the new local name of an input's or node's tensor; a `dead` tensor's name may be taken."""
        gone = set(dead)
        taken = {local for other, local in self._locals.items() if other not in gone}
        self._locals[source] = naming.unique(_local(name), taken)
        return self._locals[source]

    def local(self, source: str) -> str:
        """Return the local name of a tensor."""
        return self._locals[source]

    def call(self, member: Member, sources: Sequence[str], targets: Sequence[str]) -> None:
        """Write `targets = self.member(sources)`, all local names."""
        if all(other.name != member.name for other in self.body.members):
            self.body.members.append(member)
        value = call(f"self.{member.name}", *map(Name, sources))
        self.body.statements.append(Statement(tuple(targets), value))

    def add(self, nodes: NodeRuns, name: str) -> None:
        """Write one node; its tensor is called `name` from here on."""
        arrived: list[Value] = []
        for edge in nodes.edges:
            if len(arrived) == 1 and not self._sized(nodes):
                arrived = [self._named(arrived[0], name)]
            arrived.append(self._edge(nodes, edge.source, edge.runs, arrived, name))
        value = self._node(nodes, arrived, name)
        while not _fits(name, value) and (longest := _longest(arrived)) is not None:
            scratch = self._scratch(nodes.edges[longest].source, nodes, arrived)
            arrived[longest] = self._named(arrived[longest], scratch)
            value = self._node(nodes, arrived, name)
        if not _fits(name, value) and nodes.fusion is not None and nodes.runs:
            fused = self._named(self._fuse(nodes, arrived, name), name)
            value = self._chain(nodes, fused, arrived, name)
        target = self.bind(nodes.node.id, name)
        if value != Name(target):
            self.body.statements.append(Statement((target,), value))

    def _node(self, nodes: NodeRuns, arrived: Sequence[Value], name: str) -> Value:
        return self._chain(nodes, self._fuse(nodes, arrived, name), arrived, name)

    def _fuse(self, nodes: NodeRuns, arrived: Sequence[Value], name: str) -> Value:
        if nodes.fusion is None:
            return arrived[0]
        return self._apply(nodes.fusion, arrived, nodes, arrived, f"{name}_{_role(nodes.fusion)}")

    def _chain(self, nodes: NodeRuns, value: Value, arrived: Sequence[Value], name: str) -> Value:
        for index, run in enumerate(nodes.runs):
            value = self._apply(run, [value], nodes, arrived, name if index == 0 else f"{name}_{_role(run)}")
        return value

    def _edge(
        self, nodes: NodeRuns, source: str, runs: Sequence[Run], arrived: Sequence[Value], name: str
    ) -> Value:
        value: Value = Name(self._locals[source])
        for index, run in enumerate(runs):
            member = self._edge_name(source, nodes, run, name)
            value = self._apply(
                run, [value], nodes, arrived, member if index == 0 else f"{member}_{_role(run)}"
            )
        return value

    def _edge_name(self, source: str, nodes: NodeRuns, run: Run, name: str) -> str:
        level = self._inputs.get(source)
        if level is not None and _is_lateral(run) and nodes.node.level == level:
            lateral = f"lateral_{level}"
            if all(member.name != lateral or _holds(member, run) for member in self.body.members):
                return lateral
        if len(nodes.edges) == 1 and not nodes.runs:
            return name
        return f"{self._locals[source]}_to_{name}"

    def _apply(
        self, run: Run, operands: Sequence[Value], nodes: NodeRuns, arrived: Sequence[Value], name: str
    ) -> Value:
        if not run.layers:
            return source_ops.expression(run.steps[0].op, operands, self._like(nodes, arrived))
        layer, member = run.layers[0], self._member(run, name)
        value = call(f"self.{member.name}", *operands)
        value = Call(value.function, (*value.arguments, *layer.keywords))
        like = self._like(nodes, arrived)
        return value if layer.after is None or like is None else call(layer.after, value, like)

    def _sized(self, nodes: NodeRuns) -> str | None:
        nearby = [edge.source for edge in nodes.edges if edge.source in self._locals]
        return self._sizes.like(nodes.node.level, [*nearby, *self._locals])

    def _like(self, nodes: NodeRuns, arrived: Sequence[Value]) -> Value | None:
        """Return a tensor of the node's size; None where its level has no tensor yet."""
        found = self._sized(nodes)
        if found is not None:
            return Name(self._locals[found])
        if self._sizes.first[nodes.node.level] != nodes.node.id:
            return UNKNOWN
        return arrived[0] if arrived else None

    def _member(self, run: Run, name: str) -> Member:
        key = run.tie or run.steps[0].path
        if key not in self._members:
            wanted = naming.attribute(self._tied.get(run.tie, name) if run.tie else name)
            made = member(naming.unique(wanted, {m.name for m in self.body.members}), run)
            self.body.members.append(made)
            self._members[key] = made
        return self._members[key]

    def _scratch(self, source: str, nodes: NodeRuns, arrived: Sequence[Value]) -> str:
        """Return a name for an operand that only this node's line uses."""
        rise = self._sizes.levels[source] - nodes.node.level
        name = "up" if rise > 0 else "down" if rise < 0 else "side"
        return naming.unique(name, [text(value) for value in arrived])

    def _named(self, value: Value, name: str) -> Value:
        """Give the value a local name of its own."""
        if isinstance(value, Name):
            return value
        target = naming.unique(_local(name), {*self._locals.values(), *(self._reserved - {name})})
        self.body.statements.append(Statement((target,), value))
        return Name(target)


def _local(name: str) -> str:
    return naming.local(name, taken=source_ops.helper_names())


def _fits(name: str, value: Value) -> bool:
    return len(f"{' ' * _STATEMENT_INDENT}{name} = {text(value)}") <= LINE_LENGTH


def _longest(arrived: Sequence[Value]) -> int | None:
    if len(arrived) < 2 or all(isinstance(value, Name) for value in arrived):
        return None
    return max(range(len(arrived)), key=lambda i: (not isinstance(arrived[i], Name), len(text(arrived[i]))))


def _holds(member: Member, run: Run) -> bool:
    return any(path.startswith(f"{run.steps[0].path}.") for path in member.places)


def member(name: str, run: Run) -> Member:
    """Return the module of a run: its only layer, a block of named layers, or a sequence of blocks."""
    pairs = list(zip(run.steps, run.layers, strict=True))
    units = _units(pairs)
    if len(units) == 1:
        return _block(name, units[0])
    inner = [_block(f"{name}.{index}", unit) for index, unit in enumerate(units)]
    places = {ours: theirs for block in inner for ours, theirs in block.places.items()}
    return Member(name, call("nn.Sequential", *(block.call for block in inner)), places)


Pair = tuple[Step, Layer]


def _units(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Cut a chain into blocks of one convolution each, with the norm and activation that belong to it."""
    opens = pairs[0][1].role if pairs[0][1].role not in _CONVOLUTIONS else None
    units: list[list[Pair]] = [[]]
    for step, layer in pairs:
        before = units[-1][-1][1].role if units[-1] else None
        if opens is None:
            starts = layer.role in _CONVOLUTIONS and before != "depthwise"
        else:
            starts = layer.role == opens and any(other.role in _CONVOLUTIONS for _, other in units[-1])
        if starts and units[-1]:
            units.append([])
        units[-1].append((step, layer))
    return units


_CONVOLUTIONS = frozenset({"conv", "pointwise", "depthwise", "enlarge"})


def _block(name: str, pairs: Sequence[Pair]) -> Member:
    if len(pairs) == 1:
        return Member(name, pairs[0][1].call, _places(*pairs[0], name))
    roles = _roles([layer for _, layer in pairs])
    inner = tuple(
        Argument(role, layer.call, keyword=True) for role, (_, layer) in zip(roles, pairs, strict=True)
    )
    places: dict[str, str] = {}
    for role, (step, layer) in zip(roles, pairs, strict=True):
        places |= _places(step, layer, f"{name}.{role}")
    return Member(name, call("nn.Sequential", Call("OrderedDict", inner)), places)


def _places(step: Step, layer: Layer, prefix: str) -> dict[str, str]:
    tensors = (*step.op.weights(step.inputs), *step.op.buffers(step.inputs))
    return {f"{step.path}.{name}": f"{prefix}.{layer.tensors.get(name, name)}" for name in tensors}


def _roles(layers: Sequence[Layer]) -> list[str]:
    roles: list[str] = []
    for layer in layers:
        lone = layer.role == "pointwise" and "depthwise" not in roles
        roles.append(naming.unique("conv" if lone else layer.role, roles))
    return roles


def _role(run: Run) -> str:
    return run.layers[0].role if run.layers else run.steps[0].op.kind


def _is_lateral(run: Run) -> bool:
    return bool(run.layers) and run.layers[0].role == "pointwise"
