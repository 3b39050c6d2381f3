"""How long a user waits for a bundle: from the request over HTTP to the checked zip, on two cores.

A service is started, trains a supernet of the demo's space briefly, searches it, and is started anew.
Then the bundle of every scored neck is asked for, the first one of a worker that has loaded nothing, and each
once more.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import form
from benchmarks.form import Figure, Target
from service.client import Client
from service.demo.process import running
from service.demo.run import RULE_OPTIONS, SPACE

TARGETS = {"bundle_from_request_s": Target("<=", 20.0), "bundles_that_changed": Target("<=", 0)}
CORES = 2
STEPS = 20
EVALUATIONS = 4


@contextmanager
def two_cores() -> Iterator[None]:
    """Let this process and those that it starts use two cores only."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(allowed)[:CORES]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def measure(*, quick: bool) -> list[Figure]:
    """Serve, train briefly, search, serve again and ask for bundles; quick: fewer images."""
    images = 128 if quick else 1024
    with two_cores(), TemporaryDirectory() as folder:
        with running(Path(folder)) as (_, client):
            subnets = _searched(client, images)
        with running(Path(folder)) as (_, client):
            first_s, *later_s = [_waited_s(client, subnet) for subnet in subnets]
            changed = sum(_asked_again(client, subnet) for subnet in subnets)
    detail = f"{images} training images; demo's space; {len(subnets)} necks"
    slowest = max(first_s, *later_s)
    return [
        Figure("bundle_from_request_s", slowest, "s", detail=f"slowest of {len(subnets)}; {detail}"),
        Figure("bundle_of_fresh_worker_s", first_s, "s", detail="the first one after a start"),
        Figure("bundle_of_warm_worker_s", max(later_s), "s", detail="the slowest of the others"),
        Figure("bundles_that_changed", changed, "1", detail="asked for again: another id or sha256"),
    ]


def _searched(client: Client, images: int) -> list[str]:
    dataset = client.wait(client.make_digits(seed=0, train=images, val=64))
    spec: dict[str, Any] = {"steps": STEPS, "space": SPACE, "rule_options": RULE_OPTIONS}
    supernet = client.wait(client.train(dataset.id, **spec))
    search = client.search(
        supernet.id, objectives=["ap", "macs"], strategy="random", budget={"evaluations": EVALUATIONS}
    )
    client.wait(search)
    return [subnet.id for subnet in client.subnets(search.id)]


def _waited_s(client: Client, subnet_id: str) -> float:
    began_s = time.monotonic()
    client.wait(client.artifact(subnet_id))
    return time.monotonic() - began_s


def _asked_again(client: Client, subnet_id: str) -> bool:
    """Return whether the same request, made again, gives another artifact."""
    one, other = client.artifact(subnet_id), client.artifact(subnet_id)
    return (one.id, one.sha256) != (other.id, other.sha256)


if __name__ == "__main__":
    form.main("taking_home", measure)
