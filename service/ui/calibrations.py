"""What a calibration shows: predictions beside measurements, intervals, coverage, and where the time goes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.latency.predictor import Predictor
from search_space.architecture import Architecture
from search_space.errors import SearchSpaceError
from search_space.space import Space

COVERAGE = 0.9
WITHIN = 0.1
"""Relative error whose share of necks is reported."""


@dataclass(frozen=True)
class Errors:
    """How far held-out predictions are from measurements.

    Attributes:
        necks: measured.
        median: median relative error.
        within: share of necks within 10 %.
        coverage: share of necks inside their 90 % interval; None where there are too few for an interval.
        slowest: the same among the slowest half.
    """

    necks: int
    median: float
    within: float
    coverage: float | None
    slowest: float | None


def errors(predictor: Predictor) -> Errors:
    """Return the predictor's errors on necks that it was not fitted to (cross-validation)."""
    ordinary = predictor.residuals.ordinary
    log_error = np.asarray(predictor.residuals.log_error)[ordinary]
    relative = np.abs(np.expm1(-log_error))
    inside = None
    if predictor.residuals.enough:
        inside = np.abs(log_error) <= predictor.residuals.own_half_widths(COVERAGE)[ordinary]
    return Errors(
        necks=len(log_error),
        median=float(np.median(relative)),
        within=float(np.mean(relative <= WITHIN)),
        coverage=None if inside is None else float(np.mean(inside)),
        slowest=None if inside is None else float(np.mean(inside[len(inside) // 2 :])),
    )


def scatter(predictor: Predictor) -> dict[str, Any]:
    """Return predicted and measured times in ms with the 90 % intervals of the predictions, JSON-ready."""
    ordinary = predictor.residuals.ordinary
    log_predicted = np.asarray(predictor.residuals.log_predicted)[ordinary]
    measured = np.exp(log_predicted + np.asarray(predictor.residuals.log_error)[ordinary])
    found: dict[str, Any] = {
        "predicted": np.exp(log_predicted).tolist(),
        "measured": measured.tolist(),
        "low": None,
        "high": None,
    }
    if predictor.residuals.enough:
        widths = predictor.residuals.own_half_widths(COVERAGE)[ordinary]
        found |= {
            "low": np.exp(log_predicted - widths).tolist(),
            "high": np.exp(log_predicted + widths).tolist(),
        }
    return found


def shares(predictor: Predictor, architecture: Architecture) -> list[tuple[str, float, float]]:
    """Return (class of kernels, predicted ms, share of the whole) of a neck, the largest first."""
    total = float(predictor.times([architecture])[0])
    found = [("fixed cost", predictor.base, predictor.base / total)]
    for kind, amounts in predictor.totals(architecture).items():
        rates = predictor.rates_of(kind)
        ms = math.fsum(amount * rate for amount, rate in zip(amounts, rates, strict=True))
        found.append((_words(kind), ms, ms / total))
    return sorted((entry for entry in found if entry[1] > 0), key=lambda entry: -entry[1])


def _words(kind: str) -> str:
    """Return a class of kernels as people call it: `conv_dense` is a dense convolution."""
    first, _, rest = kind.partition("_")
    if first == "conv":
        return f"{rest.replace('_', ' ')} convolution".strip()
    return {"act": "activation", "reorder": "layout reorder"}.get(kind, kind.replace("_", " "))


def example(space: Mapping[str, Any]) -> tuple[str, Architecture] | None:
    """Return a published neck of the space to show shares of, by name; None where it has none."""
    try:
        known = Space.load(space)
        return next(((name, known.architecture(gene)) for name, gene in known.baselines().items()), None)
    except SearchSpaceError:
        return None
