"""The death of Ray's own process on this machine: said, instead of waiting for ever."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from search.errors import WorkerFailed
from search.executors.ray import RayExecutor
from service.processes import descendants
from tests.unit.search import chain

SPACE = chain.ChainSpace()
GRAPHS = [SPACE.architecture(genotype) for genotype in SPACE.everything()[:40]]


@pytest.fixture(autouse=True)
def no_cluster() -> Iterator[None]:
    ray.shutdown()
    yield
    ray.shutdown()


def raylet() -> int:
    below = descendants(os.getpid())
    (found,) = [pid for pid in below if Path(f"/proc/{pid}/comm").read_text().strip() == "raylet"]
    return found


def test_a_search_is_told_when_ray_itself_dies(tmp_path: Path) -> None:
    with RayExecutor(chain.Counting(tmp_path, 0.5), workers=1) as executor:
        executor.submit(GRAPHS)
        assert executor.wait(120) is not None
        os.kill(raylet(), signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="node on this machine died"):
            while executor.wait(120) is not None:
                pass
