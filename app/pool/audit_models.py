"""Samples of claims for a full audit, and what an audit found."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.core.errors import N_


class Scope(StrEnum):
    """How deep a claim is audited."""

    DESK = "DESK"
    FULL = "FULL"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return N_("书面审核") if self is Scope.DESK else N_("抽中，全面审核")


class Question(StrEnum):
    """What a full audit answers [P]."""

    NOTE = "NOTE"
    DRAWDOWN = "DRAWDOWN"
    USE = "USE"
    LEDGER = "LEDGER"
    CLASS = "CLASS"
    PURSUIT = "PURSUIT"
    LIST = "LIST"
    OTHER_MONEY = "OTHER_MONEY"

    @property
    def label(self) -> str:
        """Chinese sentence (message id)."""
        return _QUESTIONS[self]


_QUESTIONS = {
    Question.NOTE: N_("合同、借据与入库快照一致"), Question.DRAWDOWN: N_("放款凭证与借据的日期、金额一致"),
    Question.USE: N_("资金流向与申报用途一致"), Question.LEDGER: N_("还款流水与申请的已还本金一致"),
    Question.CLASS: N_("五级分类和逾期天数有依据"), Question.PURSUIT: N_("催收和尽职情况有记录"),
    Question.LIST: N_("规模、名录、知识产权等放款时的证明属实"), Question.OTHER_MONEY: N_("没有就同一损失获得其他补偿"),
}


class AuditSample(Identified, Base):
    """A draw among the claims in audit: seed, method, and the size of both list and sample. Never changed."""

    __tablename__ = "audit_sample"
    method: Mapped[str]
    seed: Mapped[int]
    flag_weight: Mapped[int]
    population: Mapped[int]
    size: Mapped[int]
    reason: Mapped[str]
    drawn_by: Mapped[UUID | None]
    drawn_at: Mapped[datetime]


class SampleEntry(Base):
    """A claim that stood in the list of a draw, with the flags it was weighed by, its weight and key."""

    __tablename__ = "audit_sample_entry"
    sample_id: Mapped[UUID] = mapped_column(ForeignKey("audit_sample.id"), primary_key=True)
    claim_id: Mapped[UUID] = mapped_column(ForeignKey("claim.id"), primary_key=True)
    flags: Mapped[list[Any]]
    weight: Mapped[int]
    key: Mapped[Decimal] = mapped_column(Numeric(40, 20))
    chosen: Mapped[bool]


class Audit(Identified, Base):
    """An audit of a claim: the flags as they stood, what was answered to each question, the opinion. Never changed.

    ``answers``: {question: {answer, note}}; ``flags``: rows of checks; ``flag_notes``: {flag: note}.
    """

    __tablename__ = "claim_audit"
    claim_id: Mapped[UUID] = mapped_column(ForeignKey("claim.id", use_alter=True))
    case_id: Mapped[UUID]
    scope: Mapped[str]
    flags: Mapped[list[Any]]
    answers: Mapped[dict[str, Any]]
    flag_notes: Mapped[dict[str, Any]]
    opinion: Mapped[str]
    audited_by: Mapped[UUID | None]
    audited_at: Mapped[datetime]
