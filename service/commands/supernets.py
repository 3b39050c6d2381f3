"""``neckline supernets``: train, rank and list supernets with a running service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from service.commands._remote import DATA, AsJson, Data, Key, Url, connected, rows, show

app = typer.Typer(help="Train supernets with a running service.", no_args_is_help=True)


@app.command()
def train(
    dataset: Annotated[str, typer.Argument(help="Id of a dataset.")],
    space: Annotated[str | None, typer.Option(help="A shipped space; that of the demo by default.")] = None,
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
    spec: dict[str, Any] = {"backbone": {"name": backbone}, "seed": seed}
    given = {"space": space, "steps": steps, "rule": rule, "warm_start": warm_start}
    spec |= {name: value for name, value in given.items() if value is not None}
    with connected(url, key, data) as client:
        supernet = client.train(dataset, **spec)
    show(supernet.raw, as_json=as_json, text=lambda: supernet.id)


@app.command()
def rank(
    supernet: Annotated[str, typer.Argument(help="Id of a supernet.")],
    architectures: Annotated[int, typer.Option(min=4, help="Distinct ones, drawn uniformly.")] = 12,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings alone of each.")] = 2,
    truth_steps: Annotated[int, typer.Option(min=1, help="Optimizer steps of a training alone.")] = 300,
    wait: Annotated[bool, typer.Option(help="Wait for the estimate; without, print the job's id.")] = True,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Estimate how truly a supernet ranks architectures: it comes with every search on it."""
    with connected(url, key, data) as client:
        ranking = client.rank(supernet, architectures=architectures, seeds=seeds, truth_steps=truth_steps)
        if wait:
            ranking = client.wait(ranking)
    found = ranking.estimate
    show(ranking.raw, as_json=as_json, text=lambda: ranking.id if found is None else _estimate(found))


def _estimate(found: Mapping[str, Any]) -> str:
    """Return the rank correlations as lines, the trivial orders beside the scores'."""
    lines = [
        {"score": f"{name} validation loss", **found[name]["tau"], "regret": found[name]["regret"]}
        for name in ("inherited", "adapted")
    ]
    lines += [{"score": f"{name} alone", **found[name]} for name in ("parameters", "macs")]
    ceiling = "unknown" if found["ceiling"] is None else f"{found['ceiling']:.2f}"
    head = f"{found['architectures']} architectures, truth spread {found['spread']:.3f} AP, ceiling {ceiling}"
    shown = [{**line, "tau": line["value"]} for line in lines]
    return head + "\n" + rows(shown, ("score", "tau", "low", "high", "regret"))


@app.command("list")
def list_(url: Url = None, key: Key = None, data: Data = DATA, as_json: AsJson = False) -> None:
    """List supernets, newest first."""
    with connected(url, key, data) as client:
        found = [supernet.raw for supernet in client.supernets()]
    show(found, as_json=as_json, text=lambda: rows(found, ("id", "name", "state", "revision", "created_at")))
