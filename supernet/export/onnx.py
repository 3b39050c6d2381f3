"""ONNX straight from an `Architecture` and its tensors, op by op: dynamic in batch, height and width.

Nothing is traced, so the graph is right at every image size: sizes are read from tensors when it runs.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, helper

from search_space.architecture import Architecture, Input, Step
from search_space.op import Size
from supernet.errors import ExportError
from supernet.export.onnx_graph import Array, OnnxGraph
from supernet.export.onnx_ops import Site, emitter, names

if TYPE_CHECKING:
    from supernet.subnet import Subnet

OPSET = 17
_IR_VERSION = 8

Tensors = Callable[[Step, str, tuple[int, ...]], Array]
"""Gives a step's tensor by its name and shape."""


@dataclass
class _Writer:
    architecture: Architecture
    tensors: Tensors
    graph: OnnxGraph = field(default_factory=OnnxGraph)
    values: dict[str, str] = field(default_factory=dict)
    sizes: dict[int, str] = field(default_factory=dict)
    stored: dict[tuple[str, str], str] = field(default_factory=dict)

    def write(self) -> None:
        for entry in self.architecture.inputs:
            self.values[entry.id] = self.graph.reserve(entry.id)
            self.sizes.setdefault(entry.level, entry.id)
        steps = iter(self.architecture.steps())
        for node in self.architecture.live:
            arrived: list[str] = []
            for edge in node.inputs:
                value = self.values[edge.source]
                for _ in edge.ops:
                    value = self._apply(next(steps), (value,), node.level, arrived)
                arrived.append(value)
            value = arrived[0]
            if node.fusion is not None:
                value = self._apply(next(steps), tuple(arrived), node.level, arrived)
            for _ in node.ops:
                value = self._apply(next(steps), (value,), node.level, arrived)
            self.values[node.id] = value
            self.sizes.setdefault(node.level, value)

    def _apply(self, step: Step, inputs: tuple[str, ...], level: int, arrived: list[str]) -> str:
        emit = emitter(step.op)
        if emit is None:
            raise ExportError(
                f"'{step.path}' (level {level}): ONNX export knows no operation '{step.op.kind}'; "
                f"it writes {', '.join(names())}"
            )
        shapes = {**step.op.weights(step.inputs), **step.op.buffers(step.inputs)}
        weights = {name: self.tensors(step, name, shape) for name, shape in shapes.items()}

        def size() -> str:
            return self.graph.size(self.sizes.get(level) or arrived[0])

        def tensor(name: str) -> str:
            key = (step.op.share or f"/{step.path}", name)
            if key not in self.stored:
                self.stored[key] = self.graph.constant(weights[name], name=f"{step.path}.{name}")
            return self.stored[key]

        sized = level in self.sizes or bool(arrived)
        return emit(step.op, Site(self.graph, inputs, step.inputs, weights, sized, size, step.path, tensor))


def export(subnet: "Subnet") -> bytes:
    """Return an ONNX model of a finished neck, right for any batch, height and width.

    Raises:
        ExportError: an operation that ONNX export does not know.
    """
    state = {name: tensor.detach().cpu().numpy() for name, tensor in subnet.state_dict().items()}
    return write(subnet.architecture, stored_tensors(state))


def write(architecture: Architecture, tensors: Tensors) -> bytes:
    """Return an ONNX model of the neck: inputs by their ids, outputs `p<level>`, float32 (B, C, H, W).

    Raises:
        ExportError: an operation that ONNX export does not know.
    """
    writer = _Writer(architecture, tensors)
    writer.write()
    outputs = []
    shapes = architecture.output_shapes()
    for level, source in architecture.outputs:
        name = writer.graph.node("Identity", [writer.values[source]], f"p{level}")
        axes: list[str | int | None] = ["batch", shapes[level].channels, f"height_{name}", f"width_{name}"]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, axes))
    graph = helper.make_graph(
        writer.graph.nodes,
        "neck",
        [_input(e) for e in architecture.inputs],
        outputs,
        writer.graph.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    model.producer_name = "neckline"
    return bytes(model.SerializeToString())


def _input(entry: Input) -> ValueInfoProto:
    axes: list[str | int | None] = ["batch", entry.channels, f"height_{entry.level}", f"width_{entry.level}"]
    return helper.make_tensor_value_info(entry.id, TensorProto.FLOAT, axes)


def stored_tensors(state: Mapping[str, Array]) -> Tensors:
    """Return `Tensors` that look up `<path>.<tensor>`; tied operations read the first one's."""
    ties: dict[str, str] = {}

    def find(step: Step, name: str, shape: tuple[int, ...]) -> Array:
        path = ties.setdefault(step.op.share, step.path) if step.op.share else step.path
        value = state.get(f"{step.path}.{name}", state.get(f"{path}.{name}"))
        if value is None or tuple(value.shape) != tuple(shape):
            found = "nothing" if value is None else f"shape {tuple(value.shape)}"
            raise ExportError(f"{step.path}.{name}: needs a tensor of shape {tuple(shape)}, found {found}")
        return value

    return find


def random_tensors(seed: int = 0) -> Tensors:
    """Return `Tensors` of random values of a trained network's magnitude, the same for the same seed."""
    rng = np.random.default_rng(seed)
    made: dict[tuple[str, str], NDArray[np.float32]] = {}

    def draw(step: Step, name: str, shape: tuple[int, ...]) -> Array:
        key = (step.op.share or f"/{step.path}", name)
        if key not in made:
            scale = math.sqrt(1 / max(1, math.prod(shape[1:])))
            values = rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)
            positive = name == "running_var" or (name == "weight" and len(shape) == 1)
            made[key] = np.abs(values) + np.float32(0.5) if positive else values
        return made[key]

    return draw


def image_inputs(
    architecture: Architecture, image_size: Size, batch: int = 1
) -> dict[str, NDArray[np.float32]]:
    """Return random feature maps (B, C, H, W) by input id for an image of height x width pixels."""
    shapes = architecture.shapes(image_size)
    rng = np.random.default_rng(0)
    return {e.id: rng.standard_normal((batch, *shapes[e.id]), dtype=np.float32) for e in architecture.inputs}
