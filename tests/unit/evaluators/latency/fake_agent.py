"""An agent that measures nothing: it answers batches by a known law, and misbehaves as it is told."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from evaluators.latency.leases import PROTOCOL_VERSION, REFERENCE

Fault = Literal["none", "drift", "fallback", "timeout", "nan", "missing", "hash"]


def description(**changes: Any) -> dict[str, Any]:
    """Return what an agent on a small board says of itself."""
    known = {"protocol": PROTOCOL_VERSION, "machine": "aarch64", "processor": "Board", "flags": []}
    return {**known, "runtime": "onnxruntime", "version": "1.20.0", **changes}


def times(request: Mapping[str, Any], fault: Fault = "none", seed: int = 0) -> dict[str, Any]:
    """Return the result of a batch: a model takes as long as its SHA-256 says, 1 to 5 ms."""
    if fault == "timeout":
        return {"error": "Timeout", "detail": "the batch took more than 600 s"}
    if fault == "hash":
        return {"error": "HashMismatch", "detail": "blob abc: the content's SHA-256 is def"}
    rng = np.random.default_rng(seed)
    truth = {entry["item"]: 1 + 4 * int(entry["sha256"][:4], 16) / 65535 for entry in request["models"]}
    reference = truth.pop(REFERENCE)
    if fault == "drift":
        truth[-2] *= 1.2
    if fault == "missing":
        truth.pop(0)
    visits = [
        _visit(item, at, truth[item], reference, rng) for at in range(request["visits"]) for item in truth
    ]
    if fault == "nan":
        visits[3]["runs_ms"][0] = float("nan")
    provider = "CPUExecutionProvider" if fault == "fallback" else request["provider"]
    return {"visits": visits, "providers": [provider], "elapsed_s": 1.0, "load": 0.1}


def _visit(
    item: int, at_s: float, time_ms: float, reference: float, rng: np.random.Generator
) -> dict[str, Any]:
    noise = 1 + 0.01 * rng.exponential(size=6)
    runs, beside = (time_ms * noise[:3]).tolist(), (reference * noise[3:]).tolist()
    return {"item": item, "at_s": at_s + rng.random(), "runs_ms": runs, "reference_ms": beside}
