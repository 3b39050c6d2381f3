"""Run as a script in a process of its own: runs each folder's `neck.py` on its `reference*.safetensors`.

    python -I fresh.py THREADS BLOCKED,PACKAGES FOLDER...

Writes a line of JSON a folder: by reference file, how far the outputs are apart (0 where they are bit-equal).
This file imports torch alone, and what it loads cannot import more.
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
        self._names = frozenset(names)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Raise ImportError for a blocked package."""
        if fullname.partition(".")[0] in self._names:
            raise ImportError(f"neck.py may import torch alone, but imports {fullname}")


def load(path: str) -> ModuleType:
    """Return the module of a Python file."""
    spec = importlib.util.spec_from_file_location("neck", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare(folder: str) -> dict[str, float | None]:
    """Return the largest difference by reference file: 0 where bit-equal, None where the shapes differ."""
    module = load(f"{folder}/neck.py")
    neck = module.Neck.from_safetensors(f"{folder}/neck.safetensors")
    found: dict[str, float | None] = {}
    for path in sorted(Path(folder).glob("reference*.safetensors")):
        stored = module.read_safetensors(path)
        found[path.stem] = _difference(neck(_levels(stored, "input.")), _levels(stored, "output."))
    return found


def _levels(stored: dict[str, Any], prefix: str) -> dict[int, Any]:
    return {int(name.removeprefix(prefix)): x for name, x in stored.items() if name.startswith(prefix)}


def _difference(made: dict[int, Any], wanted: dict[int, Any]) -> float | None:
    if made.keys() != wanted.keys() or any(made[level].shape != wanted[level].shape for level in wanted):
        return None
    return max(float((made[level] - wanted[level]).abs().max()) for level in wanted)


def main(threads: str, blocked: str, *folders: str) -> None:
    """Compare every folder and write what was found."""
    sys.meta_path.insert(0, Blocker([*OURS, *blocked.split(",")]))
    import torch

    torch.set_num_threads(int(threads))
    torch.set_grad_enabled(False)
    for folder in folders:
        sys.stdout.write(json.dumps(compare(folder)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
