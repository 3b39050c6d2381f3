"""``neckline supernets``: train and list supernets with a running service."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from service.commands._remote import DATA, AsJson, Data, Key, Url, connected, rows, show

app = typer.Typer(help="Train supernets with a running service.", no_args_is_help=True)


@app.command()
def train(
    dataset: Annotated[str, typer.Argument(help="Id of a dataset.")],
    space: Annotated[str, typer.Option(help="A shipped space.")] = "fusion_grid",
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.")] = None,
    backbone: Annotated[str, typer.Option(help="'plain' or a timm model.")] = "plain",
    rule: Annotated[str | None, typer.Option(help="Training rule.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and architectures.")] = 0,
    warm_start: Annotated[
        str | None, typer.Option(help="Id of an earlier supernet of a compatible space to begin from.")
    ] = None,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Queue a training and print the supernet's id."""
    spec: dict[str, Any] = {"space": space, "backbone": {"name": backbone}, "seed": seed}
    given = {"steps": steps, "rule": rule, "warm_start": warm_start}
    spec |= {name: value for name, value in given.items() if value is not None}
    with connected(url, key, data) as client:
        supernet = client.train(dataset, **spec)
    show(supernet.raw, as_json=as_json, text=lambda: supernet.id)


@app.command("list")
def list_(url: Url = None, key: Key = None, data: Data = DATA, as_json: AsJson = False) -> None:
    """List supernets, newest first."""
    with connected(url, key, data) as client:
        found = [supernet.raw for supernet in client.supernets()]
    show(found, as_json=as_json, text=lambda: rows(found, ("id", "name", "state", "revision", "created_at")))
