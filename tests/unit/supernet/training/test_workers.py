"""Data-parallel steps: two processes with different images end with the same weights."""

import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from supernet.training.workers import Workers

PROGRAM = """
import sys, torch, torch.distributed as dist
from torch import nn
from supernet.training.workers import Workers
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=sys.argv[2], rank=rank, world_size=2)
workers = Workers.joined()
assert workers == Workers(rank, 2)
module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
for k, p in enumerate(module.parameters()):
    p.grad = torch.full_like(p, 10.0 * rank + k)
module[1].bias.grad = None
workers.average_gradients(module.parameters())
assert [p.grad is None for p in module.parameters()] == [False, False, False, True]
for k, p in enumerate(list(module.parameters())[:3]):
    assert torch.equal(p.grad, torch.full_like(p, 5.0 + k)), (k, p.grad)
workers.wait()
dist.destroy_process_group()
"""


def test_gradients_are_averaged_over_two_processes(tmp_path: Path) -> None:
    method = f"file://{tmp_path / 'meeting'}"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), method], stderr=subprocess.PIPE, text=True
        )
        for rank in (0, 1)
    ]
    for run in runs:
        _, errors = run.communicate(timeout=120)
        assert run.returncode == 0, errors


def test_alone_nothing_changes() -> None:
    module = nn.Linear(2, 1)
    assert Workers.joined() == Workers(0, 1)
    module.weight.grad = torch.ones(1, 2)
    Workers().average_gradients(module.parameters())
    assert torch.equal(module.weight.grad, torch.ones(1, 2))
