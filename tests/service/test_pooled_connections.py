"""A connection that the server ended while it rested is replaced, and nobody notices."""

from __future__ import annotations

import select

import pytest
from sqlalchemy import text

from app.core.database import engine

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]

PID = text("select pg_backend_pid()")


def test_a_connection_whose_server_process_ended_is_replaced_before_it_is_used() -> None:
    with engine().connect() as first, engine().connect() as other:
        ended, socket = first.scalar(PID), first.connection.dbapi_connection.fileno()  # type: ignore[union-attr]
        rests = other.scalar(PID)
        first.rollback()
        other.execute(text("select pg_terminate_backend(:pid)"), {"pid": ended})
        assert select.select([socket], [], [], 10)[0], "the server has said good-bye"
    with engine().connect() as one, engine().connect() as two:
        found = {one.scalar(PID), two.scalar(PID)}
    assert ended not in found and rests in found
