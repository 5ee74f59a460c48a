"""The ticker: finds what is due and what outlived its lease. One is active, others stand by.

The advisory lock lives as long as its database session: when this process or its connection dies, PostgreSQL
lets go of it and a standby takes over.
"""

from __future__ import annotations

import logging
import os
import signal
import threading

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.core import database, outbox
from app.core.settings import load_settings
from app.factory import prepare

log = logging.getLogger(__name__)

LOCK_KEY = 0x6875_6971  # "huiq": one ticker per database
TICK = 5.0  # seconds between two looks
STANDBY = 5.0  # seconds between two tries to become the active ticker


def main() -> None:
    """Tick until SIGTERM or SIGINT; survives restarts of PostgreSQL and Redis."""
    prepare(load_settings())
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    run(stop)


def run(stop: threading.Event, tick: float = TICK, standby: float = STANDBY) -> None:
    """Stand by for the lock, then tick while its session lives. ``tick`` and ``standby`` are in seconds."""
    while not stop.is_set():
        try:
            with database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                if _take_lock(connection, stop, standby):
                    _tick(connection, stop, tick)
                # The pool would hand the session, and with it the lock, to somebody else.
                connection.invalidate()
        except DBAPIError as error:
            log.warning("ticker lost the database (%s), tries again", type(error.orig).__name__)
            stop.wait(standby)


def _take_lock(connection: Connection, stop: threading.Event, standby: float) -> bool:
    while not stop.is_set():
        if connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY}):
            return True
        stop.wait(standby)
    return False


def _tick(connection: Connection, stop: threading.Event, tick: float) -> None:
    while not stop.is_set():
        connection.execute(text("SELECT 1"))  # fails when the session, and so the lock, is gone
        outbox.requeue_expired()
        outbox.run_due_checks()
        stop.wait(tick)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
