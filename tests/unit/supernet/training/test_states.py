"""Nested states: what is written is read, bit for bit, and nothing but data is read."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from supernet.training.states import read_state, write_state


def test_an_optimizers_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    module = nn.Conv2d(2, 3, 3)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1 / 3, fused=True)
    module(torch.rand(1, 2, 8, 8)).sum().backward()
    optimizer.step()
    expected = optimizer.state_dict()
    write_state(tmp_path / "state", {"optimizer": expected, "step": 7})
    found = read_state(tmp_path / "state")
    assert found["step"] == 7 and found["optimizer"]["param_groups"][0]["lr"] == 1 / 3
    assert list(found["optimizer"]["state"]) == [0, 1]
    for index, entry in expected["state"].items():
        for name, tensor in entry.items():
            assert torch.equal(found["optimizer"]["state"][index][name], tensor)
    optimizer.load_state_dict(found["optimizer"])


def test_views_half_precision_and_odd_values_survive(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    content = {
        "a": shared[:3],
        "b": shared[::2],
        "half": torch.ones(2, dtype=torch.bfloat16),
        "empty": {"map": {}, "list": [], "none": None},
        "values": [True, 1.5, math.inf, "text", (1, 2)],
    }
    write_state(tmp_path / "state", content)
    found = read_state(tmp_path / "state")
    assert torch.equal(found["a"], shared[:3]) and torch.equal(found["b"], shared[::2])
    assert found["half"].dtype == torch.bfloat16 and found["empty"] == content["empty"]
    assert found["values"] == [True, 1.5, math.inf, "text", [1, 2]]


def test_other_files_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "pickle")
    (tmp_path / "short").write_bytes(b"\x01")
    for name in ("pickle", "short", "missing"):
        with pytest.raises(ValueError, match="not a state that was written whole"):
            read_state(tmp_path / name)
