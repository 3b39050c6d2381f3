"""``neckline import``: check a neck from elsewhere and make a bundle of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    architecture: Annotated[Path, typer.Argument(help="The neck's architecture.json.")],
    weights: Annotated[Path, typer.Argument(help="Its .safetensors file: of a bundle, or a subnet's own.")],
    bundle: Annotated[Path | None, typer.Option(help="A folder to write a checked bundle into.")] = None,
    title: Annotated[str, typer.Option(help="The bundle's title.")] = "An imported neck.",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a neck's architecture and weights, say what it is, and make a bundle of it where asked."""
    from search_space.errors import SearchSpaceError
    from supernet.errors import SupernetError
    from supernet.export.importing import import_neck

    try:
        subnet = import_neck(architecture, weights)
        made = None if bundle is None else _bundle(bundle, subnet, title)
    except (SearchSpaceError, SupernetError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    found = _facts(subnet) | ({} if made is None else {"bundle": str(made)})
    typer.echo(
        json.dumps(found) if as_json else "\n".join(f"{name}: {value}" for name, value in found.items())
    )


def _facts(subnet: object) -> dict[str, object]:
    from supernet.subnet import Subnet

    assert isinstance(subnet, Subnet)
    neck = subnet.architecture
    return {
        "key": neck.key,
        "channels_in": {entry.level: entry.channels for entry in neck.inputs},
        "channels_out": {level: shape.channels for level, shape in neck.output_shapes().items()},
        "nodes": len(neck.live),
        "parameters": neck.parameters(),
        "exports_to_onnx": neck.export_safe,
    }


def _bundle(folder: Path, subnet: object, title: str) -> Path:
    from supernet.export.bundle import write_bundle
    from supernet.export.card import Card
    from supernet.subnet import Subnet

    assert isinstance(subnet, Subnet)
    return write_bundle(folder, subnet, card=Card(title=title)).path
