"""Quality of deliveries: one report each, its measures, and the values that their provider should look at again."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class QualityReport(Base):
    """What a delivery was like. ``month``: the latest month it tells about; ``advice``: the measure that decided the verdict.

    ``one_in``: its rows were checked for one subject in so many (1 = all of them); ``known_one_in``: the same for coverage.
    ``to_check``: how many values, months and subjects its provider should look at, all of them, not only those listed.
    """

    __tablename__ = "quality_report"
    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_org_id: Mapped[UUID]
    item_code: Mapped[str] = mapped_column(ForeignKey("data_item.code"))
    computed_at: Mapped[datetime]
    verdict: Mapped[str]
    advice: Mapped[str]
    month: Mapped[date | None]
    to_check: Mapped[int]
    one_in: Mapped[int]
    known_one_in: Mapped[int]


class DeliveryQuality(Base):
    """One measure of a delivery: ``part`` of ``whole``, such as 12 late rows of 300; ``whole`` 0 = nothing to measure."""

    __tablename__ = "delivery_quality"
    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    measure: Mapped[str] = mapped_column(primary_key=True)
    provider_org_id: Mapped[UUID]
    part: Mapped[int]
    whole: Mapped[int]
    params: Mapped[dict[str, Any]]


class QualityFinding(Identified, Base):
    """One value, month or subject to look at again. At most so many of a measure are kept, the worst first.

    ``seen`` and ``expected_…`` are in the stored unit of ``field`` (分, thousandths, persons, days). What another office or
    the firm itself told us is never shown to a provider: then nothing is expected and ``rule`` alone says why.
    """

    __tablename__ = "quality_finding"
    delivery_id: Mapped[UUID]
    provider_org_id: Mapped[UUID]
    item_code: Mapped[str] = mapped_column(ForeignKey("data_item.code"))
    measure: Mapped[str]
    rule: Mapped[str]
    severity: Mapped[str]
    subject_label: Mapped[str]
    at: Mapped[date | None]
    until: Mapped[date | None]
    """Last month of a gap."""
    field: Mapped[str]
    seen: Mapped[int | None]
    expected_low: Mapped[int | None]
    expected_high: Mapped[int | None]
