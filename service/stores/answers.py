"""Fronts of ended searches as they are sent, beside the record that they can be made from again."""

from __future__ import annotations

from sqlalchemy import Connection, select

from service.database import insert
from service.states import State
from service.tables import answers, jobs, searches


def standing(tx: Connection, search_id: str) -> tuple[int, State]:
    """Return a number that rises with whatever changes the search's front, and the search's state."""
    revision = jobs.c.event_count + searches.c.evaluated + searches.c.failed
    query = select(revision, jobs.c.state).join(searches, searches.c.id == jobs.c.id)
    number, state = tx.execute(query.where(jobs.c.id == search_id)).one()
    return int(number), State(state)


def get(tx: Connection, search_id: str, revision: int, made_by: str) -> str | None:
    """Return the answer that this version of the service made of that state of the search."""
    query = select(answers.c.body).where(
        answers.c.search_id == search_id, answers.c.revision == revision, answers.c.made_by == made_by
    )
    found = tx.execute(query).scalar_one_or_none()
    return None if found is None else str(found)


def keep(tx: Connection, search_id: str, revision: int, made_by: str, body: str) -> None:
    """Store an answer in place of the search's earlier one."""
    values = {"revision": revision, "made_by": made_by, "body": body}
    statement = insert(tx, answers).values(search_id=search_id, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=[answers.c.search_id], set_=values))
