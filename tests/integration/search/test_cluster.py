"""A real Ray that does not come up at first leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path

import pytest
import ray
from ray._private import services

from search.cluster import LATE, start

pytestmark = pytest.mark.slow


def children() -> list[str]:
    """Return the names of this process's own children."""
    found = []
    for threads in Path("/proc/self/task").glob("*/children"):
        for child in threads.read_text().split():
            found.append(Path(f"/proc/{child}/comm").read_text().strip())
    return found


def test_a_node_that_did_not_come_up_is_ended_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    get_node: Callable[..., object] = services.get_node
    calls: list[object] = []

    def late(*args: object) -> object:
        calls.append(args)
        if len(calls) == 1:
            assert {"gcs_server", "raylet"} <= set(children())
            raise Exception(f"The current node {LATE}.")
        return get_node(*args)

    monkeypatch.setattr(services, "get_node", late)
    try:
        start(1)
        assert len(calls) > 1
        assert sorted(name for name in children() if name in ("gcs_server", "raylet")) == [
            "gcs_server",
            "raylet",
        ]
    finally:
        ray.shutdown()
