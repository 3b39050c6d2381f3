"""Conditional and partial answers: ETag, If-None-Match, If-Range and one byte range (RFC 9110, sections
13 and 14).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Span:
    """The bytes to send, from start up to, not including, end; and the status that says so."""

    status: int
    start: int
    end: int


def choose(headers: Headers, *, etag: str, size: int) -> Span:
    """Return which part of an entity of that size, bytes, a request asks for.

    Several ranges, and what is not a range, are answered with the whole entity.
    """
    if _matches(headers.get("if-none-match"), etag):
        return Span(304, 0, 0)
    wanted, condition = headers.get("range"), headers.get("if-range")
    found = None if wanted is None else ONE_RANGE.fullmatch(wanted.strip())
    if found is None or found.groups() == ("", "") or (condition is not None and condition.strip() != etag):
        return Span(200, 0, size)
    first, last = found.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), size if last == "" else min(size, int(last) + 1)
        if last != "" and int(last) < start:
            return Span(200, 0, size)
    return Span(416, 0, 0) if start >= size or start >= end else Span(206, start, end)


def _matches(condition: str | None, etag: str) -> bool:
    if condition is None:
        return False
    return condition.strip() == "*" or etag in [
        part.strip().removeprefix("W/") for part in condition.split(",")
    ]
