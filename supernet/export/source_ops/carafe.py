"""Content-aware reassembly of features."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.op import Shape
from search_space.ops.carafe import Carafe as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer
from supernet.export.source_ops.deconv import cut


class Carafe(nn.Module):
    """Twice the size, each pixel a mix of a window by weights that the map predicts."""

    def __init__(self, channels: int, inner: int, kernel: int, encoder: int) -> None:
        super().__init__()
        margin = encoder // 2
        self.kernel = kernel
        self.compress = nn.Conv2d(channels, inner, 1)
        self.encode = nn.Conv2d(inner, 4 * kernel**2, encoder, padding=margin)

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, C, 2 * H, 2 * W)`."""
        batch, channels, height, width = x.shape
        window, pixels = self.kernel**2, height * width
        shares = self.encode(self.compress(x)).view(batch, window, 4, pixels)
        shares = shares.softmax(dim=1)  # which window pixel, which of 2 x 2
        seen = F.unfold(x, self.kernel, padding=self.kernel // 2)
        seen = seen.view(batch, channels, window, pixels)
        made = torch.matmul(seen.permute(0, 3, 1, 2), shares.permute(0, 3, 1, 2))
        made = made.permute(0, 2, 3, 1).reshape(batch, channels * 4, height, width)
        return F.pixel_shuffle(made, 2)


HELPERS = (Carafe, cut)
_TENSORS = {
    f"{name}_{tensor}": f"{name}.{tensor}" for name in ("compress", "encode") for tensor in ("weight", "bias")
}


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    arguments = (
        Argument("channels", inputs[0].channels),
        Argument("inner", op.inner),
        Argument("kernel", op.kernel),
        Argument("encoder", op.encoder_kernel),
    )
    return Layer("enlarge", Call("Carafe", arguments), _TENSORS, after="cut")
