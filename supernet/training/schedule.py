"""Learning rate by step, and the optimizer."""

import math

import torch
from torch import nn

from supernet.training.spec import TrainingSpec


def learning_rate(spec: TrainingSpec, step: int) -> float:
    """Return the rate of a step: linear warm-up, then a cosine down to `final_rate` of the peak."""
    warm = max(1, round(spec.warmup * spec.steps))
    if step < warm:
        return spec.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, spec.steps - warm)
    share = spec.final_rate + (1 - spec.final_rate) * (1 + math.cos(math.pi * done)) / 2
    return spec.learning_rate * share


def build_optimizer(module: nn.Module, spec: TrainingSpec) -> torch.optim.AdamW:
    """Return AdamW over what is trained; scales, shifts and biases do not decay."""
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": spec.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=spec.learning_rate, fused=True)
