"""Every format: written, checked at three untraced sizes, and refused where it is wrong or cannot be."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from search_space import reference
from supernet.errors import ExportError
from supernet.export import bundle, formats, offered, onnx, verify
from supernet.export.card import Card
from supernet.export.errors import FailedCheck
from supernet.subnet import Subnet
from tests.unit.supernet.export.necks import CHANNELS, trained

CARD = Card(title="A neck.")
QUIET = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


@pytest.fixture
def subnet() -> Subnet:
    return trained(reference.build("pafpn", CHANNELS, width=16))


def test_some_untraced_sizes_are_odd() -> None:
    assert len(verify.UNTRACED) == 3
    assert any(extent % 2 for image in verify.UNTRACED for extent in image)


@QUIET
@pytest.mark.parametrize("name", [name for name in offered.FORMATS if name != "bundle"])
def test_each_is_compared_at_three_sizes(name: str, tmp_path: Path, subnet: Subnet) -> None:
    made = formats.write(name, tmp_path, subnet, CARD)
    assert made.path.suffix == f".{offered.FORMATS[name].suffix}" and made.path.stat().st_size > 1000
    assert len({check.case for check in made.checks}) == 3
    assert all(check.passed for check in made.checks)


@pytest.mark.parametrize("name", ["safetensors", "onnx", "source"])
def test_the_deploy_form_is_compared_with_the_neck_itself(name: str, tmp_path: Path) -> None:
    subnet = trained(reference.build("bifpn", CHANNELS, width=16, repeats=1))
    made = formats.write(name, tmp_path / "deploy", subnet, CARD, deploy=True)
    plain = formats.write(name, tmp_path / "plain", subnet, CARD)
    cases = [check.case for check in made.checks if check.what == "deploy form"]
    assert len(cases) == 3
    assert made.path.read_bytes() != plain.path.read_bytes()


def test_weights_that_were_written_wrong_are_a_failed_file(
    tmp_path: Path, subnet: Subnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trained(subnet.architecture, seed=1)
    honest = bundle.weights_file
    monkeypatch.setattr(bundle, "weights_file", lambda _: honest(other))
    with pytest.raises(FailedCheck, match=r"neck.safetensors, 97 x 131: difference \d"):
        formats.write("safetensors", tmp_path, subnet, CARD)


def test_a_model_of_other_weights_is_a_failed_file(
    tmp_path: Path, subnet: Subnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest: Callable[[Subnet], bytes] = onnx.export
    monkeypatch.setattr(onnx, "export", lambda _: honest(trained(subnet.architecture, seed=1)))
    with pytest.raises(FailedCheck, match=r"neck.onnx, 97 x 131: difference \d.*limit 0.0001"):
        formats.write("onnx", tmp_path, subnet, CARD)


def test_an_unknown_format_is_named(tmp_path: Path, subnet: Subnet) -> None:
    with pytest.raises(ExportError, match="no format 'pickle'; choose one of bundle, safetensors"):
        formats.write("pickle", tmp_path, subnet, CARD)


def test_what_a_neck_cannot_be_is_said_before_anything_is_made(tmp_path: Path) -> None:
    carafe = reference.build("fpn_carafe", CHANNELS)
    reasons = offered.obstacles(carafe)
    assert list(reasons) == ["onnx"] and "'carafe' has no counterpart in ONNX" in reasons["onnx"]
    deformed = reference.build("sepc", CHANNELS)
    reasons = offered.obstacles(deformed)
    assert reasons.keys() == offered.FORMATS.keys()
    assert all("'deform_conv'" in text and "export_safe" in text for text in reasons.values())
    with pytest.raises(ExportError, match="deform_conv"):
        formats.write("onnx", tmp_path / "none", Subnet(deformed), CARD)
    assert not (tmp_path / "none").exists()
    assert offered.obstacles(reference.build("bifpn", CHANNELS)) == {}


def test_the_neck_itself_is_left_as_it_was(tmp_path: Path, subnet: Subnet) -> None:
    before = {name: x.clone() for name, x in subnet.state_dict().items()}
    formats.write("onnx", tmp_path, subnet, CARD, deploy=True)
    assert all(torch.equal(x, before[name]) for name, x in subnet.state_dict().items())
