"""The deploy form: the same function, and no batch norm behind a convolution."""

import pytest
import torch

from search_space import reference
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.ops.act import Act
from search_space.ops.conv import Conv
from search_space.ops.deconv import Deconv
from search_space.ops.norm import Norm
from search_space.ops.sum import Sum
from supernet.export import verify
from supernet.export.deploy import deploy
from supernet.subnet import Subnet
from tests.unit.supernet.export.necks import CHANNELS, random_architectures, space_names, trained


def assert_equal(subnet: Subnet) -> Subnet:
    made = deploy(subnet)
    checks = verify.check_module("deploy form", made, subnet, verify.DEPLOY_LIMIT)
    assert all(check.passed for check in checks), [str(check) for check in checks]
    return made


def kinds(subnet: Subnet) -> list[str]:
    return [step.op.kind for step in subnet.architecture.steps()]


@pytest.mark.parametrize("name", ["fpn", "pafpn", "bifpn", "yolox_pafpn", "rep_gfpn", "hrnet_fuse"])
def test_references_compute_the_same(name: str) -> None:
    assert_equal(trained(reference.build(name, CHANNELS)))


@pytest.mark.parametrize("space", space_names())
def test_random_architectures_compute_the_same(space: str) -> None:
    for architecture in random_architectures(space, 8, seed=5):
        assert_equal(trained(architecture))


def test_norms_behind_convolutions_are_gone() -> None:
    made = assert_equal(trained(reference.build("yolox_pafpn", CHANNELS)))
    assert "norm" not in kinds(made)


def test_parallel_convolutions_become_those_of_the_published_deployed_neck() -> None:
    made = assert_equal(trained(reference.build("rep_gfpn", CHANNELS)))
    published = deploy(trained(reference.build("rep_gfpn@deployed", CHANNELS)))
    assert made.architecture.key == published.architecture.key


def test_a_convolution_tied_behind_different_norms_is_untied() -> None:
    tied = Conv(width=8, bias=False, share="tower")
    nodes = tuple(
        Node(f"p{level}", level, 8, (Edge(f"c{level}"),), None, (tied, Norm(share=f"norm{level}"), Act()))
        for level in (3, 4)
    )
    inputs = (Input("c3", 3, 8), Input("c4", 4, 8))
    made = assert_equal(trained(Architecture(inputs, nodes, ((3, "p3"), (4, "p4")))))
    assert kinds(made) == ["conv", "act"] * 2
    assert len(list(made.parameters())) == 4


def test_a_block_tied_as_a_whole_stays_tied() -> None:
    ops = (Conv(width=8, share="conv"), Norm(share="norm"))
    nodes = tuple(Node(f"p{level}", level, 8, (Edge(f"c{level}"),), None, ops) for level in (3, 4))
    inputs = (Input("c3", 3, 8), Input("c4", 4, 8))
    made = assert_equal(trained(Architecture(inputs, nodes, ((3, "p3"), (4, "p4")))))
    assert len(list(made.parameters())) == 2


def test_strided_parallel_and_transposed_convolutions() -> None:
    edges = tuple(Edge("c3", (Conv(width=8, kernel=kernel, stride=2), Norm())) for kernel in (5, 3, 1))
    nodes = (
        Node("p4", 4, 8, edges, Sum(), (Act(),)),
        Node("p3", 3, 8, (Edge("p4", (Deconv(width=8), Norm())), Edge("c3")), Sum()),
    )
    made = assert_equal(trained(Architecture((Input("c3", 3, 8),), nodes, ((3, "p3"), (4, "p4")))))
    assert kinds(made) == ["conv", "act", "deconv", "sum"]


def test_the_subnet_itself_stays_as_it_was() -> None:
    subnet = trained(reference.build("bifpn", CHANNELS, width=16))
    before = {name: tensor.clone() for name, tensor in subnet.state_dict().items()}
    deploy(subnet)
    assert all(torch.equal(before[name], tensor) for name, tensor in subnet.state_dict().items())
