"""``neckline agent``: measure necks for a service on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    url: Annotated[str, typer.Argument(help="The service's address.")],
    token: Annotated[str | None, typer.Option(help="One-time token; needed at the first start.")] = None,
    state: Annotated[Path, typer.Option(help="Where the agent's secret is kept.")] = Path(
        "neckline-agent.json"
    ),
    provider: Annotated[
        str, typer.Option(help="ONNX Runtime's execution provider.")
    ] = "CPUExecutionProvider",
    runner: Annotated[
        str | None, typer.Option(help='Another program that runs models: "bench {model} {runs}".')
    ] = None,
    once: Annotated[bool, typer.Option(help="Stop after one batch, or when there is none.")] = False,
    source: Annotated[
        bool, typer.Option(help="Print the agent's one file, to be copied to a device, and stop.")
    ] = False,
) -> None:
    """Measure necks for a service: enrol once, then take batches of models and send back raw times.

    The agent is one file that needs Python, onnxruntime and the standard library: see --source.
    """
    from evaluators import agent

    if source:
        typer.echo(Path(agent.__file__).read_text(encoding="utf-8"), nl=False)
        return
    given = [url, "--state", str(state), "--provider", provider]
    given += ["--token", token] if token else []
    given += ["--command", runner] if runner else []
    raise typer.Exit(agent.main([*given, *(["--once"] if once else [])]))
