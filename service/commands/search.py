"""``neckline search``: submit, watch, list, look at the front, cancel and download, over the service's
API.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands._remote import DATA, AsJson, Data, Key, Url, connected, rows, show

app = typer.Typer(help="Search for necks with a running service.", no_args_is_help=True)
SearchId = Annotated[str, typer.Argument(help="The search's id.")]


@app.command()
def submit(
    supernet: Annotated[str, typer.Argument(help="Id of a supernet, trained or in training.")],
    objective: Annotated[list[str], typer.Option(help="A metric; repeat for more.")] = ["ap", "macs"],  # noqa: B006
    constraint: Annotated[list[str], typer.Option(help="metric<=value or metric>=value; repeat.")] = [],  # noqa: B006
    certain: Annotated[
        bool, typer.Option(help="Hold bounds by the end of the metric's 90 % interval, not by its value.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="Kind of device, for latency.")] = None,
    strategy: Annotated[str | None, typer.Option(help="How to choose; the default if unset.")] = None,
    evaluations: Annotated[int, typer.Option(min=1, help="Architectures to score.")] = 64,
    seed: Annotated[int, typer.Option(help="Of every random draw.")] = 0,
    label: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only validate and estimate.")] = False,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Queue a search and print its id."""
    spec: dict[str, Any] = {
        "objectives": objective,
        "constraints": [{**_bound(text), "certain": certain} for text in constraint],
        "devices": [] if device is None else [{"kind": device}],
        "budget": {"evaluations": evaluations},
        "seed": seed,
    }
    spec |= {name: value for name, value in (("strategy", strategy), ("label", label)) if value is not None}
    with connected(url, key, data) as client:
        if dry_run:
            found = client.validate(supernet, **spec)
            show(found, as_json=as_json, text=lambda: json.dumps(found, indent=2))
        else:
            search = client.search(supernet, **spec)
            show(search.raw, as_json=as_json, text=lambda: search.id)


@app.command()
def watch(
    search_id: SearchId, url: Url = None, key: Key = None, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Follow a search to its end, with a progress bar; exit 1 if it fails."""
    from rich.console import Console

    from service.demo.bars import bars, follow

    with connected(url, key, data) as client:
        if as_json:
            for event in client.events(search_id):
                typer.echo(json.dumps({"number": event.number, "kind": event.kind, **event.payload}))
            client.wait(client.get_search(search_id))
            return
        with bars(Console()) as progress:
            search = client.get_search(search_id)
            follow(client, search, progress, search.label[:12])


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    label: Annotated[str | None, typer.Option(help="Only those of this label.")] = None,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List searches, newest first."""
    with connected(url, key, data) as client:
        found = [search.raw for search in client.searches(state=state, label=label)]
    columns = ("id", "label", "state", "evaluated", "failed", "created_at")
    show(found, as_json=as_json, text=lambda: rows(found, columns))


@app.command()
def pareto(
    search_id: SearchId,
    constraint: Annotated[list[str], typer.Option(help="metric<=value or metric>=value; repeat.")] = [],  # noqa: B006
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Print a search's front and its baselines: what was found at its end and, beside it where that differs,
    what was searched by.
    """
    with connected(url, key, data) as client:
        front = client.pareto(search_id, constraints=constraint or None)
    metrics = [axis["metric"] for axis in front.raw["objectives"]]
    shown = (*front.points, *front.baselines)
    before = [name for name in metrics if any(p.known(name) != p.value(name) for p in shown)]
    lines = [
        {"id": point.id, "origin": point.origin}
        | {metric: point.known(metric) for metric in metrics}
        | {f"{metric} searched by": point.value(metric) for metric in before}
        for point in shown
    ]
    columns = ("id", "origin", *metrics, *(f"{metric} searched by" for metric in before))
    show(front.raw, as_json=as_json, text=lambda: rows(lines, columns))


@app.command()
def cancel(
    search_id: SearchId,
    now: Annotated[bool, typer.Option(help="Do not wait for what is being evaluated.")] = False,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Stop a search for good; what it has found stays."""
    with connected(url, key, data) as client:
        state = client.cancel(search_id, now=now)
    show({"id": search_id, "state": state}, as_json=as_json, text=lambda: state)


@app.command()
def finetune(
    subnet_id: Annotated[str, typer.Argument(help="Id of a subnet, as in the front.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the order of the data.")] = None,
    control: Annotated[bool, typer.Option(help="Also train it from first weights, to compare.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the end; without, print the id.")] = True,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Train neck and head of a subnet from the inherited weights; print its scores before and after."""
    with connected(url, key, data) as client:
        schedule = {"steps": steps, "learning_rate": learning_rate, "seed": seed, "control": control or None}
        tuning = client.finetune(subnet_id, **schedule)
        if wait:
            tuning = client.wait(tuning)
    parts = {"before": tuning.before, "after": tuning.after, "control": tuning.control}
    lines = [
        {"weights": name, **{score["metric"]: score["value"] for score in scores}}
        for name, scores in parts.items()
        if scores
    ]
    columns = list(dict.fromkeys(metric for line in lines for metric in line))
    show(tuning.raw, as_json=as_json, text=lambda: rows(lines, columns) if lines else tuning.id)


@app.command()
def download(
    subnet_id: Annotated[str, typer.Argument(help="Id of a subnet, as in the front.")],
    target: Annotated[Path, typer.Argument(help="Where to write it.")],
    format: Annotated[
        str, typer.Option(help="bundle, safetensors, onnx, source or torch_export.")
    ] = "bundle",
    deploy: Annotated[bool, typer.Option(help="For inference only: norms folded, branches merged.")] = False,
    finetuning: Annotated[str | None, typer.Option(help="Id of a fine-tuning whose weights to take.")] = None,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Have a file of a subnet made and download it; an interrupted download goes on."""
    with connected(url, key, data) as client:
        path = client.download(
            subnet_id, target, format=format, deploy=deploy or None, finetuning_id=finetuning
        )
    size = path.stat().st_size
    show({"path": str(path), "bytes": size}, as_json=as_json, text=lambda: f"{path}: {size} bytes")


def _bound(text: str) -> dict[str, Any]:
    for sign, side in (("<=", "upper"), (">=", "lower")):
        metric, found, value = text.partition(sign)
        if found:
            try:
                return {"metric": metric.strip(), side: float(value)}
            except ValueError as error:
                raise typer.BadParameter(f"{value!r} is not a number") from error
    raise typer.BadParameter(f"{text!r} is neither metric<=value nor metric>=value")
