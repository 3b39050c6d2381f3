"""Run as a script in a process of its own: runs written files and says how far they are from references.

    python -I fresh.py THREADS BLOCKED,PACKAGES

Reads a line `neck FOLDER` or `detector FOLDER` a request and answers with a line of JSON: by reference file,
how far the outputs are apart (0 where they are bit-equal, null where the shapes differ). A neck may import
torch alone; a detector anything but this project. This file itself imports torch alone.
"""

import importlib.util
import json
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

OURS = ("search_space", "supernet", "evaluators", "search", "service")


class Blocker(MetaPathFinder):
    """Refuses to import some packages."""

    def __init__(self, names: Sequence[str]) -> None:
        """Block the packages of these names."""
        self.names = frozenset(names)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Raise ImportError for a blocked package."""
        if fullname.partition(".")[0] in self.names:
            raise ImportError(f"this file may not import {fullname}")


def load(path: str, name: str) -> ModuleType:
    """Return the module of a Python file."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def neck(folder: str) -> dict[str, float | None]:
    """Return the largest difference by reference file of `neck.py` with its weights."""
    module = load(f"{folder}/neck.py", "neck")
    made = module.Neck.from_safetensors(f"{folder}/neck.safetensors")
    found: dict[str, float | None] = {}
    for path in sorted(Path(folder).glob("reference*.safetensors")):
        stored = module.read_safetensors(path)
        found[path.stem] = _difference(made(_levels(stored, "input.")), _levels(stored, "output."))
    return found


def detector(folder: str) -> dict[str, float | None]:
    """Return the largest difference of the detector of `detect.py` with its weights."""
    sys.path.insert(0, folder)
    module = load(f"{folder}/detect.py", "detect")
    stored = module.read_safetensors(f"{folder}/detector_reference.safetensors")
    made = module.Detector.from_safetensors(f"{folder}/detector.safetensors")(stored["images"])
    return {"detector_reference": _difference(made, _levels(stored, "output."))}


def _levels(stored: dict[str, Any], prefix: str) -> dict[int, Any]:
    return {int(name.removeprefix(prefix)): x for name, x in stored.items() if name.startswith(prefix)}


def _difference(made: dict[int, Any], wanted: dict[int, Any]) -> float | None:
    if made.keys() != wanted.keys() or any(made[level].shape != wanted[level].shape for level in wanted):
        return None
    return max(float((made[level] - wanted[level]).abs().max()) for level in wanted)


def main(threads: str, blocked: str) -> None:
    """Answer every request."""
    blocker = Blocker([*OURS, *blocked.split(",")])
    sys.meta_path.insert(0, blocker)
    import torch

    torch.set_num_threads(int(threads))
    torch.set_grad_enabled(False)
    for line in sys.stdin:
        kind, folder = line.rstrip("\n").split(" ", 1)
        if kind == "detector":
            blocker.names = frozenset(OURS)
        sys.stdout.write(json.dumps(neck(folder) if kind == "neck" else detector(folder)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
