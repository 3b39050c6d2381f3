"""Import: a neck comes back bit-equal from its own files, and weights of another neck are named as such."""

from pathlib import Path

import pytest
import torch

from search_space import reference
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.errors import InvalidArchitecture
from search_space.ops.conv import Conv
from supernet.errors import WeightMismatch
from supernet.export import safetensors, verify
from supernet.export.bundle import weights_file
from supernet.export.importing import MAX_ARCHITECTURE_BYTES, import_neck
from supernet.subnet import Subnet
from tests.unit.supernet.export.necks import CHANNELS, random_architectures, trained


@pytest.fixture
def bifpn() -> Subnet:
    return trained(reference.build("bifpn", CHANNELS, width=16, repeats=2))


def write(folder: Path, subnet: Subnet, weights: bytes) -> tuple[Path, Path]:
    paths = folder / "architecture.json", folder / "neck.safetensors"
    paths[0].write_text(subnet.architecture.to_json())
    paths[1].write_bytes(weights)
    return paths


def assert_same(subnet: Subnet, again: Subnet) -> None:
    assert again.architecture == subnet.architecture
    given = verify.features(subnet.architecture, (65, 97))
    with torch.no_grad():
        wanted, made = subnet(given), again(given)
    assert all(torch.equal(made[level], x) for level, x in wanted.items())


def test_the_bundles_weights_come_back(tmp_path: Path, bifpn: Subnet) -> None:
    assert_same(bifpn, import_neck(*write(tmp_path, bifpn, weights_file(bifpn))))


def test_a_subnets_own_names_come_back(tmp_path: Path, bifpn: Subnet) -> None:
    assert_same(bifpn, import_neck(*write(tmp_path, bifpn, safetensors.dump(bifpn.state_dict()))))


def test_the_written_necks_names_need_no_metadata(tmp_path: Path) -> None:
    for architecture in random_architectures("fusion_grid", 4):
        subnet = trained(architecture)
        paths = write(tmp_path, subnet, weights_file(subnet))
        tensors = safetensors.read(paths[1]).tensors
        tensors["p3.norm.num_batches_tracked"] = torch.tensor(3)  # as torch saves a trained `Neck`
        assert_same(subnet, import_neck(*write(tmp_path, subnet, safetensors.dump(tensors))))


def test_weights_of_another_architecture_are_named(tmp_path: Path, bifpn: Subnet) -> None:
    other = trained(reference.build("fpn", CHANNELS))
    with pytest.raises(WeightMismatch, match=r"missing: .*of another neck: "):
        import_neck(*write(tmp_path, bifpn, weights_file(other)))


def test_misshapen_weights_are_named_with_both_shapes(tmp_path: Path) -> None:
    small, large = (trained(reference.build("fpn", CHANNELS, width=width)) for width in (16, 32))
    with pytest.raises(WeightMismatch, match=r"is \(16, .*, not \(32, "):
        import_neck(*write(tmp_path, large, weights_file(small)))


def test_weights_that_are_not_numbers_are_named(tmp_path: Path, bifpn: Subnet) -> None:
    state = {name: tensor.clone() for name, tensor in bifpn.state_dict().items()}
    name = next(iter(state))
    state[name].view(-1)[0] = float("nan")
    with pytest.raises(WeightMismatch, match=f"1 not finite: {name}"):
        import_neck(*write(tmp_path, bifpn, safetensors.dump(state)))


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, '{"schema_version": 1, "inputs": 3}', "null"])
def test_what_is_no_architecture_is_named(tmp_path: Path, bifpn: Subnet, text: str) -> None:
    paths = write(tmp_path, bifpn, weights_file(bifpn))
    paths[0].write_text(text)
    with pytest.raises(InvalidArchitecture, match="architecture"):
        import_neck(*paths)


def test_an_architecture_file_that_is_missing_too_large_or_not_text(tmp_path: Path, bifpn: Subnet) -> None:
    architecture, weights = write(tmp_path, bifpn, weights_file(bifpn))
    with pytest.raises(InvalidArchitecture, match="no such file"):
        import_neck(tmp_path / "none.json", weights)
    architecture.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidArchitecture, match="UTF-8"):
        import_neck(architecture, weights)
    architecture.write_text(" " * (MAX_ARCHITECTURE_BYTES + 1))
    with pytest.raises(InvalidArchitecture, match="at most 4,194,304"):
        import_neck(architecture, weights)


def test_a_node_that_a_module_cannot_hold_is_named(tmp_path: Path, bifpn: Subnet) -> None:
    node = Node("trail", 3, 8, (Edge("c3", (Conv(width=8),)),))
    architecture = Architecture((Input("c3", 3, 8),), (node,), ((3, "trail"),))
    paths = write(tmp_path, bifpn, weights_file(bifpn))
    paths[0].write_text(architecture.to_json().replace("trail", "train"))
    with pytest.raises(InvalidArchitecture, match="train"):
        import_neck(*paths)
