"""API keys over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from service.models.base import Id, Name, Request, View

Scope = Literal["read", "write", "agent", "admin"]
Owner = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@\-]{0,63}$")]


class NewKey(Request):
    """A key to be made."""

    name: Name
    owner: Owner | None = Field(None, description="whose key it is; the caller's own when left out")
    scopes: list[Scope] = Field(default=["write"], min_length=1, max_length=4)
    days: float | None = Field(None, gt=0, le=3650, description="days until it expires; never when left out")


class KeyView(View):
    """A key's public part."""

    id: Id
    owner: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class IssuedView(KeyView):
    """A new key with its secret, which is shown this once."""

    secret: str
