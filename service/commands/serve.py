"""``neckline serve``: the API, a worker and a local Ray, on loopback, with everything below one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the database, the work and the key.")] = None,
    database_url: Annotated[
        str | None, typer.Option(help="PostgreSQL or SQLite; SQLite below DATA if unset.")
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="A Ray cluster; a local Ray if unset.")] = None,
    worker: Annotated[bool, typer.Option(help="Run a worker beside the API.")] = True,
) -> None:
    """Start the service and keep it running until it is asked to end."""
    from service.commands._settings import settings_with
    from service.server import announce, bind, prepare, serve
    from service.wiring import configure_logging, open_store

    settings = settings_with(port=port, data=data, database_url=database_url, ray_address=ray_address)
    configure_logging(settings.log_level)
    store = open_store(settings)
    try:
        secret = prepare(store)
        listener = bind(settings)
        listener.listen(256)
        host, bound = listener.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        typer.echo(f"Neckline answers at {address}")
        if secret:
            typer.echo(f"Sign a browser in: {address}/signin?token={secret}")
            typer.echo(f"The key for clients is in {settings.data / 'admin.key'}")
        announce(settings.data, address)
        serve(store, listener, worker=worker)
    finally:
        store.close()
