"""Runners: one file a kind of job, found by its name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from service.work import Outcome, Work


def runner(kind: str) -> Callable[[Work], Outcome]:
    """Return the runner of a kind of job."""
    found: Callable[[Work], Outcome] = import_module(f"service.jobs.{kind}").run
    return found
