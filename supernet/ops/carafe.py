"""CARAFE upsampling."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.ops.carafe import Carafe
from supernet.initialisation import fill_convolution
from supernet.ops import Context


def initialise(op: Carafe, name: str, tensor: Tensor) -> None:
    """As convolutions; the encoder small, so that all weights of a window are about equal at first."""
    if name == "encode_weight":
        nn.init.normal_(tensor, std=0.001)
    else:
        fill_convolution(name, tensor)


def run(op: Carafe, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the input at twice the size, cut to the node's size."""
    (x,) = inputs
    batch, channels, height, width = x.shape
    window = op.kernel**2
    inner = F.conv2d(x, weights["compress_weight"], weights["compress_bias"])
    margin = op.encoder_kernel // 2
    logits = F.conv2d(inner, weights["encode_weight"], weights["encode_bias"], padding=margin)
    shares = logits.view(batch, window, 4, height * width).softmax(
        dim=1
    )  # which window pixel, which of 2 x 2
    seen = F.unfold(x, op.kernel, padding=op.kernel // 2).view(batch, channels, window, height * width)
    # For each source pixel: (channels, window) @ (window, 4).
    made = torch.matmul(seen.permute(0, 3, 1, 2), shares.permute(0, 3, 1, 2))
    made = made.permute(0, 2, 3, 1).reshape(batch, channels * 4, height, width)
    doubled = F.pixel_shuffle(made, 2)
    return doubled if context.size is None else doubled[:, :, : context.size[0], : context.size[1]]
