"""Measured rows of a long benchmark, kept as soon as they are there, so that a run goes on where it ended."""

import json
from pathlib import Path
from typing import Any


class Rows:
    """Measured rows, one JSON object a line, each under the fields that identify it."""

    def __init__(self, file: Path) -> None:
        """Read what is there."""
        self._file, self.folder = file, file.parent
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = file.read_text().splitlines() if file.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def find(self, **fields: object) -> dict[str, Any] | None:
        """Return the row with these fields."""
        return next((row for row in self.rows if all(row.get(k) == v for k, v in fields.items())), None)

    def add(self, row: dict[str, Any]) -> None:
        """Append a row."""
        self.rows.append(row)
        with self._file.open("a") as file:
            file.write(json.dumps(row) + "\n")
