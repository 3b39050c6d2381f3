"""The deployed form of a neck computes what the trained one does."""

import pytest
import torch

from search_space.architecture import Architecture, Edge, Input, Node
from search_space.op import Op
from search_space.ops.act import Act
from search_space.ops.conv import Conv
from search_space.ops.norm import Norm
from search_space.ops.pool import Pool
from search_space.ops.sum import Sum
from search_space.reference import build
from supernet.reparameterise import deploy
from supernet.subnet import Subnet


def trained(architecture: Architecture) -> Subnet:
    """A subnet whose tensors, statistics too, are random."""
    subnet = Subnet(architecture).double().eval()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in subnet.state_dict().items():
        values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64) * 0.3
        tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return subnet


def one(*edges: tuple[Op, ...], ops: tuple[Op, ...] = (Act(),)) -> Architecture:
    node = Node("y", 3, 8, tuple(Edge("c3", edge) for edge in edges), Sum(), ops)
    return Architecture((Input("c3", 3, 8),), (node,), ((3, "y"),))


WIDE, POINT = Conv(width=8, bias=False), Conv(width=8, kernel=1)
X = torch.randn(2, 8, 7, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_rep_gfpn_becomes_the_deployed_neck() -> None:
    channels = {3: 8, 4: 12, 5: 16}
    subnet = trained(build("rep_gfpn", channels, widths=(8, 8, 12)))
    made = deploy(subnet)
    assert made.architecture.key == build("rep_gfpn@deployed", channels, widths=(8, 8, 12)).key
    inputs = {
        level: torch.randn(1, width, -(-77 // 2**level), -(-33 // 2**level), dtype=torch.float64)
        for level, width in channels.items()
    }
    with torch.no_grad():
        for level, expected in subnet(inputs).items():
            torch.testing.assert_close(made(inputs)[level], expected)


@pytest.mark.parametrize(
    "edges",
    [
        ((WIDE, Norm()), (POINT, Norm())),
        ((WIDE, Norm()), (POINT,), (Norm(eps=1e-3),)),
        ((WIDE,), (Conv(width=8, kernel=5), Norm(form="frozen"))),
        ((Conv(width=8, groups=0), Norm()), (Norm(),)),
        ((Conv(width=8, groups=2), Norm()), (Conv(width=8, kernel=1, groups=2),), (Norm(),)),
    ],
)
def test_branches_of_one_source_become_one_convolution(edges: tuple[tuple[Op, ...], ...]) -> None:
    subnet = trained(one(*edges))
    made = deploy(subnet)
    assert [step.op.kind for step in made.architecture.steps()] == ["conv", "act"]
    with torch.no_grad():
        torch.testing.assert_close(made({3: X})[3], subnet({3: X})[3])


@pytest.mark.parametrize(
    "edges",
    [
        ((WIDE, Norm()), ()),
        ((WIDE, Act()), (POINT,)),
        ((WIDE, Norm(form="group", groups=4)), (POINT,)),
        ((WIDE,), (Pool(stride=1),)),
        ((Conv(width=8, dilation=2),), (POINT,)),
        ((Conv(width=8, share="a"),), (Conv(width=8, share="a"),)),
        ((Norm(),), (Norm(),)),
    ],
)
def test_other_sums_stay(edges: tuple[tuple[Op, ...], ...]) -> None:
    subnet = trained(one(*edges))
    made = deploy(subnet)
    assert made.architecture == subnet.architecture
    with torch.no_grad():
        torch.testing.assert_close(made({3: X})[3], subnet({3: X})[3])
