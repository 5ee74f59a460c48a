"""Where a loan stands today: schedule, sums, days overdue, class. Shared by the use cases; writes inside theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import SHANGHAI, today
from app.core.context import Context
from app.core.database import session
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import fire
from app.core.outbox import emit
from app.loans import rules
from app.loans.models import Instalment, Loan, Repayment
from app.loans.rules import FiveClass
from app.loans.states import LOAN, LoanState
from app.market.rules import Conventions, DayCount, FirstPeriod, HolidayRule
from app.market.rules import Instalment as Planned


def conventions_of(data: dict[str, Any]) -> Conventions:
    """Schedule conventions from their JSON; what is absent takes its default. Raises ``ValueError`` for nonsense."""
    default = Conventions()
    return Conventions(
        day_count=DayCount(data.get("day_count", default.day_count)),
        interest_day=data.get("interest_day", default.interest_day),
        holiday=HolidayRule(data.get("holiday", default.holiday)),
        first_period=FirstPeriod(data.get("first_period", default.first_period)),
    )


def check_day(day: date, low: date, high: date, name: str) -> None:
    if not low <= day <= high:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field=name, low=low.isoformat(), high=high.isoformat())


def live_repayments(loan_id: UUID) -> list[Repayment]:
    """Repayments that stand (neither reversals nor reversed), in the order in which they were reported."""
    reversed_ids = select(Repayment.reverses_id).where(Repayment.loan_id == loan_id, Repayment.reverses_id.is_not(None))
    return list(session().scalars(
        select(Repayment).where(
            Repayment.loan_id == loan_id, Repayment.reverses_id.is_(None), Repayment.id.not_in(reversed_ids),
        ).order_by(Repayment.reported_at, Repayment.id)
    ))


def schedule_rows(loan_id: UUID) -> list[Instalment]:
    """The schedule of a loan, in order."""
    return list(session().scalars(select(Instalment).where(Instalment.loan_id == loan_id).order_by(Instalment.no)))


def planned_of(rows: list[Instalment]) -> list[Planned]:
    """The schedule as the rules know it."""
    return [Planned(row.no, row.due_on, row.principal_fen, row.interest_fen, row.balance_fen) for row in rows]


def owed_fen(loan: Loan, on: date) -> int:
    """What settles a drawn loan on a day (分): its principal, the interest due, and that of the running period."""
    rows = held(loan).on(today()).rows
    plenty = sum(row.left_fen for row in rows)
    return plenty - rules.allocate(rows, plenty, on).surplus_fen


@dataclass(slots=True)
class Held:
    """A loan under lock with its schedule in order and the repayments that stand, as they were reported."""

    loan: Loan
    rows: list[Instalment]
    paid: list[Repayment]

    def on(self, day: date, *more: rules.Repayment) -> rules.Position:
        """Where the loan stands at the end of a day, were ``more`` repaid too."""
        paid = [rules.Repayment(entry.paid_on, entry.amount_fen) for entry in self.paid]
        return rules.position(planned_of(self.rows), [*paid, *more], day)


def held(loan: Loan) -> Held:
    """A loan with all that says where it stands."""
    return Held(loan, schedule_rows(loan.id), live_repayments(loan.id))


def restate(ctx: Context, loan: Loan) -> int:
    """Brings schedule, sums, days overdue and class to the end of today; returns what is still owed (分)."""
    owed = bring_up(ctx, held(loan))
    session().flush()
    return owed


def bring_up(ctx: Context, one: Held) -> int:
    """``restate`` of a loan that is held already: it asks the database for nothing and leaves the writing to the next flush."""
    loan, where = one.loan, one.on(today())
    for row, state in zip(one.rows, where.rows, strict=True):
        row.principal_left_fen, row.interest_left_fen = state.principal_left_fen, state.interest_left_fen
    loan.principal_repaid_fen, loan.interest_paid_fen = where.principal_repaid_fen, where.interest_paid_fen
    told = loan.reported_overdue_days
    if told and loan.reported_on is not None:
        told += (today() - loan.reported_on).days
    owed = sum(row.left_fen for row in one.rows)
    loan.overdue_days = max(where.overdue_days, told) if owed else 0
    loan.next_check_at = _next_check(loan, one.rows)
    _reclass(ctx, loan)
    return owed


def _reclass(ctx: Context, loan: Loan) -> None:
    reported = FiveClass(loan.reported_class) if loan.reported_class else None
    before = FiveClass(loan.five_class or FiveClass.NORMAL)
    after = rules.five_class(loan.overdue_days, rules.observed(reported, loan.restructured_on, today()))
    loan.classed_on = today()
    if after is before:
        return
    loan.five_class = after.value
    if loan.state == LoanState.DRAWN:
        fire(ctx, LOAN, loan, "reclass", reason=f"{before.label} → {after.label}")
    emit("loan.class_changed", loan_id=loan.id)


def _next_check(loan: Loan, rows: list[Instalment]) -> datetime | None:
    """When days overdue may next change: the day after the next unpaid due date, or tomorrow where one has passed."""
    unpaid = [row.due_on for row in rows if row.left_fen]
    if not unpaid:
        return None
    late = loan.overdue_days > 0 or min(unpaid) < today()
    day = today() if late else min(unpaid)
    if loan.restructured_on is not None:
        watched = loan.restructured_on + timedelta(days=rules.RESTRUCTURE.observed_days - 1)
        day = min(day, watched) if watched >= today() else day
    return datetime.combine(day + timedelta(days=1), time(0, 5), SHANGHAI)
