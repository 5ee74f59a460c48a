"""What the platform reads of retention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from app.core.database import session
from app.evidence.correction_models import EvidenceRetention
from app.evidence.models import DataItem
from app.evidence.retention_rules import OTHERS
from app.evidence.shapes import SHAPES


@dataclass(frozen=True, slots=True)
class Standing:
    """One kind: how many months it is kept (``None``: by another measure), what the latest run that found something did."""

    kind: str
    name_zh: str
    name_en: str
    months: int | None
    oldest: date | None
    last_counts: dict[str, Any]
    last_on: date | None
    finished_at: datetime | None
    next_check_at: datetime | None


def standing() -> list[Standing]:
    """Items with a limit in the order of the catalogue, then the other kinds."""
    states = {state.kind: state for state in session().scalars(select(EvidenceRetention))}
    items = session().scalars(select(DataItem).where(DataItem.retention_months.is_not(None)).order_by(DataItem.position))
    return [
        *(_standing(states.get(item.code), item.code, item.name_zh, item.name_en, item.retention_months)
          for item in items if item.code in SHAPES),
        *(_standing(states.get(kind), kind, "", "", None) for kind in OTHERS),
    ]


def _standing(state: EvidenceRetention | None, kind: str, zh: str, en: str, months: int | None) -> Standing:
    if state is None:
        return Standing(kind, zh, en, months, None, {}, None, None, None)
    counts = dict(state.last_counts)
    on = counts.pop("on", None)
    return Standing(kind, zh, en, months, state.oldest, counts, date.fromisoformat(on) if on else None, state.finished_at,
                    state.next_check_at)
