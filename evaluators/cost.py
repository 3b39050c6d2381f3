"""Exact costs of a module: parameters, multiply-accumulates, activations.

The convention, here and nowhere else: MACs of convolutions and matrix products count; norms, activations,
pooling, resampling and other element-wise work do not. An operator that is neither raises: it is never zero.
"""

import logging
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from torch import Tensor, nn

from evaluators.errors import UnsupportedOperator
from evaluators.score import Score

_FREE = """
abs adaptive_avg_pool2d adaptive_max_pool2d add add_ alias amax avg_pool2d batch_norm ceil clamp_max
clamp_min clone div div_ elu exp expand_as floor_divide gelu group_norm hardsigmoid hardswish hardtanh
im2col instance_norm layer_norm leaky_relu linalg_vector_norm linspace log max_pool2d
max_pool2d_with_indices maximum mean meshgrid minimum movedim mul mul_ neg norm ones_like pad
pixel_shuffle pow prelu reciprocal relu6 repeat replication_pad2d rsqrt rsub sigmoid silu softmax sqrt square
sub sum tanh unflatten upsample_bilinear2d upsample_nearest2d view_as
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a module costs.

    Attributes:
        params: learnable numbers; tied ones count once.
        macs: multiply-accumulates of convolutions and matrix products.
        activations: numbers written by convolutions and matrix products.
    """

    params: int
    macs: int
    activations: int

    def scores(self) -> tuple[Score, ...]:
        """Return the three as exact scores; smaller is better."""
        names = {"params": self.params, "macs": self.macs, "activations": self.activations}
        return tuple(Score(name, float(value), "1", "counted") for name, value in names.items())


class _Positional(nn.Module):
    """A module whose dictionary of features is handed in as separate tensors, as tracing requires."""

    def __init__(self, module: nn.Module, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.module = module
        self.levels = levels

    def forward(self, *features: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.module(dict(zip(self.levels, features, strict=True))).values())


def count(module: nn.Module, inputs: Mapping[int, Tensor] | tuple[Tensor, ...]) -> Cost:
    """Return the cost of `module` on `inputs`, the whole batch counted.

    Args:
        module: any; it is run once in evaluation mode.
        inputs: a mapping of features by level, handed over as one argument, or a tuple of arguments.

    Raises:
        UnsupportedOperator: an operator whose cost is not known.
    """
    params = sum(parameter.numel() for parameter in module.parameters())
    training, counted = module.training, module
    if isinstance(inputs, Mapping):
        counted, inputs = _Positional(module, tuple(inputs)), tuple(inputs.values())
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Cost(params, *_analyse(counted.eval(), inputs))
    finally:
        module.train(training)


def _analyse(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[int, int]:
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    macs = FlopCountAnalysis(module, inputs).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    free: dict[str, Any] = {f"aten::{name}": _nothing for name in _FREE.split()}
    macs.set_op_handle(**{"torchvision::deform_conv2d": _deformable, **free})
    total = int(macs.total())
    unsupported = macs.unsupported_ops()
    if unsupported:
        raise UnsupportedOperator(
            f"the cost of {dict(unsupported)} is not known; "
            "add each to evaluators/cost.py, with its MACs or as free"
        )
    activations = ActivationCountAnalysis(module, inputs)
    activations.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    activations.set_op_handle("torchvision::deform_conv2d", _deformable_activations)
    return total, int(activations.total())


def _nothing(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    return Counter()


def _shape(value: Any) -> list[int]:
    return list(value.type().sizes())


def _deformable(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    return Counter({"deform_conv2d": prod(_shape(outputs[0])) * prod(_shape(inputs[1])[1:])})


def _deformable_activations(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    return Counter({"deform_conv2d": prod(_shape(outputs[0]))})
