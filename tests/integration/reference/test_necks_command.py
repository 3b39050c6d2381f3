"""`neckline necks`."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from search_space.architecture import Architecture
from search_space.published import ROWS
from search_space.reference import build, files
from service.commands.necks import app

RUN = CliRunner()


def test_list_names_every_neck() -> None:
    shown = RUN.invoke(app, ["list"])
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in files())
    necks = json.loads(RUN.invoke(app, ["list", "--json"]).stdout)
    assert [neck["name"] for neck in necks] == list(files())
    assert all(neck["description"] for neck in necks)


def test_show_prints_cost_and_outputs() -> None:
    shown = RUN.invoke(
        app, ["show", "fpn", "--option", "more=2", "-o", "extra=c5", "--image-size", "640x480"]
    )
    assert shown.exit_code == 0
    assert "7,997,440 parameters" in shown.stdout and "exports to ONNX" in shown.stdout
    assert "P7: 256 channels, 5 x 4" in shown.stdout
    assert "more=2" in shown.stdout and "extra=c5" in shown.stdout
    assert "conv 3x3 /2" in shown.stdout


def test_show_as_json_is_the_architecture() -> None:
    arguments = ["show", "rep_gfpn", "--channels", "2=8,3=16,4=24,5=32", "-o", "widths=[8,16,32]", "--json"]
    made = Architecture.from_json(RUN.invoke(app, arguments).stdout)
    assert made == build("rep_gfpn", {2: 8, 3: 16, 4: 24, 5: 32}, widths=(8, 16, 32))


def test_draw_prints_or_writes_svg(tmp_path: Path) -> None:
    printed = RUN.invoke(app, ["draw", "bifpn@d1", "--theme", "dark"]).stdout
    assert ElementTree.fromstring(printed).tag.endswith("svg")
    file = tmp_path / "neck.svg"
    assert RUN.invoke(app, ["draw", "bifpn@d1", "--theme", "dark", "-O", str(file)]).exit_code == 0
    assert file.read_text(encoding="utf-8") == printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "bifnp"], "did you mean 'bifpn'"),
        (["show", "fpn", "-o", "widht=3"], "no option 'widht'"),
        (["show", "fpn", "-o", "width"], "NAME=VALUE"),
        (["show", "fpn", "--channels", "3:512"], "channels are written as"),
        (["show", "fpn", "--image-size", "640"], "an image size is written as"),
        (["draw", "fpn", "--theme", "blue"], "unknown theme 'blue'"),
        (["draw", "fpn", "-O", "/no/such/folder/neck.svg"], "No such file"),
    ],
)
def test_mistakes_are_named(arguments: list[str], says: str) -> None:
    result = RUN.invoke(app, arguments, env={"COLUMNS": "300", "TERM": "dumb"})
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())


def test_verify_prints_the_table() -> None:
    shown = RUN.invoke(app, ["verify"])
    assert shown.exit_code == 0
    assert "7,997,440" in shown.stdout and "DIFFERS" not in shown.stdout
    assert f"{len(ROWS)} of {len(ROWS)} rows agree" in shown.stdout
    found = json.loads(RUN.invoke(app, ["verify", "--json"]).stdout)
    assert [entry["neck"] for entry in found] == [row.label for row in ROWS]
    assert all(entry["agrees"] for entry in found)
