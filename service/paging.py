"""Page tokens: opaque, and bound to the list and the filters that they were made for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request

from service.errors import Pointed, Unacceptable
from service.stores.rows import Page

NOT_FILTERS = ("page_token", "page_size")
T = TypeVar("T")


@dataclass(frozen=True)
class Paging:
    """The part of a list that a request asks for."""

    page: Page
    bound_to: str

    def cut(self, rows: Sequence[T], position: tuple[str, ...]) -> tuple[list[T], str | None]:
        """Return one page of the rows and the token of the next, None at the end.

        Args:
            rows: up to one row more than the page.
            position: names of the row's attributes that the list is ordered by.
        """
        kept = list(rows[: self.page.size])
        if len(rows) <= self.page.size or not kept:
            return kept, None
        return kept, _encode([getattr(kept[-1], name) for name in position], self.bound_to)


async def paging(
    request: Request,
    page_size: Annotated[int, Query(ge=1, le=1000, description="most items in one answer")] = 50,
    page_token: Annotated[
        str | None, Query(max_length=1024, description="next_page_token of the page before")
    ] = None,
) -> Paging:
    """Return the page that the request asks for.

    Raises:
        Unacceptable: the token is not one of ours, or was made for another list.
    """
    filters = sorted(
        (name, value) for name, value in request.query_params.multi_items() if name not in NOT_FILTERS
    )
    bound_to = hashlib.sha256(json.dumps([request.url.path, filters]).encode()).hexdigest()[:16]
    after = None if page_token is None else _decode(page_token, bound_to)
    return Paging(Page(page_size, after), bound_to)


def _encode(position: Sequence[Any], bound_to: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([bound_to, *position]).encode()).decode().rstrip("=")


def _decode(token: str, bound_to: str) -> tuple[Any, ...]:
    try:
        found, *position = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as error:
        raise Unacceptable(Pointed("query/page_token", "not a page token of this service")) from error
    sound = all(
        isinstance(value, float | int) or (isinstance(value, str) and value.isprintable())
        for value in position
    )
    if found != bound_to or not position or not sound:
        raise Unacceptable(
            Pointed("query/page_token", "made for another list or other filters: start without one")
        )
    return tuple(position)


PagingDep = Annotated[Paging, Depends(paging)]
