"""Tables of corrections: disputes, repairs that the score must know, years of the past, where retention stands."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class EvidenceDispute(Identified, Base):
    """异议: a firm says that an item is wrong; who delivered it checks and answers in writing (征信业管理条例 art. 25).

    ``fact``: ``{"subject", "key", "version"}``, or ``None`` for the whole item and for what is missing; ``shown`` the fact as it
    stood, by column. ``due_on`` is the last day of an answer in time. ``deliver_by``: the day for which the correction is
    promised; ``corrected_at``: when it had come into the data.
    """

    __tablename__ = "evidence_dispute"
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    firm_name: Mapped[str]
    firm_uscc: Mapped[str]
    item_code: Mapped[str] = mapped_column(ForeignKey("data_item.code"))
    provider_org_id: Mapped[UUID]
    provider_kind: Mapped[str] = mapped_column(default="data_provider")
    fact: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    shown: Mapped[dict[str, Any]]
    label: Mapped[str]
    claim: Mapped[str]
    wanted: Mapped[str | None]
    state: Mapped[str]
    asked_at: Mapped[datetime]
    asked_by: Mapped[UUID | None]
    due_on: Mapped[date]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    answer: Mapped[str | None]
    delivery_id: Mapped[UUID | None]
    deliver_by: Mapped[date | None]
    corrected_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[UUID | None]
    escalated_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]


class EvidenceCorrection(Identified, Base):
    """A correction or repair that has come into the data, and by which day the score must know it.

    ``cause``: ``dispute`` (the provider answered so), ``change`` (a delivery changed a disputed fact), ``repair`` (a penalty
    repaired, a list entry removed).
    """

    __tablename__ = "evidence_correction"
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    item_code: Mapped[str] = mapped_column(ForeignKey("data_item.code"))
    cause: Mapped[str]
    dispute_id: Mapped[UUID | None] = mapped_column(ForeignKey("evidence_dispute.id"))
    delivery_id: Mapped[UUID | None] = mapped_column(ForeignKey("delivery.id"))
    at: Mapped[datetime]
    recompute_by: Mapped[date]
    next_check_at: Mapped[datetime | None]
    recomputed_at: Mapped[datetime | None]


class EvidenceYear(Base):
    """What is left of rows past their time: one year of one firm or meter, by category (side, kind of tax, direction).

    ``rows`` in force that went into ``sums`` (分, thousandths, persons × months, by column).
    ``month_bits``: bit n − 1 stands for month n.
    """

    __tablename__ = "evidence_year"
    subject: Mapped[str] = mapped_column(primary_key=True)
    subject_no: Mapped[int] = mapped_column(primary_key=True)
    item_code: Mapped[str] = mapped_column(ForeignKey("data_item.code"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[int]
    month_bits: Mapped[int]
    first_month: Mapped[date]
    last_month: Mapped[date]
    sums: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]

    @property
    def months(self) -> int:
        """Months of the year that had rows."""
        return self.month_bits.bit_count()


class EvidenceRetention(Base):
    """Where one kind of retention stands: an item, or ``waiting``, ``quarantine``, ``files``, ``looks``, ``consents``.

    ``cutoff``: months before this one are due in the running or latest run. ``counts`` of the running run, ``last_counts`` of the
    one that ended at ``finished_at``. ``oldest``: the oldest day left after it.
    """

    __tablename__ = "evidence_retention"
    kind: Mapped[str] = mapped_column(primary_key=True)
    next_check_at: Mapped[datetime]
    cutoff: Mapped[date | None]
    after_no: Mapped[int]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]]
    last_counts: Mapped[dict[str, Any]]
    oldest: Mapped[date | None]


class DeliveryFileGone(Base):
    """The stored bytes of a delivery that retention has removed."""

    __tablename__ = "delivery_file_gone"
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("delivery.id"), primary_key=True)
    at: Mapped[datetime]
