"""The steps in which a firm fills in a need, in their order, with their addresses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import lazy_gettext as _l

from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.market.models import Need
from app.market.words import NeedState

EDITABLE = (NeedState.DRAFT, NeedState.RETURNED)
STEP_NAMES = {
    "purpose": _l("用途与金额"), "terms": _l("期限与担保"), "audience": _l("发给谁"), "papers": _l("材料"),
    "check": _l("检查并提交"),
}  # fmt: skip
STEPS = tuple(STEP_NAMES)
_MUST = 3
"""Steps without which a need says too little; papers may be left out."""


def draft_of(need_id: UUID) -> Need:
    """A need that may still be filled in. Raises ``STATE_CHANGED``, ``NOT_FOUND``."""
    need = get_or_404(Need, need_id)
    if need.state not in EDITABLE:
        raise Refusal(ErrorCode.STATE_CHANGED)
    return need


def steps(need: Need) -> list[tuple[str, Any, str | None]]:
    """Step, name, and address of those that were reached."""
    reached = len(STEPS) if need.step >= _MUST else need.step + 1
    return [
        (step, STEP_NAMES[step], step_url(need, step) if number <= reached else None)
        for number, step in enumerate(STEPS, start=1)
    ]


def step_url(need: Need, step: str) -> str:
    """Where a step stands."""
    if step in ("papers", "check"):
        return url_for(f"market.need_{step}", need_id=need.id)
    return url_for("market.need_step", need_id=need.id, step=step)
