"""An architecture as the neck's class, a class for each repeated stretch, a function for each block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from search_space.architecture import Architecture
from supernet.export import naming, source_ops
from supernet.export.body import Body, BodyWriter, Member, Sizes
from supernet.export.cells import Repeat, Stretch, local_names, repeats, stem
from supernet.export.expression import Call, Name, blocks, lines, literals, replaced, skeleton
from supernet.export.printing import annotated, constructor, returned, signature, statements
from supernet.export.runs import NodeRuns, node_runs
from supernet.export.template import Template, abstract

Tied = Mapping[tuple[str, ...], str]


@dataclass
class Written:
    """A neck in pieces, before it becomes text.

    Attributes:
        body: of the class `Neck`.
        inputs: (level, local name) of each input.
        results: (level, local name) of each output.
        blocks: functions and classes that the body uses.
        names: by `Subnet`'s name of a tensor, its name in the written neck.
    """

    body: Body
    inputs: tuple[tuple[int, str], ...]
    results: tuple[tuple[int, str], ...]
    blocks: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)


@dataclass
class _Class:
    """A class under way: one body for each stretch, all of one form."""

    name: str
    repeat: Repeat
    bodies: dict[int, Body]
    members: dict[int, str]
    """By first node of a stretch: the attribute that holds it."""
    arguments: tuple[str, ...]
    results: tuple[str, ...]


class Writer:
    """Writes one architecture; its text is built by `source.generate`."""

    def __init__(self, architecture: Architecture) -> None:
        """Cut the architecture into nodes and repeated stretches."""
        self._architecture = architecture
        self._nodes = node_runs(architecture)
        self._sizes = Sizes(architecture)
        self._tied = _tied_names(self._nodes, self._sizes.levels)
        self._names: set[str] = {"neck"}
        self._classes: list[_Class] = []
        for repeat in repeats(architecture, self._nodes):
            made = self._class(repeat)
            if made is not None:
                self._classes.append(made)

    def write(self) -> Written:
        """Return the neck in pieces."""
        written = self._body()
        if not written.body.complete:
            self._classes = []
            written = self._body()
        blocks = _share_blocks([written.body, *(body for c in self._classes for body in c.bodies.values())])
        classes = [self._finish(made, written.body) for made in self._classes]
        written.blocks = [*blocks, *classes]
        written.names = {
            ours: name for member in written.body.members for ours, name in member.places.items()
        }
        return written

    def _body(self) -> Written:
        inputs = {entry.id: entry.level for entry in self._architecture.inputs}
        reserved = [naming.local(entry.node.id) for entry in self._nodes]
        writer = BodyWriter(self._sizes, inputs, self._tied, reserved)
        bound = tuple((entry.level, writer.bind(entry.id, entry.id)) for entry in self._architecture.inputs)
        stretches = {start: made for made in self._classes for start in made.repeat.stretches}
        index = 0
        while index < len(self._nodes):
            made = stretches.get(index)
            if made is None:
                writer.add(self._nodes[index], self._nodes[index].node.id)
            else:
                self._call(writer, made, index)
            index += made.repeat.length if made else 1
        results = tuple((level, writer.local(source)) for level, source in self._architecture.outputs)
        return Written(writer.body, bound, results)

    def _call(self, writer: BodyWriter, made: _Class, start: int) -> None:
        stretch = made.repeat.stretches[start]
        dead = self._dead(start + made.repeat.length)
        places = {} if made.repeat.tied and start != min(made.bodies) else _places(made, start)
        sources = [writer.local(source) for source in stretch.externals]
        targets = [
            writer.bind(source, self._result_name(made, local, source), dead=dead)
            for source, local in zip(stretch.results, made.results, strict=True)
        ]
        writer.call(Member(made.members[start], Call(made.name), places), sources, targets)

    def _result_name(self, made: _Class, local: str, source: str) -> str:
        return local if len(local) > 1 else source

    def _dead(self, index: int) -> set[str]:
        """Return the tensors that no node from `index` on reads, outputs left out."""
        read = {edge.source for entry in self._nodes[index:] for edge in entry.edges}
        read |= {source for _, source in self._architecture.outputs}
        every = {entry.id for entry in self._architecture.inputs} | {e.node.id for e in self._nodes}
        return every - read

    def _class(self, repeat: Repeat) -> _Class | None:
        """Write each stretch with the local names of the first; None where they turn out not to be alike."""
        first = next(iter(repeat.stretches.values()))
        names = local_names([entry.node.id for entry in first.nodes])
        arguments = _argument_names(first, names)
        bodies: dict[int, Body] = {}
        results: tuple[str, ...] = ()
        for start, stretch in repeat.stretches.items():
            writer = BodyWriter(self._sizes, {}, {}, names)
            for source, argument in zip(stretch.externals, arguments, strict=True):
                writer.bind(source, argument)
            for entry, name in zip(stretch.nodes, names, strict=True):
                writer.add(entry, name)
            bodies[start] = writer.body
            results = tuple(writer.local(source) for source in stretch.results)
        forms = {(str(b.statements), str([skeleton(m.call) for m in b.members])) for b in bodies.values()}
        if len(forms) > 1 or not all(body.complete for body in bodies.values()):
            return None
        stems = [
            stem([entry.node.id for entry in s.nodes]) or s.results[-1] for s in repeat.stretches.values()
        ]
        name = naming.unique(_class_name(naming.shared(stems)), self._names)
        self._names.add(name)
        attributes = (
            [naming.attribute(name)] * len(stems) if repeat.tied else list(map(naming.attribute, stems))
        )
        members = dict(zip(repeat.stretches, attributes, strict=True))
        return _Class(naming.camel(name), repeat, bodies, members, tuple(arguments), results)

    def _finish(self, made: _Class, neck: Body) -> str:
        """Return the class's text, and put its arguments into the neck's constructors."""
        starts = list(made.bodies)
        template = abstract([[member.call for member in made.bodies[start].members] for start in starts])
        for index, member in enumerate(neck.members):
            start = next(
                (s for s in starts if made.members[s] == member.name and member.call.function == made.name),
                None,
            )
            if start is not None:
                arguments = template.arguments(starts.index(start))
                neck.members[index] = replace(member, call=Call(made.name, arguments))
        return _class_text(made, template)


def _class_name(name: str) -> str:
    """Return `name`, changed where its class would hide something that the module imports."""
    hidden = {"Path", "Tensor", "Neck", "OrderedDict"} | source_ops.helper_names()
    return f"{name}_cell" if naming.camel(name) in hidden else name


def _places(made: _Class, start: int) -> dict[str, str]:
    prefix = made.members[start]
    return {
        ours: f"{prefix}.{name}"
        for member in made.bodies[start].members
        for ours, name in member.places.items()
    }


def _argument_names(stretch: Stretch, taken: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in local_names(stretch.externals):
        wanted = f"{name}_in" if name in taken else name
        found.append(naming.unique(wanted, [*found, *taken]))
    return found


def _class_text(made: _Class, template: Template) -> str:
    body = made.bodies[min(made.bodies)]
    members = [
        replace(m, call=c) for m, c in zip(body.members, template.calls, strict=True) if isinstance(c, Call)
    ]
    results = ", ".join(made.results)
    kind = "Tensor" if len(made.results) == 1 else "tuple[Tensor, ...]"
    takes = [f"{name}: Tensor" for name in made.arguments]
    count = len(made.repeat.stretches)
    text = [f"class {made.name}(nn.Module):", f'    """{_summary(made, count)}"""', ""]
    text += [*constructor(members, template.parameters), ""]
    text += signature("def forward", ["self", *takes], kind, indent=4)
    text += [f'        """Return {results}."""', *statements(body.statements)]
    return "\n".join([*text, *returned([Name(name) for name in made.results])])


def _summary(made: _Class, count: int) -> str:
    if made.repeat.tied:
        return f"{made.repeat.length} nodes that the neck runs {count} times with the same weights."
    return f"{made.repeat.length} nodes, of which the neck has {count} sets."


def _tied_names(nodes: Sequence[NodeRuns], levels: Mapping[str, int]) -> dict[tuple[str, ...], str]:
    """Name each module that several nodes use: what the nodes have in common, and the edge's direction."""
    users: dict[tuple[str, ...], list[str]] = {}
    ways: dict[tuple[str, ...], set[str]] = {}
    for node in nodes:
        on_edges = {id(run): edge.source for edge in node.edges for run in edge.runs}
        for run in node.all():
            if run.tie is not None:
                users.setdefault(run.tie, []).append(node.node.id)
                source = on_edges.get(id(run))
                way = "" if source is None else _way(levels[source], node.node.level)
                ways.setdefault(run.tie, set()).add(way)
    found: dict[tuple[str, ...], str] = {}
    for tie, names in users.items():
        if len(names) > 1:
            way = next(iter(ways[tie])) if len(ways[tie]) == 1 else ""
            found[tie] = naming.shared(names) + way
    return found


def _way(source: int, target: int) -> str:
    return "_up" if source > target else "_down" if source < target else "_same"


def _share_blocks(bodies: Sequence[Body]) -> list[str]:
    """Write blocks of one form once, as a function; return the functions."""
    found: dict[object, list[Call]] = {}
    for body in bodies:
        for member in body.members:
            for block in blocks(member.call):
                found.setdefault(skeleton(block), []).append(block)
    calls: dict[tuple[object, tuple[object, ...]], Call] = {}
    taken: list[str] = []
    written: list[str] = []
    for form, uses in found.items():
        if len(uses) < 2:
            continue
        template = abstract([[block] for block in uses])
        name = naming.unique(_block_name(uses[0]), taken)
        taken.append(name)
        written.append(_block(name, template, uses[0]))
        for instance, block in enumerate(uses):
            calls[form, literals(block)] = Call(name, template.arguments(instance))
    for body in bodies:
        body.members = [
            replace(m, call=replaced(m.call, lambda block: calls.get((skeleton(block), literals(block)))))
            for m in body.members
        ]
    return written


def _block_name(sequence: Call) -> str:
    return "_".join(_block_roles(sequence)).replace("depthwise_pointwise", "separable")


def _block_roles(sequence: Call) -> list[str]:
    inner = sequence.arguments[0].value
    assert isinstance(inner, Call)
    return [argument.name.rstrip("0123456789_") for argument in inner.arguments]


def _block(name: str, template: Template, call: Call) -> str:
    (value,) = template.calls
    head = signature(f"def {name}", annotated(template.parameters), "nn.Sequential")
    text = [*head, f'    """Return {_words(_block_roles(call))}."""', *lines("return ", value, indent=4)]
    return "\n".join(text)


_WORDS = {"norm": "normalisation", "act": "activation", "conv": "convolution"}


def _words(roles: Sequence[str]) -> str:
    words = [_WORDS.get(role, role) for role in roles]
    if len(words) > 5:
        return f"a block of {len(words)} layers"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
