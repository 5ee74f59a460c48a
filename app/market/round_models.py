"""A matching round and what came of it: a proposal. Firms and banks see their own rows once it is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class MatchingRound(Identified, Base):
    """撮合轮次. ``params``: quota, longest list, seed. ``terms_digest``: SHA-256 of the needs, products and banks it went by, so
    that a change is noticed; ``input_digest``: of all that was computed with, scores included. ``millis``: how long it took."""

    __tablename__ = "matching_round"
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("need_batch.id"))
    name: Mapped[str]
    state: Mapped[str]
    params: Mapped[dict[str, Any]]
    terms_digest: Mapped[str | None]
    input_digest: Mapped[str | None]
    runs: Mapped[int | None]
    millis: Mapped[int | None]
    made_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    made_at: Mapped[datetime]
    computed_at: Mapped[datetime | None]
    shown_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class MatchingSeat(Base):
    """A product in a round: its seats, those kept for first-time borrowers before and after empty ones were freed, its money in
    分 (``None`` names none), what it took, how many it turned away, and the place of the last one it took on an open seat."""

    __tablename__ = "matching_seat"
    round_id: Mapped[UUID] = mapped_column(ForeignKey("matching_round.id"), primary_key=True)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("product.id"), primary_key=True)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    version: Mapped[int]
    seats: Mapped[int]
    reserved: Mapped[int]
    reserved_kept: Mapped[int]
    budget_fen: Mapped[int | None]
    taken: Mapped[int]
    granted_fen: Mapped[int]
    turned_away: Mapped[int]
    cutoff: Mapped[int | None]


class MatchingNeed(Base):
    """A need in a round: how many products it could go to, those it would rather have had (``passed``, each with product, its
    place there, the last place taken and ``SEATS`` or ``MONEY``), and why it got none. Not for banks: it names their rivals."""

    __tablename__ = "matching_need"
    round_id: Mapped[UUID] = mapped_column(ForeignKey("matching_round.id"), primary_key=True)
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"), primary_key=True)
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    listed: Mapped[int]
    passed: Mapped[list[Any]]
    missed: Mapped[str | None]
    obstacles: Mapped[list[str]] = mapped_column(ARRAY(Text))


class MatchingPair(Base):
    """A need and the product proposed for it: ``place`` in the product's own order, asked and proposed 分; ``below_part``
    where less is left than the product lends, so that the bank decides. ``reasons``: of the ranking, none from the profile."""

    __tablename__ = "matching_pair"
    round_id: Mapped[UUID] = mapped_column(primary_key=True)
    need_id: Mapped[UUID] = mapped_column(primary_key=True)
    firm_id: Mapped[UUID]
    product_id: Mapped[UUID]
    org_id: Mapped[UUID]
    place: Mapped[int]
    in_reserve: Mapped[bool]
    asked_fen: Mapped[int]
    granted_fen: Mapped[int]
    below_part: Mapped[bool]
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text))
