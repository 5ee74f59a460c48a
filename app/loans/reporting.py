"""What a bank reports of its loans: asked first, then recorded. One report and a month of them go through the same functions.

``spread_of`` and ``check_class`` ask and change nothing; ``record_repayment``, ``record_class`` and ``record_restructure`` write
into the objects that are held and leave the statements to the next flush. They run inside a use case, on a locked loan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import session
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text
from app.core.lifecycle import fire
from app.core.outbox import emit
from app.loans import rules
from app.loans.models import ClassReport, Instalment, Loan, Repayment
from app.loans.rules import FiveClass
from app.loans.standing import Held, bring_up, check_day, planned_of
from app.loans.states import LOAN, LoanState


@dataclass(frozen=True)
class RepaymentReport:
    """Money that reached the bank, in 分. ``kind``: normal, prepayment or recovery."""

    paid_on: date
    amount_fen: int
    kind: str
    reference: str


def held_many(ids: Sequence[UUID], *, lock: bool) -> dict[UUID, Held]:
    """Loans with their schedules and standing repayments, in three statements. Locked in the order of their ids."""
    asked = select(Loan).where(Loan.id.in_(ids)).order_by(Loan.id)
    found = {loan.id: Held(loan, [], []) for loan in session().scalars(asked.with_for_update() if lock else asked)}
    rows = select(Instalment).where(Instalment.loan_id.in_(ids)).order_by(Instalment.loan_id, Instalment.no)
    for row in session().scalars(rows):
        found[row.loan_id].rows.append(row)
    entries: dict[UUID, list[Repayment]] = defaultdict(list)
    for entry in session().scalars(
        select(Repayment).where(Repayment.loan_id.in_(ids)).order_by(Repayment.reported_at, Repayment.id)
    ):
        entries[entry.loan_id].append(entry)
    for loan_id, reported in entries.items():
        gone = {entry.reverses_id for entry in reported}
        found[loan_id].paid = [entry for entry in reported if entry.reverses_id is None and entry.id not in gone]
    return found


def let_go(held: dict[UUID, Held]) -> None:
    """Takes loans out of the session once they are written, so that a large file does not keep all of them in memory."""
    session().flush()
    for one in held.values():
        for kept in (one.loan, *one.rows, *one.paid):
            session().expunge(kept)


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
    if one.paid and report.paid_on < one.paid[-1].paid_on:
        raise Refusal(ErrorCode.REPAYMENT_ORDER, field="paid_on", day=one.paid[-1].paid_on.isoformat())
    spread = rules.allocate(one.on(today()).rows, report.amount_fen, report.paid_on)
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
    session().add(entry)
    one.paid.append(entry)
    loan.reported_overdue_days = 0  # a repayment says more of the arrears than the report before it
    if bring_up(ctx, one) == 0:
        fire(ctx, LOAN, loan, "settle")
        emit("loan.repaid", loan_id=loan.id)
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
    session().add(entry)
    return entry


def check_restructure(one: Held, on: date, due_on: date) -> None:
    """Whether a loan's end may be put off. Raises ``Refusal(DATE_OUT_OF_RANGE)`` where the new day is no later one, and
    ``Refusal(INSTALMENT_BEGUN)`` where earlier repayments would be spread otherwise: an instalment past due is paid in part."""
    loan = one.loan
    drawn_on = _drawn_on(loan)
    assert loan.due_on is not None
    check_day(on, drawn_on, today(), "as_of")
    check_day(due_on, max(loan.due_on, on) + date.resolution, date(loan.due_on.year + 30, 12, 31), "due_on")
    later = due_on - loan.due_on
    planned = [replace(plan, due=plan.due + later) if row.left_fen else plan
               for row, plan in zip(one.rows, planned_of(one.rows), strict=True)]
    paid = [rules.Repayment(entry.paid_on, entry.amount_fen) for entry in one.paid]
    for row, before, after in zip(
        one.rows, one.on(today()).rows, rules.position(planned, paid, today()).rows, strict=True,
    ):
        if (before.principal_left_fen, before.interest_left_fen) != (after.principal_left_fen, after.interest_left_fen):
            raise Refusal(ErrorCode.INSTALMENT_BEGUN, field="due_on", no=row.no)


def record_restructure(ctx: Context, one: Held, on: date, due_on: date) -> None:
    """Puts off, once checked, every instalment of which something is left by as many days as the loan's end; the loan is watched
    from then on."""
    loan = one.loan
    assert loan.due_on is not None
    later = due_on - loan.due_on
    for row in one.rows:
        if row.left_fen:
            row.due_on += later
    loan.due_on, loan.restructured_on = due_on, on
    bring_up(ctx, one)
