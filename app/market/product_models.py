"""Products of banks and their versions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class Product(Identified, Base):
    """金融产品: what a bank offers. Amounts in 分, terms in months.

    ``eligibility``: industries (prefixes of GB/T 4754 codes), districts, sizes; an empty list means any. Rates are fractions per
    year, ``None`` where the product states none. ``officer_capacity``: needs that one officer holds at once. ``seats`` and
    ``budget_fen``: loans and money for one matching round. ``part_min_fen``: the smallest part of a joint loan; ``None`` lends
    the whole alone. ``rule``: the bank's own conditions (``fit_rules``).
    """

    __tablename__ = "product"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    name: Mapped[str]
    kind: Mapped[str]
    min_amount_fen: Mapped[int]
    max_amount_fen: Mapped[int]
    min_term_months: Mapped[int]
    max_term_months: Mapped[int]
    min_rate: Mapped[Decimal | None]
    max_rate: Mapped[Decimal | None]
    repayments: Mapped[list[str]] = mapped_column(ARRAY(Text))
    required_sources: Mapped[list[str]] = mapped_column(ARRAY(Text))
    officer_capacity: Mapped[int]
    seats: Mapped[int | None]
    budget_fen: Mapped[int | None]
    part_min_fen: Mapped[int | None]
    eligibility: Mapped[dict[str, Any]]
    rule: Mapped[dict[str, Any]]
    conventions: Mapped[dict[str, Any]]
    state: Mapped[str]
    version: Mapped[int]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    changed_by: Mapped[UUID | None]


class ProductVersion(Base):
    """A product as it was: bids name the version they were made with, and nothing edits it."""

    __tablename__ = "product_version"
    product_id: Mapped[UUID] = mapped_column(ForeignKey("product.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    facts: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    made_by: Mapped[UUID | None]
