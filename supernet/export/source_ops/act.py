"""Activations: a module within a block, a function elsewhere."""

from collections.abc import Sequence

from search_space.op import Shape
from search_space.ops.act import Act
from supernet.export.expression import Argument, Call, Value, call
from supernet.export.source_ops import Layer

_MODULES = {
    "relu": "nn.ReLU",
    "relu6": "nn.ReLU6",
    "silu": "nn.SiLU",
    "sigmoid": "nn.Sigmoid",
    "hard_swish": "nn.Hardswish",
    "hard_sigmoid": "nn.Hardsigmoid",
    "leaky_relu": "nn.LeakyReLU",
    "gelu": "nn.GELU",
}
_FUNCTIONS = {
    "relu": "F.relu",
    "relu6": "F.relu6",
    "silu": "F.silu",
    "sigmoid": "torch.sigmoid",
    "hard_swish": "F.hardswish",
    "hard_sigmoid": "F.hardsigmoid",
    "leaky_relu": "F.leaky_relu",
    "gelu": "F.gelu",
}
_SLOPE = 0.1


def layer(op: Act, inputs: Sequence[Shape]) -> Layer:
    """Return the activation as a module."""
    slope = (Argument("negative_slope", _SLOPE),) if op.form == "leaky_relu" else ()
    return Layer("act", Call(_MODULES[op.form], slope))


def expression(op: Act, operands: Sequence[Value], like: Value | None) -> Value:
    """Return the activation as a function's call."""
    slope = (_SLOPE,) if op.form == "leaky_relu" else ()
    return call(_FUNCTIONS[op.form], operands[0], *slope)
