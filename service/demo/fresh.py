"""Loads a downloaded bundle in a fresh process that imports torch alone, and compares outputs."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from neck import Neck, read_safetensors
reference = read_safetensors(sys.argv[1] + "/reference.safetensors")
neck = Neck.from_safetensors(sys.argv[1] + "/neck.safetensors")
parts = {"input": {}, "output": {}}
for name, tensor in reference.items():
    part, _, level = name.partition(".")
    parts[part][int(level)] = tensor
with torch.no_grad():
    outputs = neck(parts["input"])
gaps = [(outputs[level] - wanted).abs().max().item() for level, wanted in parts["output"].items()]
names = {"search_space", "supernet", "evaluators", "search", "service", "safetensors"}
ours = sorted(names & set(sys.modules))
equal = all(torch.equal(outputs[level], wanted) for level, wanted in parts["output"].items())
print(json.dumps({"gap": max(gaps), "equal": equal, "levels": sorted(outputs), "ours": ours}))
"""


@dataclass(frozen=True)
class Comparison:
    """What the fresh process saw.

    Attributes:
        gap: largest absolute difference between its outputs and the service's.
        equal: whether they are the same to the bit.
        levels: of the outputs.
        ours: modules of this project that it imported; there must be none.
    """

    gap: float
    equal: bool
    levels: tuple[int, ...]
    ours: tuple[str, ...]


def compare(bundle: Path, folder: Path) -> Comparison:
    """Unpack a bundle, run its neck on the reference input in a fresh process, and return what came of it.

    Raises:
        RuntimeError: the process failed; carries its last words.
    """
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    command = [sys.executable, "-I", "-c", SCRIPT, str(folder.absolute())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"the bundle could not be used in a fresh process: {done.stderr.strip()[-500:]}")
    record = json.loads(done.stdout.strip().splitlines()[-1])
    return Comparison(record["gap"], record["equal"], tuple(record["levels"]), tuple(record["ours"]))
