"""A calibration as one static page: a table, and a scatter of predicted against measured, no scripts."""

from collections.abc import Sequence
from dataclasses import asdict
from html import escape

import numpy as np

from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.summary import Summary

_SIDE, _MARGIN = 420, 56
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse }
td, th { padding: .2rem .8rem .2rem 0; text-align: left; font-weight: 400 }
th { opacity: .7 } svg { max-width: 100%; height: auto } svg text { fill: currentColor; font-size: 11px }
.axis { stroke: currentColor; stroke-opacity: .25 } .exact { stroke: currentColor; stroke-opacity: .6 }
.band { fill: currentColor; fill-opacity: .07 } .neck { fill: #2a6fdb; fill-opacity: .75 }
"""


def page(summary: Summary, fingerprint: Fingerprint, rows: Sequence[tuple[str, str]] | None = None) -> str:
    """Return the page as HTML; its table shows `rows`, or the summary's own."""
    title = f"Calibration of {fingerprint.device}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1>{_table(summary.rows() if rows is None else rows)}"
        f"<h2>Predicted against measured</h2><p>Each neck is predicted by a fit that did not see it. "
        f"The band is 10 % either way.</p>{scatter(summary.points)}"
        f"<h2>What it holds for</h2>{_table(_facts(fingerprint))}</html>\n"
    )


def _facts(fingerprint: Fingerprint) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in asdict(fingerprint).items()]


def _table(rows: Sequence[tuple[str, str]]) -> str:
    body = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>' for k, v in rows)
    return f"<table>{body}</table>"


def scatter(points: Sequence[tuple[float, float]]) -> str:
    """Return an SVG of (measured, predicted) in ms on logarithmic axes, with the line of no error."""
    values = np.array(points)
    low, high = float(values.min()) / 1.15, float(values.max()) * 1.15
    parts = [_band(low, high), *(_grid(tick, low, high) for tick in ticks(low, high))]
    parts += [_dot(measured, predicted, low, high) for measured, predicted in points]
    middle, end = _MARGIN + _SIDE / 2, _MARGIN + _SIDE
    parts.append(f'<text x="{middle:.0f}" y="{end + 34:.0f}" text-anchor="middle">measured, ms</text>')
    turned = f'transform="rotate(-90 14 {middle:.0f})"'
    parts.append(f'<text x="14" y="{middle:.0f}" text-anchor="middle" {turned}>predicted, ms</text>')
    box = f"0 0 {end + 20:.0f} {end + 44:.0f}"
    label = f"predicted against measured latency of {len(points)} necks"
    return (
        f'<svg viewBox="{box}" width="{end + 20:.0f}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between two positive numbers."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    found = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    return [tick for tick in found if low <= tick <= high]


def _place(value: float, low: float, high: float) -> float:
    return float(_SIDE * np.log(value / low) / np.log(high / low))


def _dot(measured: float, predicted: float, low: float, high: float) -> str:
    x, y = _MARGIN + _place(measured, low, high), _MARGIN + _SIDE - _place(predicted, low, high)
    title = f"measured {measured:.3g} ms, predicted {predicted:.3g} ms ({predicted / measured - 1:+.1%})"
    return f'<circle class="neck" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{title}</title></circle>'


def _grid(tick: float, low: float, high: float) -> str:
    at, end = _place(tick, low, high), _MARGIN + _SIDE
    x, y, name = _MARGIN + at, end - at, f"{tick:g}"
    return (
        f'<path class="axis" d="M{x:.1f} {_MARGIN}V{end}M{_MARGIN} {y:.1f}H{end}"/>'
        f'<text x="{x:.1f}" y="{end + 16}" text-anchor="middle">{name}</text>'
        f'<text x="{_MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{name}</text>'
    )


def _band(low: float, high: float) -> str:
    shift, end = _SIDE * np.log(1.1) / np.log(high / low), _MARGIN + _SIDE
    start, near, far = _MARGIN, _MARGIN + shift, end - shift
    corners = (
        f"{start},{far:.1f} {far:.1f},{start} {end},{start} {end},{near:.1f} {near:.1f},{end} {start},{end}"
    )
    exact = f'<path class="exact" d="M{start} {end}L{end} {start}"/>'
    return f'<polygon class="band" points="{corners}"/>{exact}'
