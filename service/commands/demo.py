"""``neckline demo``: the whole product in one go."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer


def _end(*_: object) -> None:
    """Leave by an exception, so that the service and all its processes end too."""
    raise SystemExit(143)


def command(
    data: Annotated[Path, typer.Option(help="Folder of the demo's service.")] = Path(".neckline/demo"),
    steps: Annotated[int | None, typer.Option(help="Optimizer steps; the demo's preset if unset.")] = None,
    images: Annotated[int, typer.Option(help="Training images.")] = 1024,
    evaluations: Annotated[int, typer.Option(help="Architectures that the search scores.")] = 40,
    budget_ms: Annotated[
        float | None, typer.Option(help="Latency of the chosen neck; FPN's if unset.")
    ] = None,
    bound_ms: Annotated[float, typer.Option(help="Latency that no neck of the search may exceed.")] = 2.0,
    kill_worker: Annotated[bool, typer.Option(help="Kill the worker in the middle of the search.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
) -> None:
    """Make digits, train a supernet, search it, show the front, download a neck and use it elsewhere."""
    from rich.console import Console

    from service.client import ApiError, JobFailed
    from service.demo.process import NotReady
    from service.demo.run import Choices, DemoFailed, demonstrate

    signal.signal(signal.SIGTERM, _end)
    console = Console()
    if not console.is_terminal:
        console.width = 120
    choices = Choices(data, steps, images, evaluations, budget_ms, bound_ms, kill_worker, seed)
    try:
        demonstrate(choices, console)
    except (ApiError, DemoFailed, JobFailed, NotReady) as error:
        console.print(f"[red]The demo failed:[/red] {error}")
        raise typer.Exit(1) from error
