"""The front as a table: each number with its error and its source."""

from __future__ import annotations

from rich.table import Table

from service.client_records import Front, Point


def front_table(front: Front) -> Table:
    """Return the front, best accuracy first, with the baselines among it."""
    table = Table(title="Pareto front and baselines", title_justify="left")
    table.add_column("neck")
    for name in ("AP (inherited)", "latency, measured", "latency, predicted", "parameters", "MACs"):
        table.add_column(name, justify="right")
    table.add_column("on the front")
    on_front = {point.id for point in front.points}
    shown = {point.id: point for point in (*front.points, *front.baselines)}
    for point in sorted(shown.values(), key=lambda point: -(point.known("ap") or 0.0)):
        table.add_row(*_row(point), "yes" if point.id in on_front else "", style=_style(point))
    return table


def describe(point: Point) -> str:
    """Return one line about a neck."""
    name, accuracy, measured, predicted, parameters, macs = _row(point)
    return f"{name}: AP {accuracy}, latency {measured} measured, {predicted} predicted, {parameters}, {macs}"


def _row(point: Point) -> tuple[str, ...]:
    name = point.origin.partition(":")[2] or f"subnet {point.id[-6:]}"
    ms = [_number(point, "latency_ms", source, " ms") for source in ("measured", "predicted")]
    parameters, macs = point.value("parameters"), point.value("macs")
    counted = (f"{(parameters or 0) / 1e3:.0f} k", f"{(macs or 0) / 1e6:.1f} MMAC")
    return (name, _number(point, "ap", None, ""), *ms, *counted)


def _number(point: Point, metric: str, source: str | None, unit: str) -> str:
    score = point.score(metric, source)
    if source is None:
        score = point.score(metric, "verified") or score
    if score is None:
        return "-"
    error = "" if score.get("stderr") is None else f" ± {score['stderr']:.3f}"
    return f"{score['value']:.3f}{error}{unit}"


def _style(point: Point) -> str | None:
    return "cyan" if point.origin.startswith("baseline:") else None
