"""`docs/using_a_neck.md`: every Python block runs beside a bundle, and its table names every file."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from search_space import reference
from supernet.export.bundle import ARCHIVE, write_bundle
from supernet.export.card import Card
from tests.unit.supernet.export.necks import CHANNELS, trained

PAGE = (Path(__file__).parents[4] / "docs" / "using_a_neck.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bundle")
    subnet = trained(reference.build("pafpn", CHANNELS, width=32))
    write_bundle(made, subnet, card=Card(title="A neck."), topology_svg="<svg/>")
    return made


def test_every_block_runs(folder: Path) -> None:
    code = "\n\n".join(
        f"def block_{index}():\n    {block.replace(chr(10), chr(10) + '    ')}"
        for index, block in enumerate(BLOCKS)
    )
    calls = "\n".join(f"block_{index}()" for index in range(len(BLOCKS)))
    command = [sys.executable, "-B", "-c", f"{code}\n\n{calls}\n"]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert len(BLOCKS) == 5


def test_every_file_of_a_bundle_is_named(folder: Path) -> None:
    with zipfile.ZipFile(folder / ARCHIVE) as archive:
        missing = [name for name in archive.namelist() if f"`{name}`" not in PAGE]
    assert not missing
