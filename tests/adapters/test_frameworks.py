"""Written necks in mmdetection's and detectron2's own RetinaNet, as the examples put them there.

The libraries live in an environment of their own, which `make adapters` makes: one that has torch and nothing
of this project, as a user's has.
"""

import inspect
import os
import subprocess
from pathlib import Path

import pytest
from safetensors.torch import save_file

from search_space import reference
from supernet.export import adapters, source
from tests.unit.supernet.export.necks import trained

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / os.environ.get("NECKLINE_ADAPTERS", ".venv-adapters") / "bin" / "python"
RESNET18 = {3: 128, 4: 256, 5: 512}

pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason="`make adapters` makes the environment of this"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


@pytest.mark.parametrize("framework", ["mmdetection", "detectron2"])
@pytest.mark.parametrize("name", ["fpn", "bifpn"])
def test_a_neck_trains_and_detects_in(framework: str, name: str, tmp_path: Path) -> None:
    subnet = trained(reference.build(name, RESNET18, width=32))
    (tmp_path / "neck.py").write_text(source.generate(subnet.architecture))
    (tmp_path / "adapters.py").write_text(inspect.getsource(adapters))
    save_file(source.renamed(subnet, subnet.architecture), tmp_path / "neck.safetensors")
    example = ROOT / "examples" / f"neck_in_{framework}.py"
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    made = subprocess.run(
        [PYTHON, "-P", "-W", "ignore", example, tmp_path],
        cwd=tmp_path,
        env={**clean, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1].startswith("trained a step (loss"), made.stdout
