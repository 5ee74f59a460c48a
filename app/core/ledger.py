"""Double-entry ledger: transfers between accounts, two-phase, never updated, never deleted (design §4.7).

The database keeps the balances by trigger and refuses an overdraft by CHECK; this module only writes transfers. The shape
follows TigerBeetle: ``single`` moves at once; ``pending`` reserves; ``post`` takes all or part of a reservation (the rest is
released); ``void`` releases it. All amounts are integers of 分, greater than zero.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from app.core.calendar import now
from app.core.database import Base, Identified, session
from app.core.errors import ErrorCode, Refusal


class Account(Identified, Base):
    """An account. A ``bounded`` account may not pay out more than came in, reservations counted."""

    __tablename__ = "ledger_account"
    code: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    org_id: Mapped[UUID | None]
    bounded: Mapped[bool]
    debits_pending_fen: Mapped[int] = mapped_column(default=0)
    debits_posted_fen: Mapped[int] = mapped_column(default=0)
    credits_pending_fen: Mapped[int] = mapped_column(default=0)
    credits_posted_fen: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime]

    @property
    def available_fen(self) -> int:
        """What may still leave: posted in, less posted out and reserved (分)."""
        return self.credits_posted_fen - self.debits_posted_fen - self.debits_pending_fen

    @property
    def balance_fen(self) -> int:
        """Posted in less posted out (分)."""
        return self.credits_posted_fen - self.debits_posted_fen


class Transfer(Identified, Base):
    """A movement. ``reference`` is unique: the same business event cannot move money twice."""

    __tablename__ = "ledger_transfer"
    kind: Mapped[str]
    debit_account_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_account.id"))
    credit_account_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_account.id"))
    amount_fen: Mapped[int]
    pending_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_transfer.id"))
    reference: Mapped[str] = mapped_column(unique=True)
    case_id: Mapped[UUID | None]
    memo: Mapped[str]
    at: Mapped[datetime]


def open_account(code: str, kind: str, *, org_id: UUID | None = None, bounded: bool = True) -> Account:
    """The account under a code; opened where it is new."""
    found = session().scalar(select(Account).where(Account.code == code))
    if found is None:
        found = Account(code=code, kind=kind, org_id=org_id, bounded=bounded, opened_at=now())
        session().add(found)
        session().flush()
    return found


def account(code: str) -> Account:
    """The account under a code, with balances of this moment. Raises ``Refusal(NOT_FOUND)``."""
    found = session().scalar(select(Account).where(Account.code == code).execution_options(populate_existing=True))
    if found is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    return found


def _write(
    kind: str, debit: UUID, credit: UUID, amount_fen: int, reference: str, memo: str, case_id: UUID | None,
    pending_id: UUID | None = None,
) -> Transfer:
    row = Transfer(
        kind=kind, debit_account_id=debit, credit_account_id=credit, amount_fen=amount_fen, pending_id=pending_id,
        reference=reference, case_id=case_id, memo=memo, at=now(),
    )
    session().add(row)
    session().flush()
    for account_id in (debit, credit):
        held = session().identity_map.get(session().identity_key(Account, account_id))
        if held is not None:
            session().refresh(held)
    return row


def transfer(
    debit: Account, credit: Account, amount_fen: int, *, reference: str, memo: str = "", case_id: UUID | None = None,
) -> Transfer:
    """Moves ``amount_fen`` (分) at once: out of ``debit``, into ``credit``. An overdraft is refused by the database."""
    return _write("single", debit.id, credit.id, amount_fen, reference, memo, case_id)


def reserve(
    debit: Account, credit: Account, amount_fen: int, *, reference: str, memo: str = "", case_id: UUID | None = None,
) -> Transfer:
    """First phase: holds ``amount_fen`` (分) on ``debit`` for ``credit``."""
    return _write("pending", debit.id, credit.id, amount_fen, reference, memo, case_id)


def post(pending: Transfer, *, reference: str, amount_fen: int | None = None, memo: str = "") -> Transfer:
    """Second phase: moves all of the reservation, or part of it (分); what is not posted is released."""
    amount = pending.amount_fen if amount_fen is None else amount_fen
    return _write(
        "post", pending.debit_account_id, pending.credit_account_id, amount, reference, memo, pending.case_id, pending.id,
    )


def void(pending: Transfer, *, reference: str, memo: str = "") -> Transfer:
    """Second phase: releases the reservation."""
    return _write(
        "void", pending.debit_account_id, pending.credit_account_id, pending.amount_fen, reference, memo,
        pending.case_id, pending.id,
    )
