"""``neckline gc``: give back the disk that old work holds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def command(
    days: Annotated[float | None, typer.Option(help="Age in days; NECKLINE_RETENTION_DAYS if unset.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be removed.")] = False,
    data: Annotated[Path | None, typer.Option(help="The service's folder.")] = None,
    database_url: Annotated[str | None, typer.Option(help="The service's database.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove events, artifacts and checkpoints of work that ended long ago; results stay."""
    from service.commands._settings import settings_with
    from service.retention import collect
    from service.wiring import open_store

    settings = settings_with(data=data, database_url=database_url)
    store = open_store(settings)
    try:
        found = collect(store, days=settings.retention_days if days is None else days, dry_run=dry_run)
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    verb = "Would remove" if dry_run else "Removed"
    typer.echo(
        f"{verb} {found.events} events, {found.artifacts} artifacts, {found.replays} stored replies, "
        f"{found.files} files and {found.checkpoints} checkpoints: {found.bytes / 1e6:.1f} MB."
    )
