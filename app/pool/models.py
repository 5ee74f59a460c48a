"""Rule sets, agreements, bookings, claims and recoveries of the pool. Money in 分."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, ForeignKey, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.pool import audit_models, decision_models  # noqa: F401  columns of a claim refer to their tables
from app.pool.rule_models import RuleProposal


class StoredRuleSet(Identified, Base):
    """An edition of the rule (``ruleset.RuleSet`` as JSON). Never changed: a booking keeps the one that judged it."""

    __tablename__ = "rule_set"
    code: Mapped[str] = mapped_column(unique=True)
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    rules: Mapped[dict[str, Any]]
    document: Mapped[str]
    created_at: Mapped[datetime]
    proposal_id: Mapped[UUID | None] = mapped_column(ForeignKey(RuleProposal.id))


class Agreement(Identified, Base):
    """A partner's agreement with the city (合作协议); open-ended without ``valid_to``. One person drafts it, another one signs
    it off. ``own_share``: the least share of a loss (a fraction) that the partner has agreed to bear itself."""

    __tablename__ = "pool_agreement"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    org_kind: Mapped[str] = mapped_column(Computed("case mode when 'GUARANTEE' then 'guarantor' else 'bank' end", persisted=True))
    mode: Mapped[str]
    document_no: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    own_share: Mapped[Decimal | None]
    partner_signer: Mapped[str]
    city_signer: Mapped[str]
    signed_on: Mapped[date | None]
    state: Mapped[str]
    proposed_by: Mapped[UUID | None]
    proposed_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    ended_on: Mapped[date | None]
    ended_by: Mapped[UUID | None]
    next_check_at: Mapped[datetime | None]

    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012

    @property
    def runs_to(self) -> date | None:
        """The last day on which it runs: as agreed, or as ended before."""
        return min((day for day in (self.valid_to, self.ended_on) if day is not None), default=None)


class Booking(Identified, Base):
    """入库: a loan recorded in the pool, by its bank (政银) or by the guarantor that stands for it (政担); ``payee_id`` is
    whoever is compensated. ``snapshot`` is the loan as at drawdown; a correction is a new version."""

    __tablename__ = "booking"
    case_id: Mapped[UUID]
    loan_id: Mapped[UUID]
    org_id: Mapped[UUID]
    firm_id: Mapped[UUID]
    version: Mapped[int]
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("booking.id"))
    state: Mapped[str]
    mode: Mapped[str]
    product: Mapped[str]
    note_no: Mapped[str]
    principal_fen: Mapped[int]
    rule_set_id: Mapped[UUID] = mapped_column(ForeignKey("rule_set.id"))
    snapshot: Mapped[dict[str, Any]]
    checks: Mapped[list[Any]]
    late_reason: Mapped[str | None]
    late_accepted_by: Mapped[UUID | None]
    submitted_by: Mapped[UUID | None]
    submitted_on: Mapped[date]
    judged_on: Mapped[date]
    booked_on: Mapped[date | None]
    created_at: Mapped[datetime]
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("pool_batch.id"))
    guarantor_id: Mapped[UUID | None]
    contract_id: Mapped[UUID | None]
    owner_id: Mapped[UUID | None]
    payee_id: Mapped[UUID] = mapped_column(Computed("coalesce(guarantor_id, org_id)", persisted=True))

    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012

    __table_args__ = (
        ForeignKeyConstraint(
            ["loan_id", "case_id", "org_id", "firm_id"], ["loan.id", "loan.case_id", "loan.org_id", "loan.firm_id"],
            name="fk_booking_loan_id",
        ),
    )


class Claim(Identified, Base):
    """补偿申请: a bank, or a guarantor that has paid out (代偿), asks the pool to share a loss. Five
    people: preparer, reviewer, auditor, decider, cashier."""

    __tablename__ = "claim"
    case_id: Mapped[UUID]
    loan_id: Mapped[UUID]
    booking_id: Mapped[UUID]
    org_id: Mapped[UUID]
    firm_id: Mapped[UUID]
    mode: Mapped[str]
    state: Mapped[str]
    principal_drawn_fen: Mapped[int]
    principal_repaid_fen: Mapped[int]
    guarantor_paid_fen: Mapped[int]
    collateral_fen: Mapped[int]
    other_public_fen: Mapped[int]
    paid_out_fen: Mapped[int | None]
    paid_out_on: Mapped[date | None]
    net_principal_loss_fen: Mapped[int]
    overdue_days: Mapped[int]
    overdue_since: Mapped[date | None]
    five_class: Mapped[str]
    statement: Mapped[str]
    rule_set_id: Mapped[UUID] = mapped_column(ForeignKey("rule_set.id"))
    tier_method: Mapped[str]
    basis_fen: Mapped[int]
    compensation_fen: Mapped[int]
    working: Mapped[list[Any]]
    stop_line: Mapped[list[Any]]
    approved_fen: Mapped[int | None]
    preparer_id: Mapped[UUID | None]
    reviewer_id: Mapped[UUID | None]
    checker_id: Mapped[UUID | None]
    auditor_id: Mapped[UUID | None]
    decider_id: Mapped[UUID | None]
    cashier_id: Mapped[UUID | None]
    lifted_by: Mapped[UUID | None]
    held_from: Mapped[str | None]
    returns_count: Mapped[int]
    prepared_at: Mapped[datetime]
    submitted_on: Mapped[date | None]
    decided_on: Mapped[date | None]
    public_until: Mapped[date | None]
    audit_scope: Mapped[str] = mapped_column(default="DESK")
    audit_id: Mapped[UUID | None] = mapped_column(ForeignKey("claim_audit.id"))
    decision_id: Mapped[UUID | None] = mapped_column(ForeignKey("claim_decision.id"))
    reservation_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_transfer.id"))
    voucher_no: Mapped[str | None] = mapped_column(unique=True)
    paid_fen: Mapped[int | None]
    paid_on: Mapped[date | None]
    due_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["booking_id", "case_id", "loan_id", "org_id", "firm_id", "mode"],
            ["booking.id", "booking.case_id", "booking.loan_id", "booking.payee_id", "booking.firm_id", "booking.mode"],
            name="fk_claim_booking_id",
        ),
    )


class Recovery(Identified, Base):
    """追偿回收: money that came back after a payment, or of a payment taken back whole (``claw_back``) or in part
    (``correction``). ``due_fen`` is owed to the pool by ``due_on``; the cashier confirms its return."""

    __tablename__ = "recovery"
    claim_id: Mapped[UUID]
    case_id: Mapped[UUID]
    org_id: Mapped[UUID]
    kind: Mapped[str]
    received_on: Mapped[date]
    recovered_fen: Mapped[int]
    cost_fen: Mapped[int]
    due_fen: Mapped[int]
    due_on: Mapped[date]
    reference: Mapped[str]
    reported_by: Mapped[UUID | None]
    reported_at: Mapped[datetime]
    returned_on: Mapped[date | None]
    voucher_no: Mapped[str | None] = mapped_column(unique=True)
    confirmed_by: Mapped[UUID | None]
    next_reminder_at: Mapped[datetime | None]
    reminders: Mapped[int]

    __table_args__ = (
        ForeignKeyConstraint(
            ["claim_id", "case_id", "org_id"], ["claim.id", "claim.case_id", "claim.org_id"], name="fk_recovery_claim_id",
        ),
    )
