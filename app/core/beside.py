"""A second thread for the database work of the running transaction: the caller computes while the server answers.

One connection takes one statement after the other, so the thread does what it is given in that order, under the identity of the
transaction that was running when it was made. Inside ``beside()`` the session belongs to this thread: the caller gives all
statements to it, and waits for what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Soon(Protocol):
    """Takes work for the database and answers at once with what will hold its result, or the exception it raised."""

    def __call__(self, work: Callable[P, R], *given: P.args, **named: P.kwargs) -> Future[R]: ...


@contextmanager
def beside(worthwhile: bool = True) -> Iterator[Soon]:
    """Gives work to the thread. It has ended, with all that was given, when this is left; after an exception what has not begun
    is dropped. Not ``worthwhile``: the work is done where it is given, without a thread.
    """
    if not worthwhile:
        yield _now
        return
    here = copy_context()
    with ThreadPoolExecutor(1, "beside") as pool:

        def soon(work: Callable[P, R], *given: P.args, **named: P.kwargs) -> Future[R]:
            return pool.submit(here.run, partial(work, *given, **named))

        try:
            yield soon
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _now(work: Callable[P, R], *given: P.args, **named: P.kwargs) -> Future[R]:
    done: Future[R] = Future()
    done.set_result(work(*given, **named))
    return done
