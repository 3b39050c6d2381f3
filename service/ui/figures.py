"""Numbers as people read them: a fitting prefix, no more digits than the error allows, always a unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from search.objectives import METRICS

NAMES: Mapping[str, str] = {
    "ap": "AP",
    "ap50": "AP50",
    "ap_small": "AP small",
    "ap_medium": "AP medium",
    "ap_large": "AP large",
    "miou": "mIoU",
    "val_loss": "Validation loss",
    "latency_ms": "Latency p10",
    "latency_p50_ms": "Latency p50",
    "latency_p90_ms": "Latency p90",
    "macs": "MACs",
    "parameters": "Parameters",
    "activation_memory": "Activation memory",
}
SOURCES: Mapping[str, str] = {
    "measured": "timed on the device",
    "predicted": "by a predictor fitted to measurements of the device",
    "inherited": "with the supernet's weights as they are",
    "adapted": "with the supernet's weights after a brief adaptation",
    "fine-tuned": "after brief training of this neck",
    "trained": "after training of this neck",
    "verified": "with the same weights, on every validation image",
    "counted": "exact, from the structure",
}
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SECONDS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


@dataclass(frozen=True)
class Scale:
    """What values are divided by before they are shown, the unit beside them, and their decimals."""

    divisor: float
    unit: str
    digits: int | None = None


def scale_of(unit: str, values: Iterable[float]) -> Scale:
    """Return one scale for a column: that of its middle value."""
    middle = middle_of(values)
    if unit in ("MACs", "parameters", "bytes"):
        divisor, prefix = next(((size, name) for size, name in PREFIXES if middle >= size), (1.0, ""))
        return Scale(divisor, f"{prefix}B" if unit == "bytes" else prefix)
    return Scale(1.0, "" if unit == "1" else unit)


def column_scale(unit: str, values: Iterable[float], errors: Iterable[float]) -> Scale:
    """Return one scale for a column, with decimals that fit its middle value and its middle error."""
    known = list(values)
    scale, error = scale_of(unit, known), middle_of(errors)
    whole = scale.divisor == 1 and not error and all(float(value).is_integer() for value in known)
    digits = 0 if whole else decimals(middle_of(known) / scale.divisor, error / scale.divisor)
    return Scale(scale.divisor, scale.unit, digits)


def middle_of(values: Iterable[float]) -> float:
    """Return the upper median of the absolute values, 0 where there are none."""
    known = sorted(abs(value) for value in values if math.isfinite(value))
    return known[len(known) // 2] if known else 0.0


def decimals(value: float, stderr: float | None = None) -> int:
    """Return the decimals to show: two significant digits of the error, else four of the value."""
    if stderr and math.isfinite(stderr):
        return min(6, max(0, 1 - math.floor(math.log10(stderr))))
    if value == 0 or not math.isfinite(value):
        return 0
    return min(6, max(0, 3 - math.floor(math.log10(abs(value)))))


def number(
    value: float | None, divisor: float = 1.0, stderr: float | None = None, digits: int | None = None
) -> str:
    """Return a value divided by a scale's divisor, with the given decimals or those that its error leaves."""
    if value is None:
        return "–"
    if digits is not None:
        return f"{value / divisor:,.{digits}f}"
    error = None if stderr is None else stderr / divisor
    if error is None and divisor == 1.0 and float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value / divisor:,.{decimals(value / divisor, error)}f}"


def quantity(value: float | None, unit: str, stderr: float | None = None) -> str:
    """Return a value with its error and its unit."""
    if value is None:
        return "–"
    scale = scale_of(unit, [value])
    error = f" ± {number(stderr, scale.divisor, stderr)}" if stderr else ""
    suffix = {"MACs": f"{scale.unit}MACs", "parameters": f"{scale.unit}" or ""}.get(unit, scale.unit)
    gap = " " if suffix else ""
    return f"{number(value, scale.divisor, stderr)}{error}{gap}{suffix}"


def metric_name(metric: str) -> str:
    """Return a metric's name for people; a device's name stays behind it."""
    base, _, device = metric.partition("@")
    return NAMES.get(base, base) + (f" on {device}" if device else "")


def metric_unit(metric: str) -> str:
    """Return a metric's unit, `1` for a ratio and for what nothing defines."""
    known = METRICS.get(metric.partition("@")[0])
    return known.unit if known else "1"


def bound(metric: str, upper: float | None, lower: float | None) -> str:
    """Return a constraint in words."""
    unit = metric_unit(metric)
    parts = [
        f"{sign} {plain(value, unit)}" for sign, value in (("≤", upper), ("≥", lower)) if value is not None
    ]
    return f"{metric_name(metric)} {' and '.join(parts)}"


def plain(value: float, unit: str) -> str:
    """Return an exact value, such as a bound that a person set, without trailing zeros."""
    scale = scale_of(unit, [value])
    return f"{value / scale.divisor:g} {scale.unit}{'MACs' if unit == 'MACs' else ''}".rstrip()


def duration(seconds: float | None) -> str:
    """Return a time span in its two largest units."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    size, name = next((size, name) for size, name in SECONDS if seconds >= size)
    rest, smaller = {"d": (3_600, "h"), "h": (60, "min"), "min": (1, "s")}[name]
    left = int(seconds % size // rest)
    return f"{int(seconds // size)} {name}" + (f" {left} {smaller}" if left else "")


def moment(value: datetime | None) -> str:
    """Return a time in UTC to the minute."""
    return "–" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def origin(text: str, index: int) -> str:
    """Return what an evaluated neck is called: the published neck's name, or its number in the search."""
    kind, _, name = text.partition(":")
    return neck(name) if kind == "baseline" else f"#{index}"


def neck(name: str) -> str:
    """Return a published neck's name as papers write it."""
    written = {"fpn": "FPN", "pafpn": "PAFPN", "bifpn": "BiFPN", "nas_fpn": "NAS-FPN", "rev_fp": "RevFP"}
    return written.get(name, name.replace("_", "-").upper() if len(name) < 6 else name.replace("_", " "))


def state_words(state: str) -> str:
    """Return a job's state as a sentence would have it."""
    return str(state).replace("_", " ").capitalize()


def capitalise(text: str) -> str:
    """Return a sentence with its first letter raised and without a full stop, which the page sets itself."""
    return (text[:1].upper() + text[1:]).rstrip(".")


FILTERS: Mapping[str, Callable[..., str]] = {
    "number": number,
    "quantity": quantity,
    "duration": duration,
    "moment": moment,
    "metric_name": metric_name,
    "metric_unit": metric_unit,
    "neck": neck,
    "state_words": state_words,
    "capitalise": capitalise,
}


def clock(seconds: float) -> str:
    """Return a time of day in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"


def event_words(kind: str, payload: Mapping[str, Any], number: int | None = None) -> str:
    """Return an event as a phrase, `number` being the neck's; its figures stand on its own page, with their
    sources and errors.
    """
    if kind == "evaluation":
        name = payload.get("origin", "").partition(":")[2]
        title = neck(name) if name else "A neck" if number is None else f"#{number}"
        return f"{title}: {payload['error']}" if payload.get("error") else f"{title} was scored"
    if kind == "score":
        title = "A neck" if number is None else f"#{number}"
        return f"{title}: {metric_name(payload['score']['metric'])} {payload['score']['source']}"
    if kind == "state":
        error = payload.get("error") or {}
        return state_words(payload["state"]) + (f": {error['detail']}" if error.get("detail") else "")
    if payload.get("notice"):
        return str(payload["notice"])
    return (
        f"{payload.get('stage', 'step')} {payload.get('step', '')} of {payload.get('total', '')}".capitalize()
    )
