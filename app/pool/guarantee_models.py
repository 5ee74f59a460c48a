"""Contracts of guarantors on loans (政担): stated by the bank, confirmed by the guarantor, who books the loan with it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.core.errors import N_
from app.core.lifecycle import Lifecycle, Move
from app.core.pages import Tone
from app.core.permissions import Permission as P


class GuaranteeState(StrEnum):
    """Where a contract stands between bank and guarantor. Whether the loan is booked is read from the booking."""

    STATED = "STATED"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _NAMES[self][0]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _NAMES[self][1]


_S = GuaranteeState
_NAMES: dict[GuaranteeState, tuple[str, Tone]] = {
    _S.STATED: (N_("待担保机构确认"), "wait"), _S.CONFIRMED: (N_("已确认"), "good"), _S.REFUSED: (N_("担保机构未确认"), "bad"),
    _S.WITHDRAWN: (N_("已撤回"), "plain"),
}

STANDING = (_S.STATED, _S.CONFIRMED)
"""States in which a loan has a guarantor's contract; there is one at a time."""
GUARANTEE = Lifecycle("guarantee_contract", GuaranteeState, (
    Move(_S.STATED, "confirm", _S.CONFIRMED, (P.GUARANTEE_BOOK,), stamp="decided_by", at="decided_at", shared=False),
    Move(_S.STATED, "refuse", _S.REFUSED, (P.GUARANTEE_BOOK,), needs_reason=True, stamp="decided_by", at="decided_at",
         shared=False),
    Move(_S.STATED, "withdraw", _S.WITHDRAWN, (P.GUARANTEE_STATE,), needs_reason=True, at="decided_at", shared=False),
    Move(_S.CONFIRMED, "release", _S.WITHDRAWN, (P.GUARANTEE_BOOK,), needs_reason=True, shared=False),
))
GUARANTEE_TEXTS = {
    "create": N_("登记担保合同"), "confirm": N_("确认担保合同"), "refuse": N_("不确认担保合同"), "withdraw": N_("撤回担保合同"),
    "release": N_("撤出入库，解除担保登记"),
}


class Guarantee(Identified, Base):
    """A guarantor's contract on a drawn loan. Shares are fractions of the principal: ``liability_share`` is what the guarantor
    answers for to the bank, ``reguarantee_share`` what a re-guarantor takes of it. ``facts``: what the guarantor is shown of the
    loan before it says yes; ``evidence``: what the bank adds to the loan for the booking (``judging.Evidence``). ``batch_id``:
    the guarantor's file that confirmed it, where a file did."""

    __tablename__ = "guarantee_contract"
    case_id: Mapped[UUID]
    loan_id: Mapped[UUID]
    org_id: Mapped[UUID]
    firm_id: Mapped[UUID]
    guarantor_id: Mapped[UUID]
    guarantor_kind: Mapped[str] = mapped_column(Computed("'guarantor'", persisted=True))
    contract_no: Mapped[str]
    signed_on: Mapped[date]
    liability_share: Mapped[Decimal]
    reguarantor: Mapped[str | None]
    reguarantee_share: Mapped[Decimal]
    facts: Mapped[dict[str, Any]]
    evidence: Mapped[dict[str, Any]]
    state: Mapped[str]
    stated_by: Mapped[UUID | None]
    stated_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    batch_id: Mapped[UUID | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["loan_id", "case_id", "org_id", "firm_id"], ["loan.id", "loan.case_id", "loan.org_id", "loan.firm_id"],
            name="fk_guarantee_contract_loan_id",
        ),
    )
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012

    @property
    def terms(self) -> dict[str, Any]:
        """The contract as a booking's snapshot keeps it: the claim is judged by this."""
        return {
            "guarantor": self.facts["guarantor"], "contract_no": self.contract_no, "signed_on": self.signed_on.isoformat(),
            "liability_share": str(self.liability_share), "reguarantor": self.reguarantor,
            "reguarantee_share": str(self.reguarantee_share),
        }
