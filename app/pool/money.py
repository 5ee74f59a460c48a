"""The pool's money in the ledger: the year's budget, what is reserved, paid to a bank, and comes back.

Accounts: ``pool:treasury`` (where the money comes from, unbounded), ``pool:budget:<year>`` and inside it
``pool:guarantee:<year>`` (政担), ``pool:paid:<bank>`` (what a bank has received and not returned). The database
refuses an overdraft; here it becomes ``BUDGET_EXHAUSTED``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core.calendar import today
from app.core.database import session
from app.core.errors import ErrorCode, Refusal
from app.core.ledger import Account, open_account
from app.pool.budget_models import Closing

T = TypeVar("T")


def treasury() -> Account:
    """Where the budget comes from: not bounded."""
    return open_account("pool:treasury", "treasury", bounded=False)


def budget(year: int) -> Account:
    """The year's budget for compensation to banks."""
    return open_account(f"pool:budget:{year}", "pool_budget")


def guarantee_budget(year: int) -> Account:
    """The part of the year's budget that is set aside for guarantors (政担)."""
    return open_account(f"pool:guarantee:{year}", "pool_budget")


def paid_to(bank_id: UUID) -> Account:
    """What a bank has received and not returned."""
    return open_account(f"pool:paid:{bank_id}", "pool_paid", org_id=bank_id)


def is_closed(year: int) -> bool:
    """Whether a budget year was closed: nothing moves in it any more."""
    found = session().scalar(select(Closing.id).where(Closing.year == year, Closing.state == "CONFIRMED"))
    return found is not None


def returned_to(paid_from: Account) -> Account:
    """Where money that comes back belongs: into the budget it was paid from, or into this year's where that one is closed."""
    _, kind, year = paid_from.code.split(":")
    if not is_closed(int(year)):
        return paid_from
    return (guarantee_budget if kind == "guarantee" else budget)(today().year)


def or_exhausted(move: Callable[[], T], code: ErrorCode = ErrorCode.BUDGET_EXHAUSTED) -> T:
    """Runs a transfer; an overdraft becomes ``Refusal(code)``, and what came before in the transaction stays."""
    try:
        with session().begin_nested():
            return move()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        if name == "ck_ledger_account_bounded":
            raise Refusal(code) from error
        raise
