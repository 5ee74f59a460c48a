"""Needs put together by the platform, with the banks that look at them: a list that a department sends, or a fair."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class NeedBatch(Identified, Base):
    """批次: ``kind`` is ``list`` (推荐清单) or ``fair`` (对接会); ``limit_days``: days in which banks are asked to decide."""

    __tablename__ = "need_batch"
    name: Mapped[str]
    kind: Mapped[str]
    limit_days: Mapped[int]
    made_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    made_at: Mapped[datetime]


class BatchNeed(Base):
    """A need in a batch."""

    __tablename__ = "batch_need"
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("need_batch.id"), primary_key=True)
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"), primary_key=True)
    added_at: Mapped[datetime]


class BatchBank(Base):
    """A bank that takes part in a batch."""

    __tablename__ = "batch_bank"
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("need_batch.id"), primary_key=True)
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    added_at: Mapped[datetime]
