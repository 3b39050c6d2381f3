"""``neckline devices``: list, calibrate and explain what latency is measured on; no service needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from evaluators.latency.calibrate import Calibration
    from evaluators.latency.memory import MemoryPredictor
    from evaluators.latency.predictor import Predictor
    from evaluators.score import Score
    from search_space.architecture import Architecture
    from search_space.space import Space

app = typer.Typer(help="Measure and predict latency on this machine.", no_args_is_help=True)
Device = Annotated[str, typer.Option(help="One of `neckline devices list`.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of one inference.")]
Image = Annotated[str, typer.Option(help="Height x width in pixels, as 640x640.")]
Channels = Annotated[str, typer.Option(help="The backbone's channels by level.")]
Folder = Annotated[Path, typer.Option(help="Where calibrations are kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CHANNELS = "3:64,4:96,5:128"
FOLDER = Path(".neckline/calibrations")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the devices that ship and whether this machine has them."""
    from evaluators import devices
    from evaluators.latency.errors import DeviceUnavailable

    found = []
    for name in devices.names():
        try:
            fingerprint = devices.load(name).fingerprint((640, 640))
            found.append({"device": name, "here": True, "detail": _machine(fingerprint)})
        except DeviceUnavailable as error:
            found.append({"device": name, "here": False, "detail": str(error)})
    if as_json:
        typer.echo(json.dumps(found))
        return
    for entry in found:
        typer.echo(f"{entry['device']:16} {'here' if entry['here'] else 'not here':9} {entry['detail']}")


def _machine(fingerprint: Any) -> str:
    return f"{fingerprint.hardware}, {fingerprint.runtime} {fingerprint.version}"


@app.command()
def calibrate(
    device: Device = "onnxruntime_cpu",
    budget: Annotated[int, typer.Option(min=10, help="Necks to measure: 20, 50 or 140.")] = 50,
    space: Annotated[str, typer.Option(help="A space's name, or a JSON file of one.")] = "fusion_grid",
    channels: Channels = CHANNELS,
    image: Image = "640x640",
    threads: Threads = 1,
    seed: Annotated[int, typer.Option(help="Of the necks that are chosen.")] = 0,
    budget_ms: Annotated[float | None, typer.Option(help="A time near which more is measured.")] = None,
    memory: Annotated[bool, typer.Option(help="Measure peak activation memory too.")] = False,
    start: Annotated[
        Path | None,
        typer.Option(help="A predictor.json to start from if it helps; the nearest in the folder if unset."),
    ] = None,
    fresh: Annotated[bool, typer.Option(help="Start from no other device.")] = False,
    folder: Folder = FOLDER,
    as_json: AsJson = False,
) -> None:
    """Measure a few necks, fit the predictor, and write it with a page and every raw sample."""
    from dataclasses import asdict

    from evaluators.latency.calibrate import calibrate as calibrating
    from evaluators.latency.page import page
    from evaluators.latency.summary import summarise

    with _refusals():
        events = calibrating(
            device,
            _space(space, channels),
            budget,
            seed,
            threads=threads,
            image_size=_size(image),
            budget_ms=budget_ms,
            prior=None if fresh else _prior(start, folder, device, threads, _size(image)),
        )
        done = _followed(events, f"calibrate {device}")
    summary = summarise(done)
    target = folder / device
    target.mkdir(parents=True, exist_ok=True)
    (target / "predictor.json").write_text(done.predictor.to_json())
    (target / "samples.json").write_text(json.dumps(_samples(done)))
    rows, held = summary.rows(), None
    if memory:
        with _refusals():
            held = _memory(device, threads, done)
        (target / "memory.json").write_text(held.to_json())
        rows += held.rows()
    (target / "calibration.html").write_text(page(summary, done.predictor.fingerprint, rows))
    if as_json:
        errors = {} if held is None else {"memory_median_error": held.median_error}
        record = {**asdict(summary), **errors, "folder": str(target), "seconds": done.elapsed_s}
        typer.echo(json.dumps(record))
        return
    _table(f"{device}, {_machine(done.predictor.fingerprint)}", rows)
    typer.echo(f"{done.elapsed_s:.0f} s; page: {target / 'calibration.html'}; coefficients: predictor.json")


@app.command()
def explain(
    device: Annotated[str, typer.Argument(help="One of `neckline devices list`.")],
    neck: Annotated[str, typer.Argument(help="A neck's name, or an architecture's JSON file.")],
    channels: Channels = CHANNELS,
    width: Annotated[int | None, typer.Option(min=1, help="Channels of a neck given by name.")] = None,
    folder: Folder = FOLDER,
    as_json: AsJson = False,
) -> None:
    """Print the kernels that the device runs for a neck, with their share of the predicted time.

    The image size is the calibration's.
    """
    from evaluators.latency.explain import shares

    with _refusals():
        predictor = _predictor(folder / device / "predictor.json", device)
        architecture = _neck(neck, channels, width)
        found = shares(predictor, predictor.kernels(architecture))
        score = predictor.predict(architecture)
        held = _predicted_memory(folder / device / "memory.json", architecture)
    if as_json:
        rows = [
            {"path": s.kernel.path, "kind": s.kernel.kind, "ms": s.time_ms, "share": s.share} for s in found
        ]
        record = {"latency_ms": score.value, "base_ms": predictor.base, "kernels": rows}
        typer.echo(json.dumps(record | ({} if held is None else {held.metric: held.value})))
        return
    for entry in sorted(found, key=lambda entry: -entry.share):
        mark = "" if entry.measured else "  (never measured: roofline)"
        kernel = entry.kernel
        work = f"{kernel.macs / 1e6:9.2f} MMAC {kernel.bytes / 1e6:8.2f} MB"
        typer.echo(f"{entry.share:6.1%} {entry.time_ms:9.4f} ms {work}  {kernel.kind:24} {kernel.path}{mark}")
    typer.echo(f"{predictor.base / score.value:6.1%} {predictor.base:9.4f} ms  every inference")
    error = "" if score.stderr is None else f" ± {score.stderr:.3f}"
    typer.echo(f"{score.value:.3f}{error} ms predicted, {len(found)} kernels")
    if held is not None:
        error = "" if held.stderr is None else f" ± {held.stderr:.3f}"
        typer.echo(f"{held.value:.3f}{error} MB of activations at the peak predicted")


@app.command()
def report(
    device: Annotated[str, typer.Argument(help="One of `neckline devices list`.")],
    neck: Annotated[str, typer.Argument(help="A neck's name, or an architecture's JSON file.")],
    channels: Channels = CHANNELS,
    width: Annotated[int | None, typer.Option(min=1, help="Channels of a neck given by name.")] = None,
    image: Image = "640x640",
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Measure a neck by MLPerf Mobile's rules: p90 of 1,024 runs and 60 s or more, twice."""
    from evaluators import devices
    from evaluators.latency.report import report as reporting

    with _refusals():
        found = devices.load(device, threads=threads)
        events = reporting(found, _neck(neck, channels, width), image_size=_size(image))
        done = _followed(events, f"report {device}")
    if as_json:
        typer.echo(json.dumps(done.to_record()))
    else:
        verdict = "reproducible" if done.reproducible else "NOT reproducible, do not publish"
        typer.echo(f"p90 {done.p90_ms:.3f} ms ({done.difference:.1%} between runs: {verdict})")
        typer.echo(f"p50 {done.p50_ms:.3f} ms, mean {done.mean_ms:.3f} ms, {sum(done.samples)} runs")
    if not done.reproducible:
        raise typer.Exit(1)


def _followed(events: Iterator[Any], title: str) -> Any:
    """Return the last event, its predecessors shown as a bar on standard error."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        return _shown(events, title, bar)


def _shown(events: Iterator[Any], title: str, bar: Bar) -> Any:
    task, last = bar.add_task(title), None
    for last in events:
        if hasattr(last, "stage"):
            bar.update(task, completed=last.done, total=last.total)
    return last


@contextmanager
def _refusals() -> Iterator[None]:
    """Show what was asked wrongly as an error of the command line."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error


def _size(image: str) -> tuple[int, int]:
    try:
        height, width = (int(part) for part in image.lower().split("x"))
    except ValueError as error:
        raise typer.BadParameter(f"'{image}' is no image size; write it as 640x640") from error
    if min(height, width) < 1:
        raise typer.BadParameter(f"an image of {height}x{width} pixels is empty")
    return height, width


def _levels(channels: str) -> dict[int, int]:
    try:
        pairs = (part.split(":") for part in channels.split(","))
        return {int(level): int(width) for level, width in pairs}
    except ValueError as error:
        raise typer.BadParameter(f"'{channels}' are no channels; write them as {CHANNELS}") from error


def _space(space: str, channels: str) -> Space:
    from search_space.space import Space

    if space.endswith(".json"):
        return Space.load(json.loads(Path(space).read_text()))
    return Space.load({"space": space, "channels": _levels(channels)})


def _neck(neck: str, channels: str, width: int | None) -> Architecture:
    from search_space import reference
    from search_space.architecture import Architecture

    if neck.endswith(".json"):
        return Architecture.from_json(Path(neck).read_text())
    options = {} if width is None else {"width": width}
    return reference.build(neck, _levels(channels), **options)


def _predictor(path: Path, device: str) -> Predictor:
    from evaluators import devices
    from evaluators.latency.predictor import Predictor

    devices.device_class(device)
    if not path.exists():
        raise typer.BadParameter(
            f"{device} is not calibrated: run `neckline devices calibrate --device {device}`"
        )
    return Predictor.from_json(path.read_text())


def _prior(
    start: Path | None, folder: Path, device: str, threads: int, image_size: tuple[int, int]
) -> Predictor | None:
    """Return the predictor to start from: the given one, or that of the most similar device of the folder."""
    from evaluators import devices
    from evaluators.latency.predictor import Predictor
    from evaluators.latency.transfer import nearest, stored

    if start is not None:
        return Predictor.from_json(start.read_text())
    found = devices.load(device, threads=threads)
    return nearest(stored(folder), found.fingerprint(image_size), found.lowering)


def _memory(device: str, threads: int, done: Calibration) -> MemoryPredictor:
    """Return the coefficients of peak activation memory, fitted to the same necks."""
    from evaluators import devices
    from evaluators.latency.memory import calibrate_memory

    image_size = done.predictor.fingerprint.image
    events = calibrate_memory(devices.load(device, threads=threads), done.architectures, image_size)
    found: MemoryPredictor = _followed(events, f"memory {device}")
    return found


def _predicted_memory(path: Path, architecture: Architecture) -> Score | None:
    """Return the predicted peak of activation memory where it was calibrated."""
    from evaluators.latency.memory import MemoryPredictor

    return MemoryPredictor.from_json(path.read_text()).predict(architecture) if path.exists() else None


def _samples(done: Calibration) -> dict[str, Any]:
    measured = [entry.to_record() for session in done.sessions for entry in session.measured]
    necks = [json.loads(entry.to_json()) for entry in done.architectures]
    sentinels = [[entry.to_record() for entry in session.sentinels] for session in done.sessions]
    return {"schema_version": 1, "necks": necks, "measured": measured, "sentinels": sentinels}


def _table(title: str, rows: list[tuple[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, show_header=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
