"""``neckline import``: a neck from elsewhere or a published one: checked, bundled, scored as a baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands._remote import DATA, AsJson, Data, Key, Url, connected, show

if TYPE_CHECKING:
    from search_space.architecture import Architecture
    from supernet.subnet import Subnet


def command(
    neck: Annotated[str, typer.Argument(help="An architecture.json, or a published neck's name.")],
    weights: Annotated[
        Path | None, typer.Argument(help="Its .safetensors file: of a bundle, or a subnet's own.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="A folder to write a checked bundle into.")] = None,
    title: Annotated[str, typer.Option(help="The bundle's title.")] = "An imported neck.",
    supernet: Annotated[
        str | None, typer.Option(help="Search this supernet of the service with the neck as a baseline.")
    ] = None,
    evaluations: Annotated[int, typer.Option(min=1, help="Of that search, baselines left out.")] = 16,
    name: Annotated[str, typer.Option(help="What the baseline is called.")] = "imported",
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Check a neck and say what it is; make a bundle of it, or a baseline of a search, where asked."""
    from search_space.errors import SearchSpaceError
    from supernet.errors import SupernetError

    published = weights is None and not Path(neck).exists()
    try:
        found = {"name": neck} if published else _checked(Path(neck), weights, bundle, title)
        if published:
            _require_published(neck, bundle, supernet)
    except (SearchSpaceError, SupernetError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if supernet is not None:
        wanted: dict[str, Any] = {"budget": {"evaluations": evaluations}, "label": f"with {found['name']}"}
        with connected(url, key, data) as client:
            if published:
                wanted["baselines"] = ["fpn", "pafpn", "bifpn", neck]
            else:
                sent = None if weights is None else client.send_weights(weights)
                graph = json.loads(Path(neck).read_text())
                wanted["imports"] = [{"name": name, "architecture": graph, "weights": sent}]
            found["search"] = client.search(supernet, **wanted).id
    show(found, as_json=as_json, text=lambda: "\n".join(f"{key}: {value}" for key, value in found.items()))


def _require_published(name: str, bundle: Path | None, supernet: str | None) -> None:
    """Return if a published neck is called so and is to be scored: without weights it can be no more.

    Raises:
        UnknownName: there is no such neck; the message offers near matches.
        typer.BadParameter: nothing is asked of it.
    """
    from search_space import reference
    from search_space.errors import UnknownName, near

    if name not in reference.names():
        known = reference.names()
        raise UnknownName(f"'{name}' is neither a file nor a published neck{near(name, known)}")
    if bundle is not None or supernet is None:
        raise typer.BadParameter("a published neck has no weights: give --supernet to score it as a baseline")


def _checked(architecture: Path, weights: Path | None, bundle: Path | None, title: str) -> dict[str, Any]:
    from supernet.export.importing import import_neck, read_architecture

    if weights is None:
        if bundle is not None:
            raise typer.BadParameter("a bundle needs the weights too: give the .safetensors file")
        return _facts(read_architecture(architecture))
    subnet = import_neck(architecture, weights)
    found = _facts(subnet.architecture)
    return found if bundle is None else found | {"bundle": str(_bundle(bundle, subnet, title))}


def _facts(neck: Architecture) -> dict[str, Any]:
    from supernet.export.offered import obstacles

    return {
        "name": neck.key[:12],
        "key": neck.key,
        "channels_in": {entry.level: entry.channels for entry in neck.inputs},
        "channels_out": {level: shape.channels for level, shape in neck.output_shapes().items()},
        "nodes": len(neck.live),
        "parameters": neck.parameters(),
        "exports_to_onnx": neck.export_safe,
        "obstacles": obstacles(neck),
    }


def _bundle(folder: Path, subnet: Subnet, title: str) -> Path:
    from supernet.export.bundle import write_bundle
    from supernet.export.card import Card

    return write_bundle(folder, subnet, card=Card(title=title)).path
