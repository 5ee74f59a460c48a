"""What pages and later rooms read of loans. Row-level security has already limited it to what the actor may see."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from app.core.calendar import today
from app.core.database import session
from app.core.models import Case
from app.identity.models import Organisation
from app.loans.models import ClassReport, Instalment, Loan, Recognition, Repayment
from app.loans.states import LoanState
from app.market.exposure_rules import Debt, DebtSource

FIRM, BANK = aliased(Organisation, name="firm"), aliased(Organisation, name="bank")
FIRM_NAME = func.coalesce(FIRM.name, Loan.stated_firm, "")
"""The firm's name; of a loan that the firm has not recognised, what the bank typed."""


def loans_query() -> Select[*tuple[Any, ...]]:
    """Loans with the names of firm and bank."""
    return (
        select(
            Loan.id, Loan.number, Loan.state, Loan.amount_fen, Loan.principal_fen, Loan.principal_repaid_fen,
            Loan.annual_rate, Loan.term_months, Loan.drawn_on, Loan.due_on, Loan.five_class, Loan.overdue_days,
            Loan.opened_at, Loan.approved_at, Loan.note_no, Loan.firm_id, Loan.org_id,
            FIRM_NAME.label("firm_name"), BANK.name.label("bank_name"),
        )
        .outerjoin(FIRM, FIRM.id == Loan.firm_id).join(BANK, BANK.id == Loan.org_id)
    )


def current_of_case(case_id: UUID) -> list[Loan]:
    """The loans of a case that count: those beside each other where a firm took parts, without what a bank refused and what
    another one renewed. Where nothing but refusals is left, the newest of them."""
    loans = of_case(case_id)
    renewed = {loan.renewed_from_id for loan in loans}
    counting = [loan for loan in loans if loan.state != LoanState.REFUSED and loan.id not in renewed]
    return counting or loans[-1:]


def of_case(case_id: UUID) -> list[Loan]:
    """All loans of a case, in the order of their numbers."""
    return list(session().scalars(select(Loan).where(Loan.case_id == case_id).order_by(Loan.opened_at)))


def answers_of(loan: Loan) -> list[Recognition]:
    """What the firm said of the case of a loan that a bank registered, newest first."""
    return list(session().scalars(
        select(Recognition).where(Recognition.case_id == loan.case_id).order_by(Recognition.at.desc(), Recognition.id.desc())
    ))


def debts_of(firm_id: UUID) -> list[Debt]:
    """What a firm owes through the portal, and what it is promised, for its exposure. One statement."""
    rows = session().execute(
        select(BANK.name, Loan.state, Loan.amount_fen, Loan.due_on, Loan.principal_fen, Loan.principal_repaid_fen)
        .join(BANK, BANK.id == Loan.org_id).order_by(Loan.opened_at)
        .where(Loan.firm_id == firm_id, Loan.state.in_([LoanState.AGREED, LoanState.APPROVED, LoanState.DRAWN]))
    )
    return [
        Debt(row.name, (row.principal_fen or 0) - row.principal_repaid_fen, row.due_on, DebtSource.DRAWN)
        if row.state == LoanState.DRAWN else Debt(row.name, row.amount_fen, row.due_on, DebtSource.PROMISED)
        for row in rows
    ]


def awaits_firm(loan: Loan) -> bool:
    """Whether the loan's case was opened by a bank and the firm has not said that it is its own."""
    case = session().get(Case, loan.case_id)
    return case is not None and case.kind == "offline" and not any(one.recognised for one in answers_of(loan))


def repayments_of(loan_id: UUID) -> list[Repayment]:
    """Every entry of a loan's ledger, newest first: repayments and what took them back."""
    return list(session().scalars(
        select(Repayment).where(Repayment.loan_id == loan_id).order_by(Repayment.reported_at.desc(), Repayment.id.desc())
    ))


def class_reports_of(loan_id: UUID) -> list[ClassReport]:
    """What the bank said of a loan, newest first."""
    return list(session().scalars(
        select(ClassReport).where(ClassReport.loan_id == loan_id).order_by(ClassReport.reported_at.desc()).limit(20)
    ))


def waiting(states: list[LoanState], limit: int = 10) -> list[Any]:
    """Loans in one of the states, oldest first, with the firm's name."""
    return list(session().execute(
        loans_query().where(Loan.state.in_([state.value for state in states])).order_by(Loan.opened_at).limit(limit)
    ))


def overdue(limit: int = 10) -> list[Any]:
    """Drawn loans with arrears, the longest first."""
    return list(session().execute(
        loans_query().where(Loan.state == LoanState.DRAWN.value, Loan.overdue_days > 0)
        .order_by(Loan.overdue_days.desc()).limit(limit)
    ))


def due_soon(days: int = 10, limit: int = 10) -> list[Any]:
    """Unpaid instalments that fall due within ``days``, or have fallen due, of the loans the actor may see."""
    last: date = today() + timedelta(days=days)
    left = Instalment.principal_left_fen + Instalment.interest_left_fen
    return list(session().execute(
        select(Instalment.due_on, Instalment.no, left.label("left_fen"), Loan.id, Loan.number, BANK.name.label("bank_name"))
        .join(Loan, Loan.id == Instalment.loan_id).join(BANK, BANK.id == Loan.org_id)
        .where(Loan.state == LoanState.DRAWN.value, left > 0, Instalment.due_on <= last)
        .order_by(Instalment.due_on).limit(limit)
    ))
