"""Use cases of loans: a promise is approved, drawn, repaid, classed. The only code that writes loans.

What the bank reports is taken as reported; the schedule, the split of a repayment, days overdue and the five-class
result are computed here from ``rules``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import now, today
from app.core.cases import join_case
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import begin, fire
from app.core.models import Case
from app.core.notices import notify
from app.core.outbox import emit, handles, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.loans.models import ClassReport, Instalment, Loan, Repayment
from app.loans.reporting import RepaymentReport, check_class, record_class, record_repayment, spread_of
from app.loans.rules import FiveClass
from app.loans.standing import check_day, conventions_of, held, live_repayments, owed_fen, restate, store
from app.loans.states import LOAN, LoanState
from app.market import choice_service
from app.market.bid_queries import choice_terms
from app.market.level_rules import Step
from app.market.part_rules import part_plan
from app.market.rules import RepaymentMethod, schedule
from app.market.terms import PlanRow, plan_of, stored_plan

constraint("uq_loan_note_no", ErrorCode.NOTE_TAKEN, "note_no")
constraint("uq_loan_choice_id", ErrorCode.ALREADY_DONE)
constraint("uq_repayment_reverses_id", ErrorCode.ALREADY_DONE)
constraint("ck_loan_two_people", ErrorCode.SAME_PERSON)

EARLIEST_DRAWDOWN = date(2015, 1, 1)
"""No loan older than this is registered: a slip of the year is more likely."""


@dataclass(frozen=True)
class LoanTerms:
    """What was agreed: 分, a fraction per year, months; ``conventions`` as ``conventions_of`` reads them, ``plan`` where
    principal is repaid by one."""

    amount_fen: int
    annual_rate: Decimal
    term_months: int
    method: str
    product_kind: str
    purpose: str
    conventions: dict[str, Any] = field(default_factory=dict)
    plan: tuple[PlanRow, ...] = ()


# --- a loan begins ---------------------------------------------------------------------------------------------------


def open_loan(
    ctx: Context, case: Case, bank_id: UUID, terms: LoanTerms, origin: str, *, choice_id: UUID | None = None,
    renewed_from_id: UUID | None = None, stated_firm: str | None = None,
) -> Loan:
    """A new loan of a case, under its next number. Not a use case: those that open a loan call it."""
    # Loans of one case are counted one after the other, those of other banks too.
    session().execute(text("select pg_advisory_xact_lock(hashtext('loan'), hashtext(:case))"), {"case": str(case.id)})
    with elevated(ctx, "loans"):
        earlier = session().scalar(select(func.count()).select_from(Loan).where(Loan.case_id == case.id)) or 0
    loan = Loan(
        case_id=case.id, firm_id=case.subject_org_id, org_id=bank_id, number=f"{case.number}/{earlier + 1}",
        choice_id=choice_id, origin=origin, renewed_from_id=renewed_from_id, product_kind=terms.product_kind,
        purpose=terms.purpose, stated_firm=stated_firm, state=LoanState.AGREED.value, amount_fen=terms.amount_fen,
        annual_rate=terms.annual_rate, term_months=terms.term_months, method=RepaymentMethod(terms.method).value,
        conventions=terms.conventions, plan=stored_plan(terms.plan), opened_at=now(), opened_by=ctx.actor_id,
        reported_overdue_days=0,
    )
    session().add(loan)
    begin(ctx, LOAN, loan, event="open", shared=True)
    return loan


@use_case(Permission.LOAN_OPEN, "loan.open", returns=Loan)
def open_chosen_loan(ctx: Context, choice_id: UUID) -> Loan:
    """Opens the loan of a choice, once; asks the bank to keep its promise."""
    chosen = choice_terms(choice_id)
    found = session().scalar(select(Loan).where(Loan.choice_id == choice_id))
    if found is not None:
        about(found)
        return found
    terms = LoanTerms(
        chosen.amount_fen, chosen.annual_rate, chosen.term_months, chosen.method, chosen.product_kind, chosen.purpose,
        dict(chosen.conventions), chosen.plan,
    )
    join_case(chosen.case_id, chosen.bank_org_id)
    loan = open_loan(ctx, get_or_404(Case, chosen.case_id), chosen.bank_org_id, terms, "choice", choice_id=choice_id)
    notify(loan.org_id, N_("企业选定了贵行，请审批贷款 %(number)s。"), path=f"/loans/{loan.id}", case_id=loan.case_id,
           number=loan.number)
    _step(loan, Step.DECISION, wd_from=loan.opened_at)
    about(loan, amount_fen=loan.amount_fen)
    return loan


def _step(loan: Loan, step: Step, **ended: Any) -> None:
    """A step of a promised loan begins (``wd_from``) or ends (``at``) against its limit."""
    if loan.choice_id is not None:
        emit("step.begun" if "wd_from" in ended else "step.ended", step=step, subject_type="choice", subject_id=loan.choice_id,
             org_id=loan.org_id, case_id=loan.case_id, path=f"/loans/{loan.id}", **ended)


@handles("choice.made", "loans.open")
def _on_choice(ctx: Context, payload: dict[str, Any]) -> None:
    open_chosen_loan(ctx, UUID(payload["choice_id"]))


@use_case(Permission.LOAN_REPORT, "loan.open_renewal", returns=Loan)
def open_renewal(ctx: Context, old_loan_id: UUID, terms: LoanTerms) -> Loan:
    """Opens the loan that renews a drawn or repaid one, in the same case under the next number: a new note that
    points to the old one (risk-compensation paper §4). Raises ``Refusal(STATE_CHANGED)``."""
    old = get_or_404(Loan, old_loan_id, lock=True)
    if old.state not in (LoanState.DRAWN, LoanState.REPAID):
        raise Refusal(ErrorCode.STATE_CHANGED)
    loan = open_loan(ctx, get_or_404(Case, old.case_id), old.org_id, terms, "renewal", renewed_from_id=old.id,
                     stated_firm=old.stated_firm)
    about(loan, amount_fen=loan.amount_fen, renewed_from_id=old.id)
    return loan


# --- the promise is kept or broken -------------------------------------------------------------------------------------


@use_case(Permission.LOAN_APPROVE, "loan.approve", returns=Loan)
def approve_loan(ctx: Context, loan_id: UUID) -> Loan:
    """The bank's approver keeps the promise. Raises ``Refusal(APPROVAL_LIMIT)`` above the approver's own limit."""
    loan = get_or_404(Loan, loan_id, lock=True)
    if ctx.approval_limit_fen is None or loan.amount_fen > ctx.approval_limit_fen:
        raise Refusal(ErrorCode.APPROVAL_LIMIT, limit=money_text(ctx.approval_limit_fen or 0))
    fire(ctx, LOAN, loan, "approve")
    loan.approved_at = now()
    if loan.choice_id is not None:
        with elevated(ctx, "loans") as acting:
            choice_service.approve(acting, loan.choice_id)
    _step(loan, Step.DECISION, at=loan.approved_at)
    _step(loan, Step.DRAWDOWN_REPORT, wd_from=loan.approved_at)
    _tell_firm(ctx, loan, N_("%(bank)s已批准贷款 %(number)s，即将放款。"))
    about(loan, amount_fen=loan.amount_fen)
    return loan


@use_case(Permission.LOAN_APPROVE, "loan.refuse", returns=Loan)
def refuse_loan(ctx: Context, loan_id: UUID, reason: str, condition_no: int | None = None) -> Loan:
    """The bank does not lend: kept on record with the reason, the firm is told.

    A loan that was promised by a chosen bid is refused on a condition of that bid alone (``condition_no``); in the same
    transaction the promise falls, and the firm chooses again or starts over. Raises ``Refusal(CONDITION_UNKNOWN)``.
    """
    loan = get_or_404(Loan, loan_id, lock=True)
    fire(ctx, LOAN, loan, "refuse", reason=reason)
    _step(loan, Step.DECISION, at=now())
    _step(loan, Step.DRAWDOWN_REPORT, at=now(), kept=False)
    if loan.choice_id is not None:
        with elevated(ctx, "loans") as acting:
            choice_service.refuse(acting, loan.choice_id, condition_no or 0, reason)
    _tell_firm(ctx, loan, N_("%(bank)s没有批准已承诺的贷款 %(number)s，原因见业务记录。您可以重新发起融资需求。"))
    about(loan, amount_fen=loan.amount_fen)
    return loan


@use_case(Permission.LOAN_TICK, "loan.lapse", returns=Loan)
def lapse_promised(ctx: Context, choice_id: UUID) -> Loan | None:
    """The loan of a promise that was broken by time: it will not be drawn any more."""
    loan = session().scalar(select(Loan).where(Loan.choice_id == choice_id).with_for_update())
    if loan is not None and loan.state in (LoanState.AGREED, LoanState.APPROVED):
        fire(ctx, LOAN, loan, "lapse", reason=str(N_("银行没有在期限内放款")))
    about(loan)
    return loan


@handles("promise.broken", "loans.broken")
def _on_broken(ctx: Context, payload: dict[str, Any]) -> None:
    lapse_promised(ctx, UUID(payload["choice_id"]))


def _tell_firm(ctx: Context, loan: Loan, message: str, **params: Any) -> None:
    with elevated(ctx, "loans"):
        notify(loan.firm_id, message, path=f"/loans/{loan.id}", case_id=loan.case_id, number=loan.number,
               bank=ctx.org_name, **params)


@dataclass(frozen=True)
class Drawdown:
    """What the bank reports when the money has left: 分, and the day it left."""

    principal_fen: int
    drawn_on: date
    contract_no: str
    note_no: str


@use_case(Permission.LOAN_REPORT, "loan.draw", returns=Loan)
def report_drawdown(ctx: Context, loan_id: UUID, drawdown: Drawdown) -> Loan:
    """Records the drawdown and writes the schedule, whose principal adds up to the 分.

    Raises ``Refusal(AMOUNT_OUT_OF_RANGE)``, ``Refusal(DATE_OUT_OF_RANGE)``, ``Refusal(NOTE_TAKEN)``, and
    ``Refusal(CONDITIONS_OPEN)`` while a condition of the chosen bid has not come about.
    """
    loan = get_or_404(Loan, loan_id, lock=True)
    if not 0 < drawdown.principal_fen <= loan.amount_fen:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="principal", low=money_text(1), high=money_text(loan.amount_fen))
    check_day(drawdown.drawn_on, EARLIEST_DRAWDOWN, today(), "drawn_on")
    planned = schedule(
        drawdown.principal_fen, loan.annual_rate, loan.term_months, RepaymentMethod(loan.method), drawdown.drawn_on,
        conventions_of(loan.conventions), part_plan(plan_of(loan.plan), loan.amount_fen, drawdown.principal_fen),
    )
    loan.principal_fen, loan.drawn_on, loan.due_on = drawdown.principal_fen, drawdown.drawn_on, planned[-1].due
    loan.contract_no, loan.note_no = drawdown.contract_no.strip(), drawdown.note_no.strip()
    loan.five_class, loan.classed_on = FiveClass.NORMAL.value, today()
    fire(ctx, LOAN, loan, "draw")
    session().add_all(
        Instalment(
            loan_id=loan.id, no=row.no, due_on=row.due, principal_fen=row.principal_fen, interest_fen=row.interest_fen,
            balance_fen=row.balance_fen, principal_left_fen=row.principal_fen, interest_left_fen=row.interest_fen,
        )
        for row in planned
    )
    session().flush()
    restate(ctx, loan)
    if loan.choice_id is not None:
        with elevated(ctx, "loans") as acting:
            choice_service.keep(acting, loan.choice_id, drawdown.drawn_on, loan.contract_no)
    _tell_firm(ctx, loan, N_("%(bank)s已发放贷款 %(number)s，还款计划可以查看了。"))
    _step(loan, Step.DRAWDOWN_REPORT, at=now())
    emit("loan.drawn", loan_id=loan.id)
    about(loan, principal_fen=loan.principal_fen, drawn_on=loan.drawn_on)
    return loan


# --- repayments --------------------------------------------------------------------------------------------------------


@use_case(Permission.LOAN_REPORT, "loan.repay", returns=Repayment)
def report_repayment(ctx: Context, loan_id: UUID, report: RepaymentReport) -> Repayment:
    """Records a repayment and spreads it over the schedule; the last 分 settles the loan.

    Raises ``Refusal(REPAYMENT_TOO_LARGE)`` above what is owed on that day, ``Refusal(REPAYMENT_ORDER)`` where a later
    repayment stands already, ``Refusal(DATE_OUT_OF_RANGE)``.
    """
    loan = get_or_404(Loan, loan_id, lock=True)
    one = held(loan)
    entry = record_repayment(ctx, one, report, spread_of(one, report))
    store(one)
    about(loan, amount_fen=entry.amount_fen, principal_fen=entry.principal_fen, repayment_id=entry.id)
    return entry


@use_case(Permission.LOAN_REPORT, "loan.reverse_repayment", returns=Repayment)
def reverse_repayment(ctx: Context, repayment_id: UUID, reason: str) -> Repayment:
    """Takes back the latest repayment by a second entry that names it. Raises ``Refusal(REVERSAL_ORDER)`` for an
    earlier one, ``Refusal(ALREADY_DONE)``, ``Refusal(REASON_NEEDED)``."""
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    first = get_or_404(Repayment, repayment_id)
    loan = get_or_404(Loan, first.loan_id, lock=True)
    standing = live_repayments(loan.id)
    if first.id not in {entry.id for entry in standing}:
        raise Refusal(ErrorCode.ALREADY_DONE)
    if standing[-1].id != first.id:
        raise Refusal(ErrorCode.REVERSAL_ORDER)
    entry = Repayment(
        loan_id=loan.id, paid_on=first.paid_on, amount_fen=-first.amount_fen, principal_fen=-first.principal_fen,
        interest_fen=-first.interest_fen, kind="reversal", reverses_id=first.id, reference=first.reference,
        reason=reason.strip(), reported_by=ctx.actor_id, reported_at=now(),
    )
    session().add(entry)
    if loan.state == LoanState.REPAID:
        fire(ctx, LOAN, loan, "reopen", reason=reason)
    session().flush()
    restate(ctx, loan)
    about(loan, amount_fen=entry.amount_fen, reverses_id=first.id)
    return entry


@use_case(Permission.LOAN_REPORT, "loan.pay_off", returns=Repayment)
def pay_off(ctx: Context, loan_id: UUID, paid_on: date, reference: str) -> Repayment:
    """The whole debt came back on a day: how a bridge ends the old loan. Raises as ``report_repayment``."""
    loan = get_or_404(Loan, loan_id, lock=True)
    amount = owed_fen(loan, paid_on)
    return report_repayment(ctx, loan_id, RepaymentReport(paid_on, amount, "normal", reference))


# --- five classes ------------------------------------------------------------------------------------------------------


@use_case(Permission.LOAN_REPORT, "loan.class_report", returns=ClassReport)
def report_class(
    ctx: Context, loan_id: UUID, reported_on: date, reported_class: FiveClass, overdue_days: int,
) -> ClassReport:
    """Takes what the bank says of a loan (class, days overdue); the class that counts is derived and never better."""
    loan = get_or_404(Loan, loan_id, lock=True)
    one = held(loan)
    check_class(one, reported_on, overdue_days)
    entry = record_class(ctx, one, reported_on, reported_class, overdue_days)
    store(one)
    about(loan, reported_class=reported_class.value, overdue_days=overdue_days, derived_class=entry.derived_class)
    return entry


@use_case(Permission.LOAN_TICK, "loan.recompute", returns=Loan)
def recompute(ctx: Context, loan_id: UUID) -> Loan:
    """Days overdue and class of a drawn loan as of today."""
    loan = get_or_404(Loan, loan_id, lock=True)
    if loan.state == LoanState.DRAWN:
        restate(ctx, loan)
    else:
        loan.next_check_at = None
    about(loan, overdue_days=loan.overdue_days, five_class=loan.five_class or "")
    return loan


@timed("loans.classes")
def recompute_due(ctx: Context) -> int:
    """Recomputes every loan whose next check has come; returns how many."""
    with reading(ctx, Permission.LOAN_TICK) as db:
        due = list(db.scalars(select(Loan.id).where(Loan.next_check_at <= now()).order_by(Loan.next_check_at).limit(500)))
    for loan_id in due:
        recompute(ctx, loan_id)
    return len(due)
