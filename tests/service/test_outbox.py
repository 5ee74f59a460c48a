"""Work leaves with the change that caused it; killing the worker or losing Redis loses nothing and doubles nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, text

from app.core import outbox
from app.core.calendar import now
from app.core.cases import new_seal, open_seal
from app.core.context import Context
from app.core.database import session, transaction
from app.core.models import Outbox
from app.core.permissions import Role
from tests import cast
from tests.database import TestDatabase

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def handlers() -> Iterator[list[Any]]:
    """Handlers of this file's own topics; each leaves a notice, so that its work can be counted in the database."""

    @outbox.handles("test.happened", "test.count")
    def count(ctx: Context, payload: dict[str, Any]) -> None:
        session().execute(text("insert into seal (id) values (gen_random_uuid())"))
        if payload.get("fail"):
            raise ValueError("broken on purpose")

    yield []
    outbox._handlers.pop("test.count", None)


def emit(**payload: Any) -> None:
    with transaction(cast.SYSTEM):
        outbox.emit("test.happened", **payload)


def rows() -> list[Outbox]:
    with transaction(cast.SYSTEM, read_only=True):
        return list(session().scalars(select(Outbox).order_by(Outbox.created_at)))


def work_done() -> int:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalar(text("select count(*) from seal")) or 0


def test_a_change_that_is_taken_back_leaves_no_work() -> None:
    with pytest.raises(ZeroDivisionError), transaction(cast.SYSTEM):
        outbox.emit("test.happened")
        raise ZeroDivisionError
    assert rows() == []


def test_work_is_done_once_however_often_it_is_delivered() -> None:
    emit()
    (row,) = rows()
    assert outbox.deliver(row.id) is True
    assert outbox.deliver(row.id) is False
    assert work_done() == 1
    assert rows()[0].state == "done"


def test_two_workers_at_once_do_it_once() -> None:
    emit()
    (row,) = rows()
    results: list[bool] = []
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        results.append(outbox.deliver(row.id))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]
    assert work_done() == 1


def test_a_handler_that_fails_leaves_nothing_behind_but_its_error_and_is_tried_again_later() -> None:
    emit(fail=True)
    (row,) = rows()
    assert outbox.deliver(row.id) is False
    (row,) = rows()
    assert (row.state, row.attempts, work_done()) == ("pending", 1, 0)
    assert "broken on purpose" in (row.last_error or "")
    assert row.lease_until > now() + outbox.LEASE


def test_a_handler_that_never_succeeds_gives_up_and_is_counted() -> None:
    emit(fail=True)
    (row,) = rows()
    for _ in range(outbox.MAX_ATTEMPTS):
        outbox.deliver(row.id)
    assert rows()[0].state == "dead"
    with transaction(cast.SYSTEM, read_only=True):
        assert outbox.dead_rows() == 1


def test_a_queue_that_is_away_is_no_error_and_the_ticker_hands_the_row_over_later() -> None:
    handed: list[Any] = []

    def away(row_id: Any, queue: str) -> None:
        raise ConnectionError

    outbox.configure_queue(away)
    emit()
    outbox.hand_over([row.id for row in rows()])
    outbox.configure_queue(lambda row_id, queue: handed.append(row_id))
    assert outbox.requeue_expired() == 0
    with time_machine.travel(now() + outbox.LEASE + timedelta(seconds=1)):
        assert outbox.requeue_expired() == 1
        assert outbox.requeue_expired() == 0
    assert handed == [rows()[0].id]


def test_work_under_a_seal_waits_until_it_opens() -> None:
    bank = cast.bank()
    with transaction(cast.SYSTEM):
        seal = new_seal()
    with transaction(bank[Role.BANK_OFFICER]):
        outbox.emit("test.happened", seal_id=seal.id)
    assert rows() == []
    assert outbox.drain() == 0
    with transaction(cast.SYSTEM):
        open_seal(seal.id)
    assert outbox.drain() == 1


KILLED_IN_THE_MIDDLE = textwrap.dedent("""
    import os, sys, time
    from uuid import UUID
    from app.core import database, outbox
    from app.core.database import session
    from sqlalchemy import text
    database.configure(sys.argv[1])

    @outbox.handles("test.happened", "test.count")
    def count(ctx, payload):
        session().execute(text("insert into seal (id) values (gen_random_uuid())"))
        print("half way", flush=True)
        sys.stdin.read()

    outbox.deliver(UUID(sys.argv[2]))
""")


def test_a_worker_killed_in_the_middle_loses_nothing_and_does_nothing_twice(database: TestDatabase) -> None:
    emit()
    (row,) = rows()
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED_IN_THE_MIDDLE, database.app_url, str(row.id)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": "."}, text=True,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline().strip() == "half way"
    assert outbox.deliver(row.id) is False, "the row is held by the worker"
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    assert work_done() == 0
    assert rows()[0].state == "pending"
    with time_machine.travel(now() + outbox.LEASE + timedelta(seconds=1)):
        outbox.configure_queue(lambda row_id, queue: None)
        for _ in range(50):  # the server notices the dead connection in its own time
            if outbox.deliver(row.id):
                break
    assert work_done() == 1
    assert rows()[0].state == "done"


def test_the_queues_that_handlers_name_are_those_the_workers_listen_to() -> None:
    from app.factory import load_rooms
    from workers.queues import QueueName

    load_rooms()
    assert outbox.queues() <= {name.value for name in QueueName}
