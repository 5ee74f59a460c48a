"""What pages read of agreements with funders and of the bureau's ceilings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from app.bridge.fund_models import BridgeCeiling, FundAgreement
from app.bridge.fund_states import AgreementState
from app.bridge.states import Tone
from app.core.calendar import today
from app.core.database import session
from app.core.errors import N_
from app.identity.models import Organisation, Person


@dataclass(frozen=True)
class Shown:
    """An agreement on a fund's page: what it is worth today."""

    number: str
    kinds: Sequence[str]
    valid_from: date
    valid_to: date
    label: str
    tone: Tone


def worth(state: str, valid_from: date, valid_to: date) -> tuple[str, Tone]:
    """What an agreement is worth today, as a chip (message id and tone)."""
    if state != AgreementState.CONFIRMED:
        return AgreementState(state).label, "wait" if state == AgreementState.PROPOSED else "plain"
    if valid_to < today():
        return N_("已到期"), "plain"
    return (N_("有效"), "good") if valid_from <= today() else (N_("尚未开始"), "info")


def of_funder(org_id: UUID) -> list[Shown]:
    """What was agreed with a funder and is not over, the oldest first."""
    rows = session().scalars(select(FundAgreement).where(
        FundAgreement.org_id == org_id, FundAgreement.state == AgreementState.CONFIRMED.value,
    ).order_by(FundAgreement.valid_from))
    return [Shown(row.number, row.kinds, row.valid_from, row.valid_to, *worth(row.state, row.valid_from, row.valid_to))
            for row in rows]


def agreements() -> Select[*tuple[Any, ...]]:
    """Agreements with the names of the funder and of who drafted and who judged them."""
    drafter, judge = aliased(Person), aliased(Person)
    return (
        select(FundAgreement, Organisation.name.label("funder"), drafter.name.label("drafter"), judge.name.label("judge"))
        .join(Organisation, Organisation.id == FundAgreement.org_id)
        .outerjoin(drafter, drafter.id == FundAgreement.proposed_by).outerjoin(judge, judge.id == FundAgreement.decided_by)
        .order_by(FundAgreement.state != AgreementState.PROPOSED.value, FundAgreement.valid_to.desc()).limit(200)
    )


def to_sign() -> list[FundAgreement]:
    """Drafts that wait for a second person."""
    return list(session().scalars(select(FundAgreement).where(FundAgreement.state == AgreementState.PROPOSED.value).limit(20)))


def ceilings_proposed() -> list[BridgeCeiling]:
    """Changes of the bureau's numbers that wait for a second person."""
    return list(session().scalars(select(BridgeCeiling).where(BridgeCeiling.state == "PROPOSED")))
