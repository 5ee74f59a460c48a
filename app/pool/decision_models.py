"""Decisions on claims, their publicity, and objections to them. Money in 分."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.core.errors import N_
from app.core.secrets import Encrypted


class DeductionKind(StrEnum):
    """Why a part of the computed compensation is not paid [P]."""

    REPAID = "REPAID"
    LOSS = "LOSS"
    COLLATERAL = "COLLATERAL"
    EVIDENCE = "EVIDENCE"
    SCOPE = "SCOPE"
    DUTY = "DUTY"
    OTHER = "OTHER"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _KINDS[self]


_KINDS = {
    DeductionKind.REPAID: N_("申请后收回的本金"), DeductionKind.LOSS: N_("损失认定偏高"),
    DeductionKind.COLLATERAL: N_("抵质押物价值未计足"), DeductionKind.EVIDENCE: N_("材料不足以证明"),
    DeductionKind.SCOPE: N_("不在补偿范围"), DeductionKind.DUTY: N_("尽职不足"), DeductionKind.OTHER: N_("其他"),
}


class Verdict(StrEnum):
    """What was decided."""

    APPROVED = "APPROVED"
    PARTLY_APPROVED = "PARTLY_APPROVED"
    REFUSED = "REFUSED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _VERDICTS[self]


_VERDICTS = {
    Verdict.APPROVED: N_("同意补偿"), Verdict.PARTLY_APPROVED: N_("部分同意补偿"), Verdict.REFUSED: N_("不予补偿"),
}


class ObjectionState(StrEnum):
    """Where an objection stands."""

    OPEN = "OPEN"
    UPHELD = "UPHELD"
    DISMISSED = "DISMISSED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _OBJECTIONS[self]


_OBJECTIONS = {
    ObjectionState.OPEN: N_("待答复"), ObjectionState.UPHELD: N_("异议成立，重新审定"),
    ObjectionState.DISMISSED: N_("异议不成立"),
}


class Decision(Identified, Base):
    """A decision on a claim under its own number. Never changed: one taken back stays, and another one follows.

    ``deductions``: [{kind, amount_fen, reason}], which with ``approved_fen`` add up to ``computed_fen``.
    """

    __tablename__ = "claim_decision"
    claim_id: Mapped[UUID]
    case_id: Mapped[UUID]
    org_id: Mapped[UUID]
    year: Mapped[int]
    serial: Mapped[int]
    verdict: Mapped[str]
    computed_fen: Mapped[int]
    approved_fen: Mapped[int]
    deductions: Mapped[list[Any]]
    reason: Mapped[str]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["claim_id", "case_id", "org_id"], ["claim.id", "claim.case_id", "claim.org_id"],
            name="fk_claim_decision_claim_id", use_alter=True,
        ),
    )

    @property
    def number(self) -> str:
        """Its number, e.g. ``2026-0007``."""
        return f"{self.year}-{self.serial:04d}"


class Publicity(Identified, Base):
    """公示: what everybody may read of an approved claim, for the days the rule set gives."""

    __tablename__ = "claim_publicity"
    claim_id: Mapped[UUID]
    case_id: Mapped[UUID]
    org_id: Mapped[UUID]
    decision_id: Mapped[UUID] = mapped_column(ForeignKey("claim_decision.id"), unique=True)
    number: Mapped[str]
    firm_name: Mapped[str]
    bank_name: Mapped[str]
    loan_number: Mapped[str]
    document: Mapped[str]
    principal_fen: Mapped[int]
    net_principal_loss_fen: Mapped[int]
    approved_fen: Mapped[int]
    from_on: Mapped[date]
    until_on: Mapped[date]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]


class ClaimObjection(Identified, Base):
    """异议: somebody objects to a published compensation. Who it is, the city alone reads; the code shows the answer."""

    __tablename__ = "claim_objection"
    publicity_id: Mapped[UUID] = mapped_column(ForeignKey("claim_publicity.id"))
    claim_id: Mapped[UUID]
    case_id: Mapped[UUID]
    org_id: Mapped[UUID]
    code_sha256: Mapped[bytes] = mapped_column(unique=True)
    objector: Mapped[str] = mapped_column(Encrypted)
    contact: Mapped[str] = mapped_column(Encrypted)
    grounds: Mapped[str]
    made_at: Mapped[datetime]
    state: Mapped[str]
    answer: Mapped[str | None]
    answered_by: Mapped[UUID | None]
    answered_at: Mapped[datetime | None]
