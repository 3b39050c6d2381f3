"""``neckline necks``: list, show, draw and verify the published necks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from search_space.architecture import Architecture
    from search_space.op import Op
    from search_space.published import Comparison

app = typer.Typer(help="Published necks: what they are, what they cost, how they look.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name of `neckline necks list`.")]
Channels = Annotated[
    str, typer.Option(help="The backbone's channels by level, as 3=512,4=1024,5=2048.", metavar="L=C,...")
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option", "-o", help="An option of the neck, as width=64; repeat it.", metavar="NAME=VALUE"
    ),
]
ImageSize = Annotated[str, typer.Option(help="Height and width in pixels.", metavar="HxW")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RESNET50 = "3=512,4=1024,5=2048"


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Print every neck, its variants, and what it is."""
    from search_space import reference

    necks = [
        {"name": file, "variants": list(reference.variants(file)), "description": reference.describe(file)}
        for file in reference.files()
    ]
    if as_json:
        typer.echo(json.dumps(necks))
        return
    caption = (
        "A variant is named as in `neckline necks show bifpn@d1`; every option of a neck can be set with -o."
    )
    shown = Table("neck", "variants", "what it is", caption=caption, caption_justify="left")
    for entry in necks:
        variants = " ".join(f"@{variant}" for variant in entry["variants"])
        shown.add_row(str(entry["name"]), variants, str(entry["description"]))
    _print(shown)


@app.command()
def show(
    name: Name,
    channels: Channels = RESNET50,
    option: Options = None,
    image_size: ImageSize = "640x640",
    as_json: AsJson = False,
) -> None:
    """Print a neck's options, cost, outputs and nodes; with --json the architecture itself."""
    from search_space import reference

    architecture = _built(name, channels, option)
    if as_json:
        typer.echo(architecture.to_json())
        return
    size = _size(image_size)
    typer.echo(reference.describe(name))
    given = dict(map(_option, option or []))
    known = {entry.name: given.get(entry.name, entry.default) for entry in reference.options(name)}
    typer.echo("options: " + ", ".join(f"{key}={value}" for key, value in known.items()))
    exports = "exports to ONNX" if architecture.export_safe else "holds operations that do not export to ONNX"
    macs = architecture.macs(size) / 1e9
    typer.echo(f"{architecture.parameters():,} parameters, {macs:.3f} GMACs at {image_size}, {exports}")
    for level, shape in sorted(architecture.output_shapes(size).items()):
        typer.echo(f"P{level}: {shape.channels} channels, {shape.height} x {shape.width}")
    _print(_nodes(architecture))


@app.command()
def draw(
    name: Name,
    channels: Channels = RESNET50,
    option: Options = None,
    theme: Annotated[str, typer.Option(help="light, dark or auto.")] = "auto",
    output: Annotated[Path | None, typer.Option("--output", "-O", help="Write there instead.")] = None,
) -> None:
    """Print a neck's drawing as SVG."""
    from search_space import drawing
    from search_space.errors import SearchSpaceError

    try:
        text = drawing.draw(_built(name, channels, option), theme=theme)  # type: ignore[arg-type]
    except SearchSpaceError as error:
        raise typer.BadParameter(str(error)) from error
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{output}: {error.strerror}") from error
    typer.echo(str(output))


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Print published numbers beside ours; exit 1 where a neck differs."""
    from search_space.published import ROWS, compare

    found = [compare(row) for row in ROWS]
    if as_json:
        typer.echo(json.dumps([_record(entry) for entry in found]))
    else:
        _print(_verified(found))
    raise typer.Exit(1 if any(not entry.agrees for entry in found) else 0)


def _built(name: str, channels: str, option: list[str] | None) -> Architecture:
    from search_space import reference
    from search_space.errors import SearchSpaceError

    try:
        return reference.build(name, _channels(channels), **dict(map(_option, option or [])))
    except SearchSpaceError as error:
        raise typer.BadParameter(str(error)) from error


def _channels(text: str) -> dict[int, int]:
    try:
        pairs = [entry.split("=") for entry in text.split(",")]
        return {int(level): int(channels) for level, channels in pairs}
    except ValueError as error:
        raise typer.BadParameter(f"channels are written as 3=512,4=1024,5=2048; got '{text}'") from error


def _option(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"an option is written as NAME=VALUE; got '{text}'")
    try:
        read = json.loads(value)
    except json.JSONDecodeError:
        return name, value
    return name, tuple(read) if isinstance(read, list) else read


def _size(text: str) -> tuple[int, int]:
    height, times, width = text.partition("x")
    if not (times and height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise typer.BadParameter(f"an image size is written as 640x640; got '{text}'")
    return int(height), int(width)


def _nodes(architecture: Architecture) -> Table:
    shown = Table("node", "level", "width", "reads", "fusion", "operations")
    for node in architecture.live:
        reads = [edge.source + "".join(f" > {_short(op)}" for op in edge.ops) for edge in node.inputs]
        fusion = node.fusion.kind if node.fusion else ""
        ops = ", ".join(map(_short, node.ops))
        shown.add_row(node.id, str(node.level), str(node.width), "\n".join(reads), fusion, ops)
    return shown


def _short(op: Op) -> str:
    """Return an operation as `conv 3x3 /2` (stride 2), `conv 3x3 depthwise`, `act silu` or its mere kind."""
    told: dict[str, int | str] = {
        name: getattr(op, name, "") for name in ("kernel", "stride", "groups", "form")
    }
    kernel, groups = told["kernel"], told["groups"] if op.kind in ("conv", "deconv") else 1
    window = [f"{kernel}x{kernel}"] if kernel and op.kind != "eca" else []
    stride = [f"/{told['stride']}"] if told["stride"] not in ("", 1) else []
    grouped = [] if groups == 1 else ["depthwise" if groups == 0 else f"in {groups} groups"]
    form = [str(told["form"])] if op.kind in ("act", "pool", "norm", "adaptive_pool") else []
    return " ".join([op.kind, *form, *window, *stride, *grouped])


def _verified(found: list[Comparison]) -> Table:
    agree = sum(entry.agrees for entry in found)
    shown = Table(
        title="Published numbers beside ours (GMACs of convolutions only)",
        caption=f"{agree} of {len(found)} rows agree: parameters exactly, GMACs within 0.5 %",
    )
    shown.add_column("neck")
    for heading in ("parameters", "ours", "GMACs", "ours"):
        shown.add_column(heading, justify="right")
    shown.add_column("")
    for entry in found:
        shown.add_row(
            entry.row.label,
            f"{entry.row.parameters:,}",
            f"{entry.parameters:,}",
            f"{entry.row.gmacs:.3f}",
            f"{entry.gmacs:.3f}",
            "agrees" if entry.agrees else "DIFFERS",
        )
    return shown


def _record(entry: Comparison) -> dict[str, object]:
    return {
        "neck": entry.row.label,
        "published": {"parameters": entry.row.parameters, "gmacs": entry.row.gmacs},
        "ours": {"parameters": entry.parameters, "gmacs": entry.gmacs},
        "agrees": entry.agrees,
    }


def _print(table: Table) -> None:
    console = Console()
    Console(width=None if console.is_terminal else 160).print(table)
