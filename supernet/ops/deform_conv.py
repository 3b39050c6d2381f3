"""Deformable convolution, by torchvision's operator."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from search_space.ops.deform_conv import DeformConv
from supernet.initialisation import fill_convolution
from supernet.ops import Context


def initialise(op: DeformConv, name: str, tensor: Tensor) -> None:
    """As convolutions, the offsets zero: at first an ordinary convolution (version 2: at half weight)."""
    if name.startswith("offset"):
        nn.init.zeros_(tensor)
    else:
        fill_convolution(name, tensor)


def run(op: DeformConv, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the convolution of the one input."""
    (x,) = inputs
    weight, bias, margin = weights["weight"], weights.get("bias"), op.kernel // 2
    if not op.deform:
        return F.conv2d(x, weight, bias, op.stride, margin)
    predicted = F.conv2d(x, weights["offset_weight"], weights["offset_bias"], op.stride, margin)
    taps = 2 * op.groups * op.kernel**2
    mask = predicted[:, taps:].sigmoid() if op.modulated else None
    return deform_conv2d(x, predicted[:, :taps], weight, bias, op.stride, margin, mask=mask)
