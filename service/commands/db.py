"""``neckline db``: upgrade, back up and check the database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from service.store import Store

app = typer.Typer(help="Upgrade, back up and check the service's database.", no_args_is_help=True)
Url = Annotated[
    str | None, typer.Option(help="The database; NECKLINE_DATABASE_URL or SQLite below DATA if unset.")
]
Data = Annotated[Path | None, typer.Option(help="The service's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def upgrade(database_url: Url = None, data: Data = None, as_json: AsJson = False) -> None:
    """Bring the schema up to this version's."""
    from service import schema

    with _store(database_url, data) as store:
        revision = schema.upgrade(store.database)
    typer.echo(json.dumps({"revision": revision}) if as_json else f"The schema is at revision {revision}.")


@app.command()
def backup(target: Path, database_url: Url = None, data: Data = None, as_json: AsJson = False) -> None:
    """Write a consistent copy of the database, which may be in use."""
    from service import schema
    from service.errors import Conflict

    with _store(database_url, data) as store:
        try:
            written = schema.backup(store.database, target)
        except Conflict as error:
            raise typer.BadParameter(str(error)) from error
    size = written.stat().st_size
    typer.echo(json.dumps({"path": str(written), "bytes": size}) if as_json else f"{written}: {size} bytes")


@app.command()
def check(database_url: Url = None, data: Data = None, as_json: AsJson = False) -> None:
    """Compare the schema with the one that this version expects; exit 1 where they differ."""
    from service import schema

    with _store(database_url, data) as store:
        found = schema.check(store.database)
    if as_json:
        record = {"revision": found.revision, "newest": found.newest, "differences": list(found.differences)}
        typer.echo(json.dumps(record))
    else:
        typer.echo(f"revision {found.revision}, newest {found.newest}")
        for difference in found.differences:
            typer.echo(difference)
    if not found.current or found.differences:
        raise typer.Exit(1)


@contextmanager
def _store(database_url: str | None, data: Path | None) -> Iterator[Store]:
    from service.commands._settings import settings_with
    from service.wiring import open_store

    store = open_store(settings_with(database_url=database_url, data=data))
    try:
        yield store
    finally:
        store.close()
