"""A bundle: complete, the same each time, bit-equal in a process with torch alone, not offered when wrong."""

import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from search_space import reference
from search_space.architecture import Architecture
from supernet.errors import ExportError
from supernet.export import onnx, safetensors, source, verify
from supernet.export.bundle import ARCHIVE, weights_file, write_bundle
from supernet.export.card import Card
from supernet.export.errors import FailedCheck
from supernet.export.importing import import_neck
from supernet.subnet import Subnet
from tests.unit.supernet.export.necks import CHANNELS, random_architectures, trained


def score(metric: str, value: float, unit: str, origin: str, stderr: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(metric=metric, value=value, unit=unit, source=origin, stderr=stderr)


@pytest.fixture
def card() -> Card:
    return Card(
        title="Neck of a test.",
        dataset="digits, revision 3",
        device="one core",
        image_size=(128, 128),
        scores=[
            score("ap", 0.612, "1", "inherited", 0.013),
            score("latency_ms", 11.2, "ms", "measured", 0.4),
        ],
        baselines={"fpn": [score("ap", 0.59, "1", "inherited", 0.012)]},
        found=["Found by search 17."],
    )


@pytest.fixture
def subnet() -> Subnet:
    return trained(reference.build("bifpn", CHANNELS, width=16, repeats=2))


def test_it_is_complete_and_the_same_each_time(tmp_path: Path, subnet: Subnet, card: Card) -> None:
    made = [write_bundle(tmp_path / name, subnet, card=card, topology_svg="<svg/>") for name in ("a", "b")]
    assert made[0].sha256 == made[1].sha256
    with zipfile.ZipFile(tmp_path / "a" / ARCHIVE) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        text = archive.read("card.md").decode()
    assert names == set(made[0].files)
    assert names == {
        "adapters.py",
        "architecture.json",
        "card.md",
        "neck.onnx",
        "neck.py",
        "neck.safetensors",
        "reference.safetensors",
        "topology.svg",
    }
    assert "| this neck | 0.612 ± 0.013 (inherited) | 11.2 ± 0.4 (measured) |" in text
    assert "| fpn | 0.59 ± 0.012 (inherited) | - |" in text
    assert all(check.passed for check in made[0].checks)
    assert len({check.case for check in made[0].checks if check.what == "neck.onnx"}) == 3


def test_it_can_be_imported_again(tmp_path: Path, subnet: Subnet, card: Card) -> None:
    write_bundle(tmp_path, subnet, card=card)
    again = import_neck(tmp_path / "architecture.json", tmp_path / "neck.safetensors")
    stored = safetensors.read(tmp_path / "reference.safetensors").tensors
    given = {int(n.removeprefix("input.")): x for n, x in stored.items() if n.startswith("input.")}
    with torch.no_grad():
        made = again(given)
    assert all(torch.equal(stored[f"output.{level}"], x) for level, x in made.items())


def test_many_necks_run_in_a_process_with_torch_alone(tmp_path: Path) -> None:
    necks: dict[str, Architecture] = {
        **{name: reference.build(name, CHANNELS) for name in ("fpn", "pafpn", "bifpn")},
        **{f"grid{i}": a for i, a in enumerate(random_architectures("fusion_grid", 6, seed=3))},
    }
    folders = []
    for name, architecture in necks.items():
        subnet = trained(architecture)
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        (folders[-1] / "neck.py").write_text(source.generate(architecture))
        (folders[-1] / "neck.safetensors").write_bytes(weights_file(subnet))
        verify.write_references(folders[-1], subnet)
    for name, checks in zip(necks, verify.check_source(folders), strict=True):
        assert len(checks) == 3
        assert all(check.passed for check in checks), (name, checks)


def write_neck(folder: Path, subnet: Subnet, text: str) -> None:
    (folder / "neck.py").write_text(text)
    (folder / "neck.safetensors").write_bytes(weights_file(subnet))
    verify.write_references(folder, subnet)


def test_a_process_with_torch_alone_cannot_import_more(tmp_path: Path, subnet: Subnet) -> None:
    text = source.generate(subnet.architecture).replace("import json\n", "import json\nimport supernet\n", 1)
    write_neck(tmp_path, subnet, text)
    with pytest.raises(FailedCheck, match="may not import supernet"):
        verify.check_source([tmp_path])


def test_source_that_computes_something_else_is_found(tmp_path: Path, subnet: Subnet) -> None:
    text = source.generate(subnet.architecture).replace("F.relu(self.weight)", "F.relu(self.weight) + 1e-6")
    write_neck(tmp_path, subnet, text)
    (checks,) = verify.check_source([tmp_path])
    assert not any(check.passed for check in checks)
    with pytest.raises(FailedCheck, match=r"reference_97x131: difference \d"):
        verify.require(checks)


def test_an_onnx_model_of_other_weights_is_a_failed_bundle(
    tmp_path: Path, subnet: Subnet, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trained(subnet.architecture, seed=1)
    honest = onnx.export
    monkeypatch.setattr(onnx, "export", lambda _: honest(other))
    with pytest.raises(FailedCheck, match=r"neck.onnx, 97 x 131: difference \d"):
        write_bundle(tmp_path, subnet, card=card)
    assert not (tmp_path / ARCHIVE).exists()


def test_an_operation_that_cannot_be_exported_is_named_before_anything_is_written(
    tmp_path: Path, subnet: Subnet, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source.source_ops, "names", lambda: ("conv", "norm", "act", "pool", "resize"))
    with pytest.raises(ExportError, match="operation 'weighted_sum' cannot be written"):
        write_bundle(tmp_path / "none", subnet, card=replace(card, title="x"))
    assert not (tmp_path / "none").exists()


def test_the_deploy_form_is_an_option(tmp_path: Path, subnet: Subnet, card: Card) -> None:
    made = write_bundle(tmp_path, subnet, card=card, deploy=True)
    assert "BatchNorm2d" not in (tmp_path / "neck.py").read_text()
    assert len([check for check in made.checks if check.what == "deploy form" and check.passed]) == 3


def test_a_neck_without_onnx_says_so_on_its_card(tmp_path: Path, card: Card) -> None:
    carafe = trained(reference.build("fpn_carafe", CHANNELS, width=16))
    made = write_bundle(tmp_path, carafe, card=card)
    assert "neck.onnx" not in made.files
    assert "There is no ONNX file" in (tmp_path / "card.md").read_text()


def test_the_card_shows_how_to_load_it(tmp_path: Path, subnet: Subnet, card: Card) -> None:
    write_bundle(tmp_path, subnet, card=card)
    shown = (tmp_path / "card.md").read_text().split("```python\n")[1].split("```")[0]
    maps = "c3, c4, c5 = (torch.randn(1, c, s, s) for c, s in ((16, 16), (24, 8), (32, 4)))"
    code = f"import torch\n{maps}\n{shown}\nassert set(features) == {{3, 4, 5, 6, 7}}"
    command = [sys.executable, "-B", "-c", code]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
