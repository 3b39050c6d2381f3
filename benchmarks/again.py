"""Ask a supernet that was searched before about another device, over HTTP, and time the answers.

A service is started, a supernet of the demo's space trained briefly (how well it detects does not change how
long anything takes), 300 of its necks are scored by draws, and a device is calibrated: five minutes on two
cores. What is timed comes after: a search for that device that begins from the archive.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import form
from benchmarks.form import Figure, Target
from service.client import Client
from service.client_records import Event
from service.demo.process import running
from service.demo.run import RULE_OPTIONS, SPACE

ARCHIVED, REFINED = 300, 8
STEPS = 40
FEW = 40
"""Archived necks of a quick run."""
DEVICE = {"kind": "onnxruntime_cpu", "threads": 1}
TARGETS = {"predicted_s": Target("<=", 5.0), "verified_s": Target("<=", 60.0)}
SEEDS = (0,)


@dataclass(frozen=True)
class Answers:
    """How soon a supernet answered again.

    Attributes:
        predicted_s: from the request to the first front that the client reads: archived accuracies beside
            latencies that are all predicted for the new device.
        guessed_s: from the request to the event with the necks that a model puts ahead of that front.
        verified_s: from the request to the search's end, its front measured on the device.
        archived, guessed, evaluated, members: evaluations adopted, necks put ahead of the front, necks
            evaluated anew, and members of the final front.
    """

    predicted_s: float
    guessed_s: float
    verified_s: float
    archived: int
    guessed: int
    evaluated: int
    members: int


def measure(*, quick: bool) -> list[Figure]:
    """Return how soon the answers come; a quick run archives fewer necks."""
    found = asked_again(FEW if quick else ARCHIVED)
    first = f"from the POST to a front read over HTTP: {found.archived} archived, latencies predicted"
    looked = f"until a model has looked for more; {found.guessed} necks put ahead of that front"
    ended = f"{found.evaluated} evaluated, {found.members} on the front measured on the device"
    return [
        Figure("predicted_s", found.predicted_s, "s", detail=first),
        Figure("guessed_s", found.guessed_s, "s", detail=looked),
        Figure("verified_s", found.verified_s, "s", detail=ended),
    ]


def asked_again(archived: int) -> Answers:
    """Return how soon a service with a searched supernet answers for another device."""
    with tempfile.TemporaryDirectory(prefix="again-") as folder, running(Path(folder)) as (_, client):
        supernet = _searched(client, archived)
        return _timed(client, supernet)


def _searched(client: Client, archived: int) -> str:
    """Return a supernet with so many scored necks, and have the device calibrated for it."""
    dataset = client.wait(client.make_digits())
    spec: dict[str, Any] = {"steps": STEPS, "space": SPACE, "rule_options": RULE_OPTIONS}
    supernet = client.wait(client.train(dataset.id, **spec))
    plain: dict[str, Any] = {"baselines": [], "strategy": "random"}
    client.wait(client.search(supernet.id, budget={"evaluations": archived - 1}, **plain))
    calibrating = {"devices": [DEVICE], "objectives": ["ap", "latency_ms"], "budget": {"evaluations": 1}}
    client.wait(client.search(supernet.id, **plain, **calibrating))
    return str(supernet.id)


def _timed(client: Client, supernet: str) -> Answers:
    began = time.monotonic()
    search = client.search(
        supernet,
        devices=[DEVICE],
        objectives=["ap", "latency_ms"],
        budget={"evaluations": REFINED},
        baselines=[],
        archive=True,
    )
    predicted_s = _first_front(client, search.id, began)
    events = client.events(search.id)
    adopted, _ = _next(events, "archive", began)
    guessed, guessed_s = _next(events, "predicted_front", began)
    client.wait(search)
    verified_s = time.monotonic() - began
    members = len(client.pareto(search.id).points)
    counts = (adopted["adopted"], len(guessed["points"]), REFINED, members)
    return Answers(predicted_s, guessed_s, verified_s, *counts)


def _first_front(client: Client, search_id: str, began: float) -> float:
    """Return the seconds from `began` until there is a front, its every latency marked as predicted."""
    while not (points := client.pareto(search_id).points):
        time.sleep(0.05)
    found_s = time.monotonic() - began
    sources = {
        score["source"] for point in points for score in point.scores if score["metric"] == "latency_ms"
    }
    assert sources == {"predicted"}, sources
    return found_s


def _next(events: Iterator[Event], kind: str, began: float) -> tuple[Mapping[str, Any], float]:
    """Return the payload of the next event of a kind and the seconds since `began`."""
    found = next(event for event in events if event.kind == kind)
    return found.payload, time.monotonic() - began


if __name__ == "__main__":
    form.main("again", measure)
