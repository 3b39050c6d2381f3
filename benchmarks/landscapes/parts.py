"""What a long benchmark has measured so far, so that an interrupted run goes on."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".cache" / "benchmarks" / "search"
SOURCES = (ROOT / "search", ROOT / "search_space", ROOT / "benchmarks" / "landscapes")
MODEL = {
    ROOT / "search" / "strategies" / "surrogate.py",
    *(ROOT / "search" / "surrogate" / f"{n}.py" for n in ("acquisition", "design", "features", "gaussian")),
    ROOT / "search" / "surrogate" / "model.py",
}
"""What only the default strategy uses: a change of it leaves the parts of others as they are."""


class Parts:
    """Measured parts by name, each in a file, apart for every state of the code that they come from.

    Attributes:
        folder: where the files lie.
    """

    def __init__(self, work: Path = WORK, sources: Iterable[Path] = SOURCES) -> None:
        self.folder = work
        self.folder.mkdir(parents=True, exist_ok=True)
        files = sorted({file for root in sources for file in root.rglob("*.py")})
        self._with, self._without = _digest(files), _digest(file for file in files if file not in MODEL)

    def has(self, name: str, *, model: bool = True) -> bool:
        """Return whether a part is measured; without `model` the default strategy has no say in it."""
        return self._path(name, model).exists()

    def get(self, name: str, *, model: bool = True) -> Any:
        """Return a measured part."""
        return json.loads(self._path(name, model).read_text(encoding="utf-8"))

    def keep(self, name: str, found: object, *, model: bool = True) -> None:
        """Store a part; it is there whole or not at all."""
        path = self._path(name, model)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(found), encoding="utf-8")
        temporary.replace(path)

    def once(self, name: str, measure: Callable[[], Any], *, model: bool = True) -> Any:
        """Return a part, measured now where it is missing."""
        if not self.has(name, model=model):
            self.keep(name, measure(), model=model)
        return self.get(name, model=model)

    def _path(self, name: str, model: bool) -> Path:
        return self.folder / f"{name}.{self._with if model else self._without}.json"


def _digest(files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()[:12]
