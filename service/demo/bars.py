"""Progress bars over the service's jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining

from service.client import Client
from service.client_records import Record

R = TypeVar("R", bound=Record)


def bars(console: Console) -> Progress:
    """Return the progress display."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Remaining(),
    )
    return Progress(*columns, TextColumn("{task.fields[note]}"), console=console)


def follow(
    client: Client,
    record: R,
    progress: Progress,
    title: str,
    *,
    note: Callable[[Mapping[str, Any]], str] = lambda _: "",
    at: Callable[[R], None] = lambda _: None,
) -> R:
    """Return the record when its job has ended well, with a bar while it works.

    Raises:
        JobFailed: it failed.
    """
    task: TaskID = progress.add_task(title, total=None, note="queued")
    for found in client.watch(record):
        known = found.progress or {}
        progress.update(task, completed=known.get("step", 0), total=known.get("total"), note=note(known))
        at(found)
        record = found
    progress.update(task, note=record.state.lower().replace("_", " "))
    return client.wait(record)
