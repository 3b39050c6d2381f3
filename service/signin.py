"""Signing a browser in: a key in the printed address becomes a cookie that no script can read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from service.callers import COOKIE, StoreDep
from service.database import read_clock
from service.errors import Unauthorized
from service.stores import keys

SESSION_DAYS = 30
router = APIRouter()


@router.get("/signin", include_in_schema=False)
def sign_in(store: StoreDep, token: Annotated[str, Query(max_length=256)] = "") -> Response:
    """Trade a key for a session's cookie and lead to the pages."""
    with store.database.write() as tx:
        session = _session(tx, token)
    answer = RedirectResponse("/", 303)
    age_s = SESSION_DAYS * 86_400
    secure = store.settings.secure_cookies
    answer.set_cookie(
        COOKIE, session, max_age=age_s, httponly=True, samesite="strict", secure=secure, path="/"
    )
    return answer


def _session(tx: Connection, token: str) -> str:
    key = keys.find(tx, token)
    if key is None:
        raise Unauthorized(
            "this address holds no valid key: use the one that the service printed at its start"
        )
    expires_at = read_clock(tx) + SESSION_DAYS * 86_400
    issued = keys.issue(tx, owner=key.owner, name="browser session", scopes=key.scopes, expires_at=expires_at)
    return issued.secret
