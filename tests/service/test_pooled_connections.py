"""A connection that the server ended while it rested is replaced, and nobody notices; who asked on it is forgotten at once."""

from __future__ import annotations

import select

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.database import MOST_PLANS, ask_alone, ask_as, dispose, engine
from app.core.permissions import Role
from tests import cast

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


def test_one_message_reads_as_whoever_asks_and_leaves_nothing_of_them_on_the_connection() -> None:
    officers = [cast.bank()[Role.BANK_OFFICER], cast.bank("云城银行")[Role.BANK_OFFICER]]
    dispose()  # from here on there is one connection
    who = "select hq_actor(), hq_org(), hq_kind(), pg_backend_pid(), current_setting('transaction_read_only')"
    kept = ask_as(officers[0], who)[3]
    for officer in officers * 4:
        assert ask_as(officer, who) == (officer.actor_id, officer.org_id, "bank", kept, "on")
        assert ask_alone("select hq_actor(), hq_org(), hq_kind()", ()) == (None, None, None)
    plans = "select count(*) from pg_prepared_statements where statement like %s"
    assert ask_alone(plans, ("%transaction_read_only%",)) == (1,), "its plan is kept"

    with pytest.raises(DBAPIError, match="read-only"):
        ask_as(officers[0], "with gone as (delete from outbox returning id) select count(*) from gone")
    with pytest.raises(DBAPIError, match="division by zero"):
        ask_as(officers[0], "select 1 / 0")
    with engine().connect() as connection:  # psycopg drops all plans where somebody rolled back
        assert connection.scalar(text("select pg_backend_pid()")) == kept
        connection.rollback()
        connection.exec_driver_sql("deallocate all")
    for _ in range(3):
        assert ask_as(officers[1], who)[:4] == (officers[1].actor_id, officers[1].org_id, "bank", kept)

    for number in range(MOST_PLANS + 3):
        assert [ask_as(officers[0], f"select {number}")[0] for _ in range(2)] == [number, number]
    own = ask_alone("select count(*) from pg_prepared_statements where name like %s", ("hq%",))
    assert own[0] <= MOST_PLANS
