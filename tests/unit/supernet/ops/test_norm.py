"""Group normalisation down to one pixel."""

import pytest
import torch
import torch.nn.functional as F

from search_space.architecture import Architecture, Edge, Input, Node
from search_space.op import Op
from search_space.ops.ela import EfficientLocalAttention
from search_space.ops.norm import Norm
from supernet.ops.norm import group_norm
from supernet.subnet import Subnet


def test_group_norm_is_torchs() -> None:
    generator = torch.Generator().manual_seed(0)
    x, scale, shift = (torch.randn(shape, generator=generator) for shape in ((2, 6, 3, 5), (6,), (6,)))
    assert torch.equal(group_norm(x, 3, scale, shift, 1e-5), F.group_norm(x, 3, scale, shift, 1e-5))


def test_one_value_a_group_becomes_the_shift() -> None:
    shift = torch.arange(4.0)
    made = group_norm(torch.full((1, 4, 1, 1), 7.0), 4, torch.ones(4), shift, 1e-5)
    torch.testing.assert_close(made.flatten(), shift, atol=1e-4, rtol=0)


@pytest.mark.parametrize("op", [Norm(form="group", groups=8), EfficientLocalAttention(groups=8)])
@pytest.mark.parametrize("training", [False, True])
def test_a_map_of_one_pixel_in_a_batch_of_one(op: Op, training: bool) -> None:
    node = Node("p3", 3, 8, (Edge("c3"),), ops=(op,))
    subnet = Subnet(Architecture((Input("c3", 3, 8),), (node,), ((3, "p3"),))).train(training)
    x = torch.randn(1, 8, 1, 1, requires_grad=True)
    made = subnet({3: x})[3]
    assert made.shape == (1, 8, 1, 1)
    assert torch.isfinite(made).all()
    made.sum().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all()
