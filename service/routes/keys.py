"""Routes of API keys; they need the scope admin."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from service.callers import CallerDep, KnownDep, StoreDep, needs_scope
from service.database import read_clock
from service.errors import NotFound
from service.models.base import Id, PageView, moment
from service.models.keys import IssuedView, KeyView, NewKey
from service.openapi import REFUSALS, links
from service.paging import PagingDep
from service.records import ApiKey
from service.replay import StrictRoute
from service.stores import keys

DAY_S = 86_400.0
Admin = Annotated[object, Depends(needs_scope("admin"))]
router = APIRouter(prefix="/api-keys", tags=["keys"], route_class=StrictRoute)


@router.post(
    "", status_code=201, responses=REFUSALS | links(201, ("revoke_key", "key_id")), operation_id="post_key"
)
def post(request: NewKey, caller: CallerDep, _admin: Admin, store: StoreDep) -> IssuedView:
    """Make a key and show its secret, this once."""
    with store.database.write() as tx:
        expires_at = None if request.days is None else read_clock(tx) + request.days * DAY_S
        owner = request.owner or caller.owner
        issued = keys.issue(tx, owner=owner, name=request.name, scopes=request.scopes, expires_at=expires_at)
    return IssuedView(**_fields(issued.key), secret=issued.secret)


@router.get("", responses=REFUSALS, operation_id="list_keys")
def index(_admin: Admin, store: StoreDep, paging: PagingDep) -> PageView[KeyView]:
    """List every key, newest first, without its secret."""
    with store.database.read() as tx:
        kept, token = paging.cut(keys.page(tx, None, paging.page), ("created_at", "id"))
    return PageView(items=[KeyView(**_fields(key)) for key in kept], next_page_token=token)


@router.delete("/{key_id}", status_code=204, responses=REFUSALS, operation_id="revoke_key")
def revoke(key_id: Id, _admin: Admin, store: StoreDep, known: KnownDep) -> None:
    """Make a key useless: at once here, within two seconds in other processes of the service."""
    with store.database.write() as tx:
        if not keys.revoke(tx, key_id):
            raise NotFound("no such key in use")
    known.forget()


def _fields(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "owner": key.owner,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": moment(key.created_at),
        "expires_at": moment(key.expires_at),
        "revoked_at": moment(key.revoked_at),
    }
