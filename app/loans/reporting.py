"""What a bank reports of its loans: asked first, then recorded. One report and a month of them go through the same functions.

``spread_of`` and ``check_class`` ask and change nothing; ``record_repayment``, ``record_class`` and ``record_restructure`` write
into the objects that are held and leave the statements to ``standing.store``, or to ``many.store_many`` for a whole file. They
run inside a use case, on a locked loan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from app.core.calendar import now, today
from app.core.context import Context
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text
from app.core.lifecycle import move
from app.loans import rules
from app.loans.models import ClassReport, Loan, Repayment, Restructure
from app.loans.rules import FiveClass
from app.loans.standing import Held, bring_up, check_day, put_off_of
from app.loans.states import LOAN, LoanState


@dataclass(frozen=True)
class RepaymentReport:
    """Money that reached the bank, in 分. ``kind``: normal, prepayment or recovery."""

    paid_on: date
    amount_fen: int
    kind: str
    reference: str


def _drawn_on(loan: Loan) -> date:
    if loan.state != LoanState.DRAWN or loan.drawn_on is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    return loan.drawn_on


def spread_of(one: Held, report: RepaymentReport) -> rules.Allocation:
    """How a repayment would be spread over the schedule. Raises ``Refusal`` where it cannot be taken."""
    loan = one.loan
    drawn_on = _drawn_on(loan)
    if report.amount_fen <= 0:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="amount", low=money_text(1), high=money_text(loan.principal_left_fen))
    check_day(report.paid_on, drawn_on, today(), "paid_on")
    if one.put_offs and one.put_offs[-1].days and not one.to_right:  # what came in before a restructure decided what was put off
        check_day(report.paid_on, one.put_offs[-1].on, today(), "paid_on")
    if one.paid and report.paid_on < one.paid[-1].paid_on:
        raise Refusal(ErrorCode.REPAYMENT_ORDER, field="paid_on", day=one.paid[-1].paid_on.isoformat())
    before, after = one.on(today()), one.on(today(), rules.Repayment(report.paid_on, report.amount_fen))
    spread = rules.Allocation(after.rows, after.interest_paid_fen - before.interest_paid_fen,
                              after.principal_repaid_fen - before.principal_repaid_fen, after.surplus_fen - before.surplus_fen)
    if spread.surplus_fen:
        owed = report.amount_fen - spread.surplus_fen
        raise Refusal(ErrorCode.REPAYMENT_TOO_LARGE, field="amount", limit=money_text(owed))
    return spread


def record_repayment(
    ctx: Context, one: Held, report: RepaymentReport, spread: rules.Allocation, by: UUID | None = None,
) -> Repayment:
    """Records a repayment whose spread was asked for; the last 分 settles the loan. ``by``: who reported it, if not the actor."""
    loan = one.loan
    entry = Repayment(
        loan_id=loan.id, paid_on=report.paid_on, amount_fen=report.amount_fen, principal_fen=spread.principal_fen,
        interest_fen=spread.interest_fen, kind=report.kind, reference=report.reference.strip(),
        reported_by=by or ctx.actor_id, reported_at=now(),
    )
    one.new.append(entry)
    one.paid.append(rules.Repayment(report.paid_on, report.amount_fen))
    if one.put_offs and report.paid_on < one.put_offs[-1].on:
        one.to_right -= 1
    loan.reported_overdue_days = 0  # a repayment says more of the arrears than the report before it
    if bring_up(ctx, one) == 0:
        one.new.append(move(ctx, LOAN, loan, "settle"))
        one.told.append("loan.repaid")
    return entry


def check_class(one: Held, reported_on: date, overdue_days: int) -> None:
    """Whether what a bank says of a loan on a day can be. Raises ``Refusal``."""
    loan = one.loan
    drawn_on = _drawn_on(loan)
    check_day(reported_on, max(drawn_on, loan.reported_on or drawn_on), today(), "reported_on")
    longest = (reported_on - drawn_on).days
    if not 0 <= overdue_days <= longest:
        raise Refusal(ErrorCode.DAYS_OUT_OF_RANGE, field="overdue_days", high=longest)


def record_class(
    ctx: Context, one: Held, reported_on: date, reported_class: FiveClass, overdue_days: int, by: UUID | None = None,
) -> ClassReport:
    """Takes what the bank says, once checked; the class that counts is derived and never better."""
    loan = one.loan
    loan.reported_class, loan.reported_on, loan.reported_overdue_days = reported_class.value, reported_on, overdue_days
    bring_up(ctx, one)
    entry = ClassReport(
        loan_id=loan.id, reported_on=reported_on, reported_class=reported_class.value, overdue_days=overdue_days,
        derived_class=loan.five_class or FiveClass.NORMAL.value, reported_by=by or ctx.actor_id, reported_at=now(),
    )
    one.new.append(entry)
    return entry


def check_restructure(one: Held, on: date, due_on: date, *more: rules.Repayment) -> None:
    """Whether a loan's end may be put off at the end of a day, were ``more`` repaid before.

    Raises ``Refusal(DATE_OUT_OF_RANGE)`` for a new end that is no later one, and for a day before the last repayment or
    restructure: what those left is what is put off.
    """
    loan = one.loan
    drawn_on = _drawn_on(loan)
    assert loan.due_on is not None
    check_day(on, max([drawn_on, *(entry.paid_on for entry in (*one.paid, *more)), *(before.on for before in one.put_offs)]),
              today(), "as_of")
    check_day(due_on, max(loan.due_on, on) + date.resolution, date(loan.due_on.year + 30, 12, 31), "due_on")


def record_restructure(ctx: Context, one: Held, on: date, due_on: date, by: UUID | None = None) -> Restructure:
    """Puts off, once checked, every instalment of which something is left by as many days as the loan's end; the loan is watched
    from then on, and its days up to then stay judged by the due dates they had."""
    loan = one.loan
    assert loan.due_on is not None
    before, interest_fen = FiveClass(loan.five_class or FiveClass.NORMAL), sum(row.interest_fen for row in one.rows)
    entry = Restructure(
        loan_id=loan.id, agreed_on=on, due_before=loan.due_on, due_on=due_on, class_before=before.value, interest_fen=0,
        reported_by=by or ctx.actor_id, reported_at=now(),
    )
    one.put_offs.append(put_off_of(loan, on, (due_on - loan.due_on).days, before))
    one.to_right = 0
    loan.due_on, loan.restructured_on = due_on, on
    bring_up(ctx, one)
    entry.interest_fen = sum(row.interest_fen for row in one.rows) - interest_fen
    one.new.append(entry)
    return entry
