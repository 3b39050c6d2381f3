"""Killing the worker in the middle of a search, and counting afterwards what was lost or done twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from service.client import Client
from service.client_records import Search
from service.demo.process import Service, kill


@dataclass
class Crash:
    """Kills the service's worker once, when a part of the search is done."""

    service: Service
    after: int
    killed: int | None = None
    at: int = field(default=0)

    def look(self, search: Search) -> None:
        """Kill the worker if enough evaluations are stored."""
        if self.killed is None and search.state == "RUNNING" and search.evaluated >= self.after:
            pid = self.service.worker_pid()
            if pid is not None:
                kill(pid)
                self.killed, self.at = pid, search.evaluated


@dataclass(frozen=True)
class Count:
    """What a search's record holds against what it was asked for."""

    asked: int
    stored: int
    lost: int
    twice: int
    attempts: int

    @property
    def sound(self) -> bool:
        """Return whether nothing is missing and nothing is there twice."""
        return self.lost == 0 and self.twice == 0


def count(client: Client, search: Search) -> Count:
    """Return how many evaluations a finished search lost or made twice."""
    found = list(client.subnets(search.id))
    keys = Counter(subnet.key for subnet in found)
    numbers = {subnet.number for subnet in found}
    asked = int(search.spec["budget"]["evaluations"])
    searched = sum(subnet.origin == "search" for subnet in found)
    gaps = len(set(range(1, len(found) + 1)) - numbers)
    lost = max(0, asked - searched) + gaps
    twice = sum(times - 1 for times in keys.values()) + max(0, searched - asked)
    return Count(asked, len(found), lost, twice, int(search.raw["attempt"]))
