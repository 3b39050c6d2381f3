"""Weights carried over from another implementation of a neck, and the largest difference of the outputs."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from search_space.architecture import Architecture
from supernet.subnet import Subnet


def randomise(module: nn.Module, seed: int) -> None:
    """Fill every tensor with random values: positive ones where a variance stands."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            scale = 0.2 if tensor.dim() > 1 else 0.5
            tensor.copy_(values.abs() + 0.3 if name.endswith("running_var") else values * scale)


def carry(architecture: Architecture, tensors: Mapping[str, Tensor]) -> Subnet:
    """Return a subnet with exactly these tensors, in double precision and evaluation mode."""
    subnet = Subnet(architecture).double()
    subnet.load_state_dict(dict(tensors), strict=True)
    return subnet.eval()


def features(channels: Mapping[int, int], size: tuple[int, int], seed: int) -> dict[int, Tensor]:
    """Return random features `(2, C, ceil(H / 2**l), ceil(W / 2**l))` in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return {
        level: torch.randn(
            2, width, *(-(-extent // 2**level) for extent in size), generator=generator, dtype=torch.float64
        )
        for level, width in channels.items()
    }


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest difference relative to the largest value."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float((ours - theirs).abs().max() / theirs.abs().max())
