"""Where each open need stands in a bank's queue, computed beforehand: a page reads fifty rows of an index."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class QueueRank(Base):
    """A need in the queue of one bank. ``points``: those of ``match_rules.PARTS``; ``margin_bp``: what the price leaves, in
    hundredths of a per cent; ``bands``: grade or third as the bank's consent and the switch showed them; ``soon_at``: from when
    it counts as closing soon. The rest is copied from the need, to filter by. Gone as soon as the need takes no bids."""

    __tablename__ = "queue_rank"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"), primary_key=True)
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("product.id"))
    score: Mapped[int] = mapped_column(SmallInteger)
    points: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    margin_bp: Mapped[int | None]
    bands: Mapped[list[str]] = mapped_column(ARRAY(Text))
    soon_at: Mapped[datetime]
    soon: Mapped[bool]
    amount_fen: Mapped[int]
    district: Mapped[str]
    division: Mapped[str]
    kind: Mapped[str]
    first_loan: Mapped[bool]
    bookable: Mapped[bool]
    closes_at: Mapped[datetime]


class RankState(Base):
    """Until when of publishing a bank's queue is known to be whole."""

    __tablename__ = "rank_state"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    seen_until: Mapped[datetime]


class RankDue(Base):
    """A need whose places are out of date: its firm's profile changed, or its closing moved."""

    __tablename__ = "rank_due"
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"), primary_key=True)
    since: Mapped[datetime]
