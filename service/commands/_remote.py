"""Options of commands that talk to a running service, and how their answers are shown."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from service.client import ApiError, Client, JobFailed

Url = Annotated[
    str | None, typer.Option("--url", help="The service; NECKLINE_URL, or the one that runs on DATA.")
]
Key = Annotated[str | None, typer.Option("--api-key", help="NECKLINE_API_KEY, or DATA/admin.key.")]
Data = Annotated[Path, typer.Option("--data", help="Folder of a service on this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DATA = Path(".neckline")


@contextmanager
def connected(url: str | None, key: str | None, data: Path) -> Iterator[Client]:
    """Yield a client; what the service refuses ends the command with its reason.

    Raises:
        typer.Exit: the service refused, or a job failed.
        typer.BadParameter: no service or no key is known.
    """
    folder = Path(os.environ.get("NECKLINE_DATA", data))
    address = url or os.environ.get("NECKLINE_URL") or _read(folder / "address")
    secret = key or os.environ.get("NECKLINE_API_KEY") or _read(folder / "admin.key")
    if address is None:
        raise typer.BadParameter("no service is known: start one with 'neckline serve', or give --url")
    try:
        with Client(address, secret) as client:
            yield client
    except (ApiError, JobFailed) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def show(value: Any, *, as_json: bool, text: Callable[[], str]) -> None:
    """Print a value as JSON, or as text."""
    typer.echo(json.dumps(value) if as_json else text())


def rows(entries: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return entries as lines of aligned columns with a head."""
    table = [list(columns), *([_cell(entry.get(name)) for name in columns] for entry in entries)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _read(path: Path) -> str | None:
    return path.read_text().strip() if path.is_file() else None
