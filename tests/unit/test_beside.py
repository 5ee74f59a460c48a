"""The thread beside: the database is given work in order, under the caller's identity, and nothing is left behind."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from app.core.beside import beside

WHO: ContextVar[str] = ContextVar("who", default="nobody")


class Broken(Exception):
    """The database refuses."""


@pytest.mark.parametrize("worthwhile", [True, False])
def test_work_is_done_in_the_order_in_which_it_is_given_and_as_the_one_who_gives_it(worthwhile: bool) -> None:
    done: list[tuple[int, str]] = []
    mark = WHO.set("the portal")
    try:
        with beside(worthwhile) as soon:
            told = [soon(lambda number=number: done.append((number, WHO.get()))) for number in range(20)]  # type: ignore[misc]
    finally:
        WHO.reset(mark)
    assert done == [(number, "the portal") for number in range(20)] and all(one.done() for one in told)


def test_after_a_failure_what_has_not_begun_is_dropped_and_the_thread_has_ended() -> None:
    done: list[int] = []

    def refuse() -> None:
        raise Broken

    with pytest.raises(Broken), beside() as soon:
        may_begin = threading.Event()
        soon(may_begin.wait)
        soon(refuse)
        threading.Timer(0.05, may_begin.set).start()
        soon(done.append, 1)
        raise Broken
    assert done == [] and not [thread for thread in threading.enumerate() if thread.name.startswith("beside")]
    with pytest.raises(Broken), beside() as soon:
        soon(refuse).result()
