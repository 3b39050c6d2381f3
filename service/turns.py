"""Turns: how many requests are worked on at once.

Threads that share one interpreter slow each other down evenly, so that of many requests all are late. With
turns the first come first, and the last is no later than it would have been.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LONGEST_S = 1.0
"""After which a request's turn is given to the next, though it still works."""


class Turns:
    """A number of requests that may work at once, in the order in which they came."""

    def __init__(self, count: int, *, longest_s: float = LONGEST_S) -> None:
        self._free, self._longest_s = asyncio.Semaphore(count), longest_s

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it, but no longer than the longest."""
        await self._free.acquire()
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                self._free.release()

        late = asyncio.get_running_loop().call_later(self._longest_s, give_back)
        try:
            yield
        finally:
            late.cancel()
            give_back()
