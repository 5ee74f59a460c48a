"""How the portal saw a bank's notes at the end of a month, and in which ways a bank's own list differs from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.core.database import session
from app.loans.models import ClassReport, Loan, Repayment
from app.loans.rules import FiveClass, five_class, observed
from app.loans.standing import Held
from app.loans.states import LoanState
from app.pool.judging import LIVE
from app.pool.models import Booking
from app.pool.reconcile_states import DifferenceKind as Kind
from app.pool.rules import Mode


@dataclass(frozen=True, slots=True)
class Seen:
    """How the portal saw a note at the end of a month: 分, class (``None`` where nothing was owed), due date."""

    balance_fen: int
    five_class: str | None
    due_on: date | None


@dataclass(frozen=True, slots=True)
class Differing:
    """One way in which a note differs, with both sides as text."""

    note_no: str
    kind: Kind
    row_no: int | None
    loan_id: UUID | None
    theirs: str | None
    ours: str | None


def seen_at(one: Held, reports: Sequence[ClassReport], day: date) -> Seen:
    """A loan as the portal saw it at the end of a day; ``reports`` in the order of their days."""
    loan = one.loan
    if loan.drawn_on is None or loan.drawn_on > day:
        return Seen(0, None, loan.due_on)
    where, due_on = one.on(day), due_on_then(one, day)
    if not where.principal_left_fen:
        return Seen(0, None, due_on)
    told = next((report for report in reversed(reports) if report.reported_on <= day), None)
    days, reported = where.overdue_days, None
    if told is not None:
        reported = FiveClass(told.reported_class)
        repaid_since = any(told.reported_on < entry.paid_on <= day for entry in one.paid)
        if told.overdue_days and not repaid_since:
            days = max(days, told.overdue_days + (day - told.reported_on).days)
    return Seen(where.principal_left_fen, five_class(days, observed(reported, one.put_offs, day)).value, due_on)


def due_on_then(one: Held, day: date) -> date | None:
    """The end of a loan as it was agreed at the end of a day: what was put off later does not count yet."""
    later = sum(put_off.days for put_off in one.put_offs if put_off.on > day)
    return one.loan.due_on - timedelta(days=later) if one.loan.due_on is not None else None


def reports_of(loan_ids: Sequence[UUID]) -> dict[UUID, list[ClassReport]]:
    """What banks said of loans, in the order of the days."""
    found: dict[UUID, list[ClassReport]] = {}
    for report in session().scalars(select(ClassReport).where(ClassReport.loan_id.in_(loan_ids)).order_by(
        ClassReport.reported_on, ClassReport.reported_at,
    )):
        found.setdefault(report.loan_id, []).append(report)
    return found


def compared(row: dict[str, Any], loan_id: UUID | None, seen: Seen | None) -> list[Differing]:
    """How a row of the list differs from what the portal saw; empty where they agree."""
    note, number = row["note_no"], row["row_no"]
    if seen is None:
        return [Differing(note, Kind.NOT_HERE, number, None, str(row["balance_fen"]), None)]
    ways: list[tuple[Kind, str | None, str | None]] = []
    if row["balance_fen"] != seen.balance_fen:
        ways.append((Kind.BALANCE, str(row["balance_fen"]), str(seen.balance_fen)))
    elif seen.five_class is not None and row["five_class"] != seen.five_class:
        ways.append((Kind.CLASS, row["five_class"], seen.five_class))
    if seen.due_on is not None and row["due_on"] != seen.due_on:
        ways.append((Kind.DUE_ON, row["due_on"].isoformat(), seen.due_on.isoformat()))
    return [Differing(note, kind, number, loan_id, theirs, ours) for kind, theirs, ours in ways]


def owed_and_booked(org_id: UUID, day: date) -> Iterable[tuple[str, UUID, int]]:
    """Note, loan and balance (分) of a bank's booked loans that owed principal at the end of a day."""
    repaid = select(func.coalesce(func.sum(Repayment.principal_fen), 0)).where(
        Repayment.loan_id == Loan.id, Repayment.paid_on <= day).scalar_subquery()
    asked = select(Loan.note_no, Loan.id, func.coalesce(Loan.principal_fen - repaid, 0)).where(
        Loan.org_id == org_id, Loan.state.in_((LoanState.DRAWN, LoanState.REPAID)), Loan.drawn_on <= day,
        select(Booking.id).where(Booking.loan_id == Loan.id, Booking.mode == Mode.BANK, Booking.state.in_(LIVE)).exists(),
    )
    return [(note, loan_id, int(left)) for note, loan_id, left in session().execute(asked) if note is not None and left]
