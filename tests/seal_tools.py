"""The database spoken to past the services: as its owner, or as the login role with any identity; and two calls at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.engine import make_url

from app.core.errors import Refusal
from tests.database import TestDatabase


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Runs the calls at the same moment; a refusal is its own result."""
    gate = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        gate.wait()
        try:
            return call()
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def owner_sql(database: TestDatabase, sql: str, *values: Any) -> list[Any]:
    """A statement as the owner of the tables, past every policy: for arranging and for counting."""
    dsn = make_url(database.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(dsn)) as connection, connection:  # what is refused at the commit leaves it open
        cursor = connection.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def rows(database: TestDatabase, identity: tuple[UUID | None, UUID | None, str | None], sql: str, *values: Any) -> list[Any]:
    """What a statement returns to the portal's login role with an identity (person, organisation, kind) set."""
    actor, org, kind = identity
    dsn = make_url(database.app_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(dsn)) as connection, connection:  # what is refused at the commit leaves it open
        connection.execute(
            "select set_config('hq.actor', %s, true), set_config('hq.org', %s, true), set_config('hq.kind', %s, true)",
            [str(actor or ""), str(org or ""), kind or ""],
        )
        return connection.execute(sql, values).fetchall()
