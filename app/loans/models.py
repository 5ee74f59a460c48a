"""Loans, their schedules, repayments and class reports. Money in 分, rates as fractions per year."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class Loan(Identified, Base):
    """A loan from the promise to the last repayment. ``org_id`` is the bank, ``firm_id`` the borrower.

    ``amount_fen`` is what was agreed, ``principal_fen`` what was drawn. ``conventions`` holds the schedule's day
    count, interest day, holiday rule and first period; ``plan``, ``[month, 分]`` each,
    is how principal is repaid where no usual method says it. ``five_class`` is derived, never typed in. ``stated_firm`` is the
    name that the bank typed for a loan agreed elsewhere: all it knows of the firm until the firm recognises the loan.
    """

    __tablename__ = "loan"
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    number: Mapped[str] = mapped_column(unique=True)
    choice_id: Mapped[UUID | None] = mapped_column(unique=True)
    origin: Mapped[str]
    renewed_from_id: Mapped[UUID | None] = mapped_column(ForeignKey("loan.id"))
    product_kind: Mapped[str]
    purpose: Mapped[str]
    stated_firm: Mapped[str | None]
    state: Mapped[str]
    amount_fen: Mapped[int]
    annual_rate: Mapped[Decimal]
    term_months: Mapped[int]
    method: Mapped[str]
    conventions: Mapped[dict[str, Any]]
    plan: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    opened_at: Mapped[datetime]
    opened_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[UUID | None]
    contract_no: Mapped[str | None]
    note_no: Mapped[str | None]
    principal_fen: Mapped[int | None]
    drawn_on: Mapped[date | None]
    due_on: Mapped[date | None]
    drawn_by: Mapped[UUID | None]
    principal_repaid_fen: Mapped[int] = mapped_column(default=0)
    interest_paid_fen: Mapped[int] = mapped_column(default=0)
    overdue_days: Mapped[int] = mapped_column(default=0)
    reported_class: Mapped[str | None]
    reported_overdue_days: Mapped[int] = mapped_column(default=0)
    reported_on: Mapped[date | None]
    restructured_on: Mapped[date | None]
    first_restructured_on: Mapped[date | None]
    """Of a restructure from before they were recorded: its day is all that is known of it."""
    five_class: Mapped[str | None]
    classed_on: Mapped[date | None]
    next_check_at: Mapped[datetime | None]

    @property
    def principal_left_fen(self) -> int:
        """Principal still out (分); 0 before drawdown."""
        return (self.principal_fen or 0) - self.principal_repaid_fen


class Instalment(Base):
    """A row of the schedule: what was planned, and what of it is still to be paid.

    ``first_due_on`` and ``first_interest_fen`` are what was agreed at the drawdown, where a restructure changed it.
    """

    __tablename__ = "instalment"
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loan.id"), primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True)
    due_on: Mapped[date]
    principal_fen: Mapped[int]
    interest_fen: Mapped[int]
    balance_fen: Mapped[int]
    principal_left_fen: Mapped[int]
    interest_left_fen: Mapped[int]
    first_due_on: Mapped[date | None]
    first_interest_fen: Mapped[int | None]

    @property
    def left_fen(self) -> int:
        """Principal and interest still to be paid (分)."""
        return self.principal_left_fen + self.interest_left_fen


class Repayment(Identified, Base):
    """Money that reached the bank. Never edited: a mistake gets a reversing entry that names the first."""

    __tablename__ = "repayment"
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loan.id"))
    paid_on: Mapped[date]
    amount_fen: Mapped[int]
    principal_fen: Mapped[int]
    interest_fen: Mapped[int]
    kind: Mapped[str]
    reverses_id: Mapped[UUID | None] = mapped_column(unique=True)
    reference: Mapped[str]
    reason: Mapped[str | None]
    reported_by: Mapped[UUID | None]
    reported_at: Mapped[datetime]


class Restructure(Identified, Base):
    """A bank put off the end of a loan (重组展期): from when to when, class of then, and the interest that it added (分) by
    what was known then; ``standing.added_interest`` tells it by the repayments that stand."""

    __tablename__ = "loan_restructure"
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loan.id"))
    agreed_on: Mapped[date]
    due_before: Mapped[date]
    due_on: Mapped[date]
    class_before: Mapped[str]
    interest_fen: Mapped[int]
    reported_by: Mapped[UUID | None]
    reported_at: Mapped[datetime]


class ClassReport(Identified, Base):
    """What the bank said about a loan on a day, and the class that was derived from it."""

    __tablename__ = "class_report"
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loan.id"))
    reported_on: Mapped[date]
    reported_class: Mapped[str]
    overdue_days: Mapped[int]
    derived_class: Mapped[str]
    reported_by: Mapped[UUID | None]
    reported_at: Mapped[datetime]


class Recognition(Identified, Base):
    """The firm's word on an offline case that a bank opened in its name: its own, or not."""

    __tablename__ = "loan_recognition"
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    recognised: Mapped[bool]
    reason: Mapped[str | None]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
