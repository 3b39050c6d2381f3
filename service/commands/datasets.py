"""``neckline datasets``: write a generated dataset, check any COCO-format one."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(help="Write a generated dataset, or check one in COCO's format.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SPLITS = ("train", "val")


@app.command()
def make(
    kind: Annotated[Literal["digits", "digits-context"], typer.Argument(help="Which dataset.")],
    folder: Annotated[Path, typer.Argument(help="Where; a new or empty folder.")],
    seed: Annotated[int, typer.Option(help="Determines every pixel.")] = 0,
    train: Annotated[int, typer.Option(min=1, help="Training images.")] = 1024,
    val: Annotated[int, typer.Option(min=1, help="Validation images.")] = 200,
    image_size: Annotated[int, typer.Option(min=64, help="Side of an image in pixels.")] = 128,
) -> None:
    """Compose real handwritten digits into a COCO-format folder."""
    from supernet.errors import DatasetError

    name = kind.replace("-", "_")
    generator = getattr(import_module(f"supernet.data.{name}"), f"make_{name}")
    try:
        written = generator(folder, seed=seed, train=train, val=val, image_size=image_size)
    except DatasetError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"{written}: {train} training and {val} validation images of {image_size} px, seed {seed}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="<folder>/{train,val}/{images/*,annotations.json}")],
    as_json: AsJson = False,
) -> None:
    """List everything that is wrong with a dataset, or what it holds; exit 1 where something is wrong."""
    from supernet.data.coco import CocoDetection, problems

    faults = [str(fault) for split in SPLITS for fault in problems(folder, split)]
    held = {} if faults else {split: asdict(CocoDetection.open(folder, split).statistics) for split in SPLITS}
    if as_json:
        typer.echo(json.dumps({"problems": faults, "splits": held}))
    else:
        for fault in faults:
            typer.echo(fault, err=True)
        for split, statistics in held.items():
            typer.echo(_summary(split, statistics))
    raise typer.Exit(1 if faults else 0)


def _summary(split: str, held: dict[str, object]) -> str:
    sizes, categories = held["object_sizes"], held["categories"]
    assert isinstance(sizes, tuple) and isinstance(categories, dict)
    return (
        f"{split}: {held['images']} images ({held['empty_images']} empty), {held['annotations']} objects of "
        f"{len(categories)} classes, sides {sizes[0]:.0f} to {sizes[-1]:.0f} px, median {sizes[3]:.0f} px"
    )
