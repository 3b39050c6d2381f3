"""One thread a test process, and a hypothesis profile for each place the tests run."""

import os
import sys
from collections.abc import Iterator

import hypothesis
import pytest

# Read by torch, numpy and ONNX Runtime when they are first imported, which none of the imports above does.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("RAY_worker_niceness", "0")  # nice ones starve beside as many tests as there are cores

hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Give each test one torch thread, whatever the test before it set; never import torch for it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    yield
