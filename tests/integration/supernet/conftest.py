"""A dataset and a training small enough for seconds."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from supernet.data.digits import make_digits
from supernet.training.spec import TrainingSpec

SPACE = {"space": "fusion_grid", "widths": [8, 12], "stages": [1, 2]}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """One thread: runs on a busy machine stay quick, and sums are added in one order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_digits(tmp_path_factory.mktemp("digits") / "data", seed=1, train=24, val=6, image_size=64)


@pytest.fixture
def small(digits: Path) -> TrainingSpec:
    """Eight steps of four subnets on four images of 64 pixels."""
    spec = TrainingSpec(str(digits), space=SPACE, steps=8, batch_size=4, checkpoint_every=3, event_every=2)
    return replace(spec, learning_rate=1e-3)
