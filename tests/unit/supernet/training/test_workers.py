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
from pathlib import Path
from torch import nn
from supernet.training import exchange, workers

exchange.MEMORY = Path(sys.argv[5])
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=sys.argv[2], rank=rank, world_size=2)
joined = workers.Workers.joined()
assert joined == workers.Workers(rank, 2)
workers.BUCKET_BYTES = int(sys.argv[3])
torch.manual_seed(0)
body, head = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3)), nn.Linear(3, 1)
body[1].bias.requires_grad_(False)
plain = nn.ModuleList([copy.deepcopy(body), copy.deepcopy(head)])
every = nn.ModuleList([body, head])
mean = workers.GradientMean(joined, every.parameters(), body.parameters())
assert type(mean._exchange).__name__ == sys.argv[4]
for first in (0, 1, 0, 0, 1):  # in between, the last backward pass reaches a part of the body only
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
@pytest.mark.parametrize("way", ["SharedMemory", "Collective", "no memory at one"])
def test_gradients_are_averaged_over_two_processes(tmp_path: Path, bucket_bytes: int, way: str) -> None:
    method = f"file://{tmp_path / 'meeting'}"
    memory, missing = tmp_path / "memory", tmp_path / "missing"
    memory.mkdir()
    places = {"SharedMemory": (memory, memory), "Collective": (missing, missing)}.get(way, (memory, missing))
    kind = "SharedMemory" if way == "SharedMemory" else "Collective"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), method, str(bucket_bytes), kind, str(places[rank])],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    for run in runs:
        _, errors = run.communicate(timeout=120)
        assert run.returncode == 0, errors
        assert ("share no memory" in errors) == (kind == "Collective")
    assert not list(memory.iterdir())  # nothing is left, not even by a worker that is killed later


def test_alone_nothing_changes() -> None:
    module = nn.Linear(2, 1)
    assert Workers.joined() == Workers(0, 1)
    mean = GradientMean(Workers(), module.parameters(), module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    mean.send(module.parameters())
    mean.finish()
    assert module.weight.grad is not None and torch.equal(module.weight.grad, torch.ones(1, 2))
