"""An architecture spelled out as the primitive operations that runtimes have, not yet rewritten."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from search_space.architecture import Architecture, Step
from search_space.op import Op, Shape, Size


@dataclass(slots=True)
class Work:
    """One primitive operation on numbered values; passes of a lowering change it in place.

    Attributes:
        path: the architecture's operation that it comes from.
        kind: conv, norm, group_norm, act, add, mul, scale, concat, max_pool, avg_pool, global_pool,
            adaptive_pool, resize, pad or unknown.
        inputs: numbers of the values that it reads.
        output: number of the value that it makes.
        op: the architecture's operation, for its attributes.
        form: the activation's or the interpolation's name.
    """

    path: str
    kind: str
    inputs: list[int]
    output: int
    op: Op
    form: str = ""


@dataclass(slots=True)
class Program:
    """Primitive operations in the order of execution over values with known shapes."""

    works: list[Work] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def value(self, shape: Shape) -> int:
        """Return the number of a new value."""
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def add(self, step: Step, kind: str, inputs: Sequence[int], shape: Shape, form: str = "") -> int:
        """Append an operation and return the number of its output."""
        output = self.value(shape)
        self.works.append(Work(step.path, kind, list(inputs), output, step.op, form))
        return output

    def readers(self) -> Counter[int]:
        """Return how often each value is read; an output of the neck counts as read once more."""
        return Counter([source for work in self.works for source in work.inputs] + self.outputs)


def expand(architecture: Architecture, image_size: Size) -> Program:
    """Return the primitive operations of the live nodes."""
    program = Program()
    values = {}
    for entry in architecture.inputs:
        height, width = (-(-extent // 2**entry.level) for extent in image_size)
        values[entry.id] = program.value(Shape(entry.channels, height, width))
    program.inputs = list(values.values())
    steps = iter(architecture.steps(image_size))
    for node in architecture.live:
        arrived = []
        for edge in node.inputs:
            value = values[edge.source]
            for _ in edge.ops:
                value = _expand(program, next(steps), [value])
            arrived.append(value)
        value = arrived[0] if node.fusion is None else _expand(program, next(steps), arrived)
        for _ in node.ops:
            value = _expand(program, next(steps), [value])
        values[node.id] = value
    program.outputs = [values[source] for _, source in architecture.outputs]
    return program


def _expand(program: Program, step: Step, inputs: Sequence[int]) -> int:
    rule = _RULES.get(step.op.kind)
    if rule is None:
        return program.add(step, "unknown", inputs, step.output)
    return rule(program, step, inputs)


def _chain(program: Program, step: Step, kind: str, inputs: Sequence[int]) -> int:
    result = inputs[0]
    for value in inputs[1:]:
        shape = max(program.shapes[result], program.shapes[value], key=lambda s: s.pixels)
        result = program.add(step, kind, [result, value], shape)
    return result


def _sum(program: Program, step: Step, inputs: Sequence[int]) -> int:
    return _chain(program, step, "add", inputs)


def _product(program: Program, step: Step, inputs: Sequence[int]) -> int:
    return _chain(program, step, "mul", inputs)


def _mean(program: Program, step: Step, inputs: Sequence[int]) -> int:
    return program.add(step, "scale", [_chain(program, step, "add", inputs)], step.output)


def _weighted_sum(program: Program, step: Step, inputs: Sequence[int]) -> int:
    scaled = [program.add(step, "scale", [value], program.shapes[value]) for value in inputs]
    return _chain(program, step, "add", scaled)


def _gate(program: Program, step: Step, inputs: Sequence[int]) -> int:
    first, second = inputs
    pixel = Shape(step.output.channels, 1, 1)
    pooled = program.add(step, "global_pool", [first], pixel)
    gate = program.add(step, "act", [pooled], pixel, "sigmoid")
    gated = program.add(step, "mul", [second, gate], step.output)
    return program.add(step, "add", [first, gated], step.output)


def _concat(program: Program, step: Step, inputs: Sequence[int]) -> int:
    return inputs[0] if len(inputs) == 1 else program.add(step, "concat", inputs, step.output)


def _conv(program: Program, step: Step, inputs: Sequence[int]) -> int:
    return program.add(step, "conv", inputs, step.output)


def _norm(program: Program, step: Step, inputs: Sequence[int]) -> int:
    group = getattr(step.op, "form", "") == "group"
    return program.add(step, "group_norm" if group else "norm", inputs, step.output)


def _act(program: Program, step: Step, inputs: Sequence[int]) -> int:
    return program.add(step, "act", inputs, step.output, _form(step.op))


def _resize(program: Program, step: Step, inputs: Sequence[int]) -> int:
    return program.add(step, "resize", inputs, step.output, str(getattr(step.op, "mode", "")))


def _pool(program: Program, step: Step, inputs: Sequence[int]) -> int:
    if getattr(step.op, "padding", "") in ("zeros", "same_zeros") and _form(step.op) == "max":
        inputs = [program.add(step, "pad", inputs, step.inputs[0])]
    return program.add(step, f"{_form(step.op)}_pool", inputs, step.output)


def _adaptive_pool(program: Program, step: Step, inputs: Sequence[int]) -> int:
    if getattr(step.op, "to", "") == "pixel":
        return program.add(step, "global_pool", inputs, step.output)
    return program.add(step, "adaptive_pool", inputs, step.output, _form(step.op))


def _form(op: Op) -> str:
    return str(getattr(op, "form", ""))


_Rule = Callable[[Program, Step, Sequence[int]], int]
_RULES: dict[str, _Rule] = {
    "sum": _sum,
    "product": _product,
    "mean": _mean,
    "weighted_sum": _weighted_sum,
    "gate": _gate,
    "concat": _concat,
    "conv": _conv,
    "norm": _norm,
    "set_norm": lambda program, step, inputs: program.add(step, "norm", inputs[:1], step.output),
    "act": _act,
    "resize": _resize,
    "pool": _pool,
    "adaptive_pool": _adaptive_pool,
}
