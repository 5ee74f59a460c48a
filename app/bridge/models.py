"""Bridges, the ask before them, commitments and hops. Money in 分, rates as fractions."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.core.secrets import Encrypted


class RenewalAsk(Identified, Base):
    """Step 0: the firm asked its bank to renew without repayment (无还本续贷, 金规〔2024〕13号), and the answer.

    ``source``: asked on the PORTAL, STATED by the firm for a bank outside it, or answered by the RULE itself. ``reason`` is a
    code of ``ask_rules.REASONS``; ``answer_by`` the end of the bank's time.
    """

    __tablename__ = "renewal_ask"
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    firm_name: Mapped[str]
    firm_uscc: Mapped[str]
    bank_org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    old_loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loan.id"))
    note_no: Mapped[str]
    due_on: Mapped[date | None]
    due_fen: Mapped[int | None]
    working_capital: Mapped[bool]
    asked_on: Mapped[date]
    source: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    note: Mapped[str]
    bank_note: Mapped[str] = mapped_column(default="")
    answer_by: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    next_check_at: Mapped[datetime | None]
    stored_at: Mapped[datetime]
    stored_by: Mapped[UUID | None]

    @property
    def granted(self) -> bool:
        """Whether the bank renews without repayment, so that no bridge is needed."""
        return self.state == "GRANTED"

    @property
    def allows_bridge(self) -> bool:
        """Whether the bank has said no, or let its time pass."""
        return self.state in ("REFUSED", "UNANSWERED")


class Bridge(Identified, Base):
    """A transfer loan from the application to the fee. ``firm_name`` as it stood at the application.

    ``terms`` are frozen when the firm picks a quote; ``amount_fen`` is the picked amount; ``checks`` what the precheck
    found; ``pending_transfer_id`` the reservation on the fund.
    """

    __tablename__ = "bridge"
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    firm_name: Mapped[str]
    ask_id: Mapped[UUID]
    old_loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loan.id"))
    old_bank_org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    new_bank_org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str]
    old_note_no: Mapped[str]
    old_due_fen: Mapped[int]
    old_due_on: Mapped[date]
    own_money_fen: Mapped[int]
    requested_fen: Mapped[int]
    planned_days: Mapped[int]
    urgent: Mapped[bool]
    state: Mapped[str]
    state_since: Mapped[datetime]
    applied_at: Mapped[datetime]
    applied_by: Mapped[UUID | None]
    checks: Mapped[list[Any]]
    fund_id: Mapped[UUID | None]
    funder_org_id: Mapped[UUID | None]
    quote_id: Mapped[UUID | None]
    terms: Mapped[dict[str, Any] | None]
    amount_fen: Mapped[int | None]
    agreement_no: Mapped[str | None]
    signed_at: Mapped[datetime | None]
    signed_by: Mapped[UUID | None]
    pending_transfer_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_transfer.id"))
    own_money_seen_fen: Mapped[int | None]
    paid_on: Mapped[date | None]
    expected_return_on: Mapped[date | None]
    old_repaid_on: Mapped[date | None]
    old_repaid_reference: Mapped[str | None]
    new_rate: Mapped[Decimal | None]
    new_loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loan.id"))
    new_note_no: Mapped[str | None]
    new_amount_fen: Mapped[int | None]
    new_drawn_on: Mapped[date | None]
    new_due_on: Mapped[date | None]
    refused_on: Mapped[date | None]
    overdue_on: Mapped[date | None]
    returned_fen: Mapped[int] = mapped_column(default=0)
    returned_on: Mapped[date | None]
    fee_fen: Mapped[int | None]
    fee_working: Mapped[list[Any] | None]
    fee_voucher_no: Mapped[str | None]
    settled_on: Mapped[date | None]
    clerk_id: Mapped[UUID | None]
    reviewer_id: Mapped[UUID | None]
    approved_on: Mapped[date | None]
    payer_id: Mapped[UUID | None]
    next_check_at: Mapped[datetime | None]

    @property
    def outstanding_fen(self) -> int:
        """What of the bridge has been paid out and not come back (分)."""
        return (self.amount_fen or 0) - self.returned_fen if self.paid_on is not None else 0


class Commitment(Identified, Base):
    """续贷承诺: the bank's signed promise to renew. ``seal_digest`` is the SHA-256 of its canonical content."""

    __tablename__ = "commitment"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    signer_id: Mapped[UUID]
    signer_name: Mapped[str]
    branch: Mapped[str]
    promised_fen: Mapped[int]
    rate_low: Mapped[Decimal]
    rate_high: Mapped[Decimal]
    term_months: Mapped[int]
    method: Mapped[str]
    conditions: Mapped[str]
    latest_drawdown_on: Mapped[date]
    receiving_account: Mapped[str] = mapped_column(Encrypted)
    receiving_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    valid_until: Mapped[date]
    seal_digest: Mapped[bytes] = mapped_column(LargeBinary)
    borrower_uscc: Mapped[str]
    old_note_no: Mapped[str]
    old_due_fen: Mapped[int]
    old_due_on: Mapped[date]
    state: Mapped[str]
    signed_at: Mapped[datetime]
    noticed_at: Mapped[datetime | None]
    expired_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]


class BridgeHop(Identified, Base):
    """One movement of bridge money between two whitelisted accounts. Never changed; ``corrects_id`` names what it takes back.

    ``moved_at`` is when the bank moved it, ``at`` when it was recorded. The database fills ``from_digest``, under which a voucher
    number counts once.
    """

    __tablename__ = "bridge_hop"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    no: Mapped[int]
    from_account: Mapped[str]
    to_account: Mapped[str]
    amount_fen: Mapped[int]
    on_day: Mapped[date]
    voucher_no: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    from_account_id: Mapped[UUID | None] = mapped_column(ForeignKey("bridge_account.id"))
    to_account_id: Mapped[UUID | None] = mapped_column(ForeignKey("bridge_account.id"))
    from_digest: Mapped[bytes | None] = mapped_column(LargeBinary, server_default=FetchedValue())
    moved_at: Mapped[datetime | None]
    corrects_id: Mapped[UUID | None] = mapped_column(ForeignKey("bridge_hop.id"))
    correction_id: Mapped[UUID | None]
