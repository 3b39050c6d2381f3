"""Fronts as they are sent: made once for a search's state, kept in memory, and stored when it has ended.

A front of ten thousand evaluations takes a few hundred milliseconds to read and rank, and a few to send.
Whatever changes a front also counts up the search's evaluations or events, so these say which answer holds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cache
from importlib.metadata import version

from sqlalchemy.exc import OperationalError

from service.fronts import Fronts
from service.pareto import live_front
from service.records import Search
from service.states import ENDED
from service.store import Store
from service.stores import answers, searches

KEPT = 256
FORMAT = 2
"""Raised when the form of a front changes within one version."""
Asked = tuple[str, int, str | None, str | None]


class Answers:
    """Remembers the fronts that were sent lately."""

    def __init__(self, store: Store, fronts: Fronts) -> None:
        self._store, self._fronts = store, fronts
        self._known: OrderedDict[Asked, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()

    def front(self, search: Search, objectives: str | None = None, constraints: str | None = None) -> bytes:
        """Return the front as JSON, for the search's own objectives and constraints or for those named.

        Raises:
            Unacceptable: objectives or constraints that are none.
        """
        with self._store.database.read() as tx:
            revision, state = answers.standing(tx, search.id)
        asked = (search.id, revision, objectives, constraints)
        found = self._find(asked)
        if found is not None:
            return found
        with self._making:  # so that many who ask at once do not all rank the same points
            found = self._find(asked)
            if found is None:
                found = self._made(search, asked, ended=state in ENDED)
                self._keep(asked, found)
        return found

    def _made(self, search: Search, asked: Asked, *, ended: bool) -> bytes:
        search_id, revision, objectives, constraints = asked
        stored = ended and objectives is None and constraints is None
        if stored:
            with self._store.database.read() as tx:
                known = answers.get(tx, search_id, revision, _made_by())
            if known is not None:
                return known.encode()
        body = live_front(self._store, self._fronts, search, objectives, constraints).model_dump_json()
        if stored:
            self._remember(search_id, revision, body)
        return body.encode()

    def _remember(self, search_id: str, revision: int, body: str) -> None:
        try:
            with self._store.database.write(durable=False) as tx:
                answers.keep(tx, search_id, revision, _made_by(), body)
        except OperationalError:
            return  # a full disk or a database that only reads: the answer is right all the same

    def _find(self, asked: Asked) -> bytes | None:
        with self._lock:
            found = self._known.get(asked)
            if found is not None:
                self._known.move_to_end(asked)
            return found

    def _keep(self, asked: Asked, body: bytes) -> None:
        with self._lock:
            self._known[asked] = body
            while len(self._known) > KEPT:
                self._known.popitem(last=False)


def prepare(store: Store, search_id: str) -> None:
    """Make and store the front of a search that has ended, so that the first to ask does not wait."""
    with store.database.read() as tx:
        search = searches.get(tx, search_id)
    if search is not None:
        Answers(store, Fronts(store)).front(search)


@cache
def _made_by() -> str:
    return f"{version('neckline')}/{FORMAT}"[:32]
