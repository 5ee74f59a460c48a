"""Only one ticker of a database is active, and it cannot take the lock with it into its grave."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from app.core import database as portal_database
from app.core import outbox
from tests.database import TestDatabase
from workers import ticker


@pytest.fixture
def sessions(database: TestDatabase) -> Iterator[tuple[Connection, Connection]]:
    """The database sessions of two tickers."""
    first, second = (
        portal_database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") for _ in range(2)
    )
    yield first, second
    for session in (first, second):
        session.invalidate()
        session.close()


def takes_lock(session: Connection) -> bool:
    """One try, without waiting."""
    return bool(session.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ticker.LOCK_KEY}))


def test_a_second_ticker_stands_by_and_takes_over_when_the_first_loses_its_session(
    sessions: tuple[Connection, Connection], database: TestDatabase
) -> None:
    first, second = sessions
    assert takes_lock(first)
    assert not takes_lock(second)
    pid = first.scalar(text("SELECT pg_backend_pid()"))
    second.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
    with pytest.raises(OperationalError):
        first.execute(text("SELECT 1"))
    assert takes_lock(second)


def test_a_ticker_lets_go_of_the_lock_when_it_stops(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    ticks: list[str] = []

    def due(_ctx: object) -> int:
        ticks.append("tick")
        stop.set()
        return 1

    monkeypatch.setitem(outbox._checks, "test", due)
    ticker.run(stop, tick=0.01, standby=0.01)
    assert ticks == ["tick"]
    with psycopg.connect(database.app_url.replace("+psycopg", "")) as after:
        assert after.execute("SELECT pg_try_advisory_lock(%s)", [ticker.LOCK_KEY]).fetchone() == (True,)


def test_a_ticker_that_loses_the_database_goes_on_when_it_is_back(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    ticks: list[str] = []

    def due(_ctx: object) -> int:
        ticks.append("tick")
        if len(ticks) == 1:
            owner = psycopg.connect(database.owner_url.replace("+psycopg", ""), autocommit=True)
            with owner:
                holder = owner.execute(
                    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", [ticker.LOCK_KEY]
                ).fetchall()
            portal = psycopg.connect(database.app_url.replace("+psycopg", ""), autocommit=True)
            with portal:
                for (pid,) in holder:
                    portal.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        else:
            stop.set()
        return 1

    monkeypatch.setitem(outbox._checks, "test", due)
    ticker.run(stop, tick=0.01, standby=0.01)
    assert ticks == ["tick", "tick"]
