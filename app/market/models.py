"""Needs. Products are in ``product_models``, bids and choices in ``bid_models``."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.database import Base, Identified
from app.market.bid_models import Bid, BidFee, Choice

__all__ = ["Bid", "BidFee", "Choice", "Need", "NeedInvitee", "NeedPaper", "NeedVersion"]


class Need(Identified, Base):
    """融资需求: a firm's request for a loan. Amount in 分, term in months; empty fields while it is a draft.

    Case, seal and the frozen card (industry, district, size, form) come with submitting; banks see it from its release on.
    ``version`` counts corrections from 1, ``round`` how often the firm has asked for the same from 1. ``allows_parts``: several
    banks together will do.
    """

    __tablename__ = "need"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("case_file.id"))
    seal_id: Mapped[UUID | None] = mapped_column(ForeignKey("seal.id"))
    state: Mapped[str]
    amount_fen: Mapped[int | None]
    term_months: Mapped[int | None]
    purpose_kind: Mapped[str | None]
    purpose_text: Mapped[str]
    product_kind: Mapped[str | None]
    repayment: Mapped[str | None]
    first_loan: Mapped[bool]
    allows_parts: Mapped[bool]
    distribution: Mapped[str | None]
    industry_code: Mapped[str | None]
    district: Mapped[str | None]
    size_class: Mapped[str | None]
    firm_form: Mapped[str | None]
    profile_id: Mapped[UUID | None]
    exposure: Mapped[dict[str, Any] | None]
    bookable: Mapped[bool | None]
    bookable_reasons: Mapped[list[Any]]
    submitted_at: Mapped[datetime | None]
    check_due_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    released_by: Mapped[UUID | None]
    release_kind: Mapped[str | None]
    returned_reasons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    returned_note: Mapped[str]
    version: Mapped[int]
    corrected_at: Mapped[datetime | None]
    corrected_reason: Mapped[str]
    round: Mapped[int]
    published_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    extended_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    choose_by: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]
    previous_id: Mapped[UUID | None] = mapped_column(ForeignKey("need.id"))
    step: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]

    invitees: Mapped[list[NeedInvitee]] = relationship(lazy="raise", cascade="all, delete-orphan")


class NeedInvitee(Base):
    """A bank to which a need is sent: named by the firm, assigned in turn, by a list, or next when others did not answer.

    ``half_at`` and ``most_at``: when it is reminded. ``told`` moves whether it answered or not."""

    __tablename__ = "need_invitee"
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"), primary_key=True)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    via: Mapped[str] = mapped_column(default="named")
    at: Mapped[datetime | None]
    target_at: Mapped[datetime | None]
    half_at: Mapped[datetime | None]
    most_at: Mapped[datetime | None]
    limit_at: Mapped[datetime | None]
    told: Mapped[int] = mapped_column(default=0)



class NeedPaper(Base):
    """A paper that goes with a need: chosen before it is submitted, read by banks that the firm lets know it."""

    __tablename__ = "need_paper"
    paper_id: Mapped[UUID] = mapped_column(ForeignKey("paper.id"), primary_key=True)
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    kind: Mapped[str]
    added_at: Mapped[datetime]


class NeedVersion(Base):
    """What a need said before it was corrected. Written by the database itself (migration 0042, ``hq_need_frozen``)."""

    __tablename__ = "need_version"
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    facts: Mapped[dict[str, Any]]
    reason: Mapped[str]
    at: Mapped[datetime]
    made_by: Mapped[UUID | None]
