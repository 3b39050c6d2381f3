"""``neckline worker``: one more process that takes jobs from the queue."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import typer


def command(
    data: Annotated[
        Path | None, typer.Option(help="Folder of the work; shared with the API where it is local.")
    ] = None,
    database_url: Annotated[str | None, typer.Option(help="The service's database.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="A Ray cluster; a local Ray if unset.")] = None,
    name: Annotated[str | None, typer.Option(help="A name that no other worker has.")] = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Work on jobs until asked to end; what was begun goes back into the queue."""
    from service.commands._settings import settings_with
    from service.ray_cluster import UnsafeRay, check_address
    from service.wiring import configure_logging, open_store
    from service.worker import Worker

    settings = settings_with(data=data, database_url=database_url, ray_address=ray_address)
    configure_logging(settings.log_level)
    try:
        check_address(settings)
    except UnsafeRay as error:
        raise typer.BadParameter(str(error)) from error
    store = open_store(settings)
    worker = Worker(store, name=name)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if parent is not None:
        threading.Thread(target=_follow, args=(parent, worker.stop), daemon=True).start()
    try:
        worker.run()
    finally:
        store.close()


def _follow(parent: int, stop: object) -> None:
    """Stop when the process that started this one is gone."""
    assert callable(stop)
    while os.getppid() == parent:
        time.sleep(0.5)
    stop()
