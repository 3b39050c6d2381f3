"""Initial values of the tensors that many operations hold."""

from torch import Tensor, nn


def fill_convolution(name: str, tensor: Tensor) -> None:
    """Kaiming-uniform for tensors whose name ends in `weight`, zeros for biases."""
    if name.endswith("weight") and tensor.dim() > 1:
        nn.init.kaiming_uniform_(tensor, a=1)
    else:
        nn.init.zeros_(tensor)


def fill_norm(name: str, tensor: Tensor) -> None:
    """Ones for scale and variance, zeros for shift and mean."""
    nn.init.constant_(tensor, 1.0 if name.endswith(("weight", "running_var")) else 0.0)
