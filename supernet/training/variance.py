"""AGVM: the gradient variances of backbone, neck and head aligned (Li et al., NeurIPS 2022).

In large batches the modules' gradients differ in effective variance, which unbalances their updates. The
effective variance of a module is estimated from two gradients of consecutive steps, `(1 - cos(g_t,
g_{t-1})) / 2`, smoothed over steps (the paper splits a batch in two; two steps need no second backward
pass). Neck and head gradients are then scaled by `sqrt(variance of the backbone / their own)`, eq. 6,
within bounds. A frozen backbone leaves the neck as the reference.
"""

from typing import Any

import torch
from torch import Tensor, nn

from supernet.detector import Detector
from supernet.training.spec import TrainingSpec

SMOOTHING = 0.97
BOUNDS = (0.1, 10.0)


class Alignment:
    """Scales the gradients of neck and head."""

    def __init__(self, detector: Detector, spec: TrainingSpec) -> None:
        """Take the modules that are trained, the reference first."""
        modules = {"backbone": detector.backbone, "neck": detector.neck, "head": detector.head}
        self._modules: dict[str, nn.Module] = {
            name: module for name, module in modules.items() if name != "backbone" or not spec.backbone.frozen
        }
        self._last: dict[str, dict[str, Tensor]] = {}
        self.variances: dict[str, float] = {}

    def scale_gradients(self) -> None:
        """Take note of the gradients that are there and scale those of all modules but the reference."""
        for name, module in self._modules.items():
            self._observe(name, module)
        reference, *others = self._modules
        for name in others:
            if reference in self.variances and name in self.variances:
                ratio = (self.variances[reference] / max(self.variances[name], 1e-12)) ** 0.5
                _scale(self._modules[name], min(max(ratio, BOUNDS[0]), BOUNDS[1]))

    def state(self) -> dict[str, Any]:
        """Return what was noted so far, for a checkpoint."""
        return {"variances": dict(self.variances), "last": {k: dict(v) for k, v in self._last.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        self.variances, self._last = dict(state["variances"]), dict(state["last"])

    def _observe(self, name: str, module: nn.Module) -> None:
        now = {key: p.grad.detach().clone() for key, p in module.named_parameters() if p.grad is not None}
        before = self._last.get(name, {})
        common = [key for key in now if key in before]
        self._last[name] = now
        if common:
            a, b = (torch.cat([grads[key].flatten() for key in common]) for grads in (now, before))
            cosine = float(torch.nn.functional.cosine_similarity(a, b, 0))
            found = (1 - cosine) / 2
            self.variances[name] = SMOOTHING * self.variances.get(name, found) + (1 - SMOOTHING) * found


def _scale(module: nn.Module, factor: float) -> None:
    for parameter in module.parameters():
        if parameter.grad is not None:
            parameter.grad.mul_(factor)
