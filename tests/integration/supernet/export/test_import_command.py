"""`neckline import`: says what a neck is, makes a bundle of it, and names what is wrong with a bad one."""

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from search_space import reference
from service.commands import import_
from supernet.export.bundle import weights_file
from supernet.subnet import Subnet
from tests.unit.supernet.export.necks import CHANNELS, trained

cli = Typer()
cli.command()(import_.command)


@pytest.fixture
def subnet() -> Subnet:
    return trained(reference.build("fpn", CHANNELS, width=16))


@pytest.fixture
def files(tmp_path: Path, subnet: Subnet) -> list[str]:
    (tmp_path / "architecture.json").write_text(subnet.architecture.to_json())
    (tmp_path / "neck.safetensors").write_bytes(weights_file(subnet))
    return [str(tmp_path / "architecture.json"), str(tmp_path / "neck.safetensors")]


def test_it_says_what_the_neck_is(files: list[str], subnet: Subnet) -> None:
    result = CliRunner().invoke(cli, [*files, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["key"] == subnet.architecture.key
    assert found["parameters"] == sum(p.numel() for p in subnet.parameters())
    assert found["channels_in"] == {str(level): width for level, width in CHANNELS.items()}


def test_it_makes_a_checked_bundle(files: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, [*files, "--bundle", str(tmp_path / "made")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "made" / "neck.zip").is_file()
    assert "neck.zip" in result.stdout


def test_weights_of_another_neck_are_an_error_that_names_them(files: list[str]) -> None:
    other = trained(reference.build("pafpn", CHANNELS, width=16))
    Path(files[1]).write_bytes(weights_file(other))
    result = CliRunner().invoke(cli, files)
    assert result.exit_code == 1
    assert "of another neck" in result.stderr
    assert files[1] in result.stderr


def test_a_pickle_is_refused(files: list[str]) -> None:
    import torch

    torch.save({"a": torch.ones(2)}, files[1])
    result = CliRunner().invoke(cli, files)
    assert result.exit_code == 1
    assert "its header claims" in result.stderr


def test_an_architecture_alone_says_what_it_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "architecture.json"
    file.write_text(reference.build("fpn_carafe", CHANNELS).to_json())
    result = CliRunner().invoke(cli, [str(file), "--json"])
    assert result.exit_code == 0, result.output
    assert list(json.loads(result.stdout)["obstacles"]) == ["onnx"]
    result = CliRunner().invoke(cli, [str(file), "--bundle", str(tmp_path / "made")])
    assert result.exit_code == 2 and "needs the weights" in result.output


@pytest.mark.parametrize(
    ("name", "code", "words"), [("bifpm", 1, "did you mean"), ("bifpn", 2, "--supernet")]
)
def test_a_published_neck_is_a_baseline_or_nothing(name: str, code: int, words: str) -> None:
    result = CliRunner().invoke(cli, [name])
    assert result.exit_code == code
    assert words in result.output
