"""What a finished neck calls its parts."""

import pytest

from search_space import reference
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.errors import InvalidArchitecture
from search_space.naming import RESERVED, check_name
from search_space.ops.conv import Conv
from supernet.subnet import Subnet


def one_node(name: str) -> Architecture:
    node = Node(name, 3, 8, (Edge("c3", (Conv(width=8),)),))
    return Architecture((Input("c3", 3, 8),), (node,), ((3, name),))


def test_no_node_hides_a_part_of_the_module() -> None:
    """Every attribute that a subnet has beside its nodes is refused as a node's name."""
    subnet = Subnet(one_node("p3"))
    attributes = {name for name in dir(subnet) if name != "p3"}
    for name in attributes:
        with pytest.raises(InvalidArchitecture, match="cannot name a node"):
            check_name(name)
    assert attributes >= RESERVED


@pytest.mark.parametrize(
    "name", ["conv", "norm", "share", "input", "self", "torch", "nn", "F", "weight", "bias"]
)
def test_other_names_work(name: str) -> None:
    assert f"{name}.from_c3.conv.weight" in Subnet(one_node(name)).state_dict()


def test_every_published_neck_can_be_held() -> None:
    for name in reference.files():
        for node in reference.build(name, {3: 16, 4: 16, 5: 16}).nodes:
            check_name(node.id)
