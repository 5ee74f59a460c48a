"""Sealed bids, their charges, choices."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.database import Base, Identified


class Bid(Identified, Base):
    """报价: a bank's sealed, binding offer. Amounts in 分, rates as fractions per year, term in months.

    ``all_in_rate`` is 12 × the monthly rate at which all money balances, ``effective_rate`` compounds it;
    ``total_extra_fen`` everything paid above the principal; ``working`` the lines that led there. ``demands`` are what the
    bid depends on, a closed list; ``conditions`` is a remark without force. Nothing tied is declared too (``ties_declared``).
    ``min_part_fen``: the least the bank lends beside others; ``None`` lends the whole alone. ``part_fees``: what a part does to
    the charges. ``plan`` of a loan repaid by plan: ``[month, 分]`` each.
    """

    __tablename__ = "bid"
    need_id: Mapped[UUID]
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    seal_id: Mapped[UUID]
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    product_id: Mapped[UUID]
    product_version: Mapped[int]
    state: Mapped[str]
    amount_fen: Mapped[int]
    annual_rate: Mapped[Decimal]
    term_months: Mapped[int]
    method: Mapped[str]
    conventions: Mapped[dict[str, Any]]
    conditions: Mapped[str]
    valid_until: Mapped[date]
    all_in_rate: Mapped[Decimal]
    effective_rate: Mapped[Decimal]
    simple_rate: Mapped[Decimal]
    interest_fen: Mapped[int]
    fees_fen: Mapped[int]
    total_extra_fen: Mapped[int]
    working: Mapped[list[Any]]
    drafted_by: Mapped[UUID | None]
    drafted_at: Mapped[datetime]
    submitted_by: Mapped[UUID | None]
    submitted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    return_reason: Mapped[str | None]
    ties_declared: Mapped[bool]
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("bid.id"))
    opened_at: Mapped[datetime | None]
    min_part_fen: Mapped[int | None]
    part_fees: Mapped[str | None]
    plan: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))

    ties: Mapped[list[BidTie]] = relationship(lazy="raise", cascade="all, delete-orphan", order_by="BidTie.no")
    demands: Mapped[list[BidCondition]] = relationship(lazy="raise", cascade="all, delete-orphan", order_by="BidCondition.no")
    fees: Mapped[list[BidFee]] = relationship(lazy="raise", cascade="all, delete-orphan", order_by="BidFee.no")

    __table_args__ = (
        ForeignKeyConstraint(["need_id", "seal_id"], ["need.id", "need.seal_id"], name="fk_bid_need_id"),
        ForeignKeyConstraint(
            ["product_id", "product_version"],
            ["product_version.product_id", "product_version.version"],
            name="fk_bid_product_id",
        ),
    )


class BidFee(Base):
    """A charge beside interest: 分 each time, who gets it, when it is paid."""

    __tablename__ = "bid_fee"
    bid_id: Mapped[UUID] = mapped_column(ForeignKey("bid.id"), primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    seal_id: Mapped[UUID]
    kind: Mapped[str]
    amount_fen: Mapped[int]
    payee: Mapped[str]
    at: Mapped[str]
    every_months: Mapped[int]
    text: Mapped[str]


class BidTie(Base):
    """What is sold or asked for with the loan. ``required``: without it there is no loan."""

    __tablename__ = "bid_tie"
    bid_id: Mapped[UUID] = mapped_column(ForeignKey("bid.id"), primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    seal_id: Mapped[UUID]
    kind: Mapped[str]
    required: Mapped[bool]
    text: Mapped[str]


class BidCondition(Base):
    """Something on which the bid depends: the only ground on which its bank may refuse after the choice."""

    __tablename__ = "bid_condition"
    bid_id: Mapped[UUID] = mapped_column(ForeignKey("bid.id"), primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    seal_id: Mapped[UUID]
    kind: Mapped[str]
    text: Mapped[str]


class BidReceipt(Base):
    """A bank's proof of what it handed in, and when: ``commitment`` = sha256(``salt`` || ``canonical``). Nothing edits it."""

    __tablename__ = "bid_receipt"
    bid_id: Mapped[UUID] = mapped_column(ForeignKey("bid.id"), primary_key=True)
    need_id: Mapped[UUID]
    org_id: Mapped[UUID]
    seal_id: Mapped[UUID]
    form: Mapped[int]
    salt: Mapped[bytes]
    canonical: Mapped[str]
    commitment: Mapped[bytes]
    at: Mapped[datetime]


class Award(Identified, Base):
    """The firm's decision on a need, or on a part of it. It stands still until ``standstill_until`` and for every open objection,
    then binds. ``part``: others may stand beside it."""

    __tablename__ = "award"
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    state: Mapped[str]
    amount_fen: Mapped[int]
    part: Mapped[bool]
    standstill_until: Mapped[datetime]
    next_check_at: Mapped[datetime | None]
    made_at: Mapped[datetime]
    made_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]


class Choice(Identified, Base):
    """选定: the firm takes one bid, or a part of it, and the bank's promise that follows. ``cost_sheet`` is what was compared,
    frozen.

    ``decide_by``: asked for by the service levels. ``outcome`` once the promise was kept, excused by a condition, or broken.
    """

    __tablename__ = "choice"
    award_id: Mapped[UUID]
    need_id: Mapped[UUID]
    bid_id: Mapped[UUID]
    org_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    bank_org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    state: Mapped[str]
    amount_fen: Mapped[int]
    cost_sheet: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]
    made_by: Mapped[UUID | None]
    decide_by: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    contract_no: Mapped[str | None]
    signed_at: Mapped[datetime | None]
    kept_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    next_check_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["bid_id", "need_id"], ["bid.id", "bid.need_id"], name="fk_choice_bid_id"),
        ForeignKeyConstraint(["award_id", "need_id"], ["award.id", "award.need_id"], name="fk_choice_award_id"),
    )


class ChoiceCondition(Base):
    """A condition of the chosen bid, and whether it has come about. The two usual ones are not ticked: they hold or fail."""

    __tablename__ = "choice_condition"
    choice_id: Mapped[UUID] = mapped_column(ForeignKey("choice.id"), primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True)
    bid_id: Mapped[UUID]
    kind: Mapped[str]
    text: Mapped[str]
    met_at: Mapped[datetime | None]
    met_by: Mapped[UUID | None]
    note: Mapped[str]

    __table_args__ = (
        ForeignKeyConstraint(["bid_id", "no"], ["bid_condition.bid_id", "bid_condition.no"], name="fk_choice_condition_bid_id"),
    )


class ChoiceRefusal(Base):
    """On which condition of its own bid the bank refused. There is no other way to refuse."""

    __tablename__ = "choice_refusal"
    choice_id: Mapped[UUID] = mapped_column(ForeignKey("choice.id"), primary_key=True)
    bid_id: Mapped[UUID]
    condition_no: Mapped[int]
    text: Mapped[str]
    by: Mapped[UUID | None]
    at: Mapped[datetime]


class Objection(Identified, Base):
    """What a bank that was not chosen holds against the choice, and the desk's answer."""

    __tablename__ = "objection"
    award_id: Mapped[UUID] = mapped_column(ForeignKey("award.id"))
    need_id: Mapped[UUID]
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    reason: Mapped[str]
    text: Mapped[str]
    state: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[UUID | None]
    answer: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
