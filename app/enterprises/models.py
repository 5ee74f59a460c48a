"""The firm: registration, industry, figures, size class with its working, people behind it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.core.secrets import Encrypted


class Enterprise(Base):
    """A firm, sole trader or co-operative. ``id`` is its organisation's id; ``firm_no`` keys its evidence.

    ``state``: ``known`` (made by a delivery, nobody signed up), ``unverified`` (signed up), ``verified``, ``refused``.
    Amounts in 分, headcount in persons. ``size_class`` as in rules.py; ``size_working`` the rows that led to it.
    """

    __tablename__ = "enterprise"
    id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    firm_no: Mapped[int] = mapped_column(unique=True)
    uscc: Mapped[str] = mapped_column(unique=True)
    form: Mapped[str]
    """company, sole_trader or cooperative (rules.EntityForm)."""
    district: Mapped[str]
    """District code of GB/T 2260, e.g. 440112."""
    industry_code: Mapped[str | None]
    headcount: Mapped[int | None]
    revenue_fen: Mapped[int | None]
    assets_fen: Mapped[int | None]
    figures_year: Mapped[int | None]
    figures_source: Mapped[str | None]
    size_class: Mapped[str]
    size_rule: Mapped[str | None]
    size_working: Mapped[list[Any]]
    sized_at: Mapped[datetime | None]
    state: Mapped[str]
    representative_name: Mapped[str | None] = mapped_column(Encrypted)
    representative_id_no: Mapped[str | None] = mapped_column(Encrypted)
    licence_sha256: Mapped[str | None]
    refusal_reason: Mapped[str | None]
    """What the desk told the firm when it refused."""
    verified_at: Mapped[datetime | None]
    verified_by: Mapped[UUID | None]
    synthetic: Mapped[bool]
    """Made up for the demo city, or carrying a made-up USCC: said wherever the firm is shown."""
    external_key: Mapped[str | None] = mapped_column(unique=True)
    """The firm's code in the source of a delivery that knows no USCC (e.g. F017)."""
    created_at: Mapped[datetime]


class ReservedFirm(Base):
    """The number under which rows of a firm wait that nobody signed up yet; the firm takes it when it appears."""

    __tablename__ = "reserved_firm"
    firm_no: Mapped[int] = mapped_column(primary_key=True)
    uscc: Mapped[str] = mapped_column(unique=True)
    reserved_at: Mapped[datetime]


class EnterpriseFigures(Identified, Base):
    """One version of a firm's figures with the size class they gave. Never changed: an edit adds the next version."""

    __tablename__ = "enterprise_figures"
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    version: Mapped[int]
    industry_code: Mapped[str]
    headcount: Mapped[int | None]
    revenue_fen: Mapped[int | None]
    assets_fen: Mapped[int | None]
    year: Mapped[int]
    source: Mapped[str]
    size_class: Mapped[str]
    size_rule: Mapped[str]
    size_working: Mapped[list[Any]]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
