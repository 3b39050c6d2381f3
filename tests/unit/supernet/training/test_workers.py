"""Data-parallel steps: two processes with different images end with the same weights."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from supernet.training.workers import GradientMean, Workers

PROGRAM = """
import copy, sys, torch, torch.distributed as dist
from torch import nn
from supernet.training import workers

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=sys.argv[2], rank=rank, world_size=2)
joined = workers.Workers.joined()
assert joined == workers.Workers(rank, 2)
workers.BUCKET_BYTES = int(sys.argv[3])
torch.manual_seed(0)
body, head = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3)), nn.Linear(3, 1)
body[1].bias.requires_grad_(False)
plain = nn.ModuleList([copy.deepcopy(body), copy.deepcopy(head)])
mean = workers.GradientMean(joined, body.parameters())
every = nn.ModuleList([body, head])
for first in (0, 1, 0):  # in between, the last backward pass reaches a part of the body only
    inputs = torch.randn(2, 5, 3 if first else 2)
    every.zero_grad(set_to_none=True)
    features = body[first:](inputs[rank])
    leaf = features.detach().requires_grad_()
    for _ in range(2):
        (head(leaf) ** 2).mean().backward()
    mean.send(head.parameters())
    features.backward(leaf.grad)
    mean.finish()
    plain.zero_grad(set_to_none=True)
    sum((plain[1](plain[0][first:](x)) ** 2).mean() for x in inputs).backward()
    for ours, theirs in zip(every.parameters(), plain.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        if ours.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad)
joined.wait()
dist.destroy_process_group()
"""


@pytest.mark.parametrize("bucket_bytes", [1, 40, 1 << 18])
def test_gradients_are_averaged_over_two_processes(tmp_path: Path, bucket_bytes: int) -> None:
    method = f"file://{tmp_path / 'meeting'}"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), method, str(bucket_bytes)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    for run in runs:
        _, errors = run.communicate(timeout=120)
        assert run.returncode == 0, errors


def test_alone_nothing_changes() -> None:
    module = nn.Linear(2, 1)
    assert Workers.joined() == Workers(0, 1)
    mean = GradientMean(Workers(), module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    mean.send(module.parameters())
    mean.finish()
    assert module.weight.grad is not None and torch.equal(module.weight.grad, torch.ones(1, 2))
