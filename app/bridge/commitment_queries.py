"""How banks keep their letters: counts for everybody, cases for whoever may see them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text

from app.bridge.commitment_models import CommitmentOutcome
from app.bridge.models import Bridge, Commitment
from app.core.calendar import today
from app.core.database import session
from app.identity.models import Organisation
from app.market import policy


@dataclass(frozen=True)
class Kept:
    """Letters of a bank that came to an end: kept, broken without an open condition, and excused by one."""

    kept: int
    broken: int
    excused: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.kept + self.broken + self.excused


def _since() -> date:
    return today() - timedelta(days=policy.standing().window_days)


def _counts() -> dict[UUID, Kept]:
    rows = session().execute(select(text("*")).select_from(func.hq_promise_counts(_since())))
    return {row.org_id: Kept(row.kept, row.broken, row.excused) for row in rows}


def kept_by(bank_ids: Collection[UUID]) -> dict[UUID, Kept]:
    """Counts of some banks over the window that holds for all statistics of banks. One statement."""
    return {key: kept for key, kept in _counts().items() if key in bank_ids}


def ranked() -> list[tuple[UUID, str, Kept]]:
    """Every bank with a letter that came to an end, by name."""
    counts = _counts()
    names = session().execute(
        select(Organisation.id, Organisation.name).where(Organisation.id.in_(list(counts))).order_by(Organisation.name)
    )
    return [(row.id, row.name, counts[row.id]) for row in names]


def outcomes() -> Select[*tuple[Any, ...]]:
    """Outcomes with their case."""
    return (
        select(CommitmentOutcome.id, CommitmentOutcome.bridge_id, CommitmentOutcome.outcome, CommitmentOutcome.breaches,
               CommitmentOutcome.excuse, CommitmentOutcome.judged_on, Bridge.firm_name, Bridge.old_note_no, Bridge.new_amount_fen,
               Commitment.promised_fen, Organisation.name.label("bank"))
        .join(Bridge, Bridge.id == CommitmentOutcome.bridge_id)
        .join(Commitment, Commitment.id == CommitmentOutcome.commitment_id)
        .join(Organisation, Organisation.id == CommitmentOutcome.org_id)
    )
