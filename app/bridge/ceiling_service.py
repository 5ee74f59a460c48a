"""The bureau's ceilings: set by one person with a reason, in force on another one's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from app.bridge.ceilings import Ceilings, current
from app.bridge.fund_models import BridgeCeiling
from app.bridge.fund_states import CEILING, CeilingState
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, ensure, fire
from app.core.permissions import Permission
from app.core.use_case import about, use_case

constraint("uq_bridge_ceiling_open", ErrorCode.EDITION_WAITING)
constraint("ck_bridge_ceiling_two_persons", ErrorCode.SAME_PERSON)
BOUNDS: dict[str, tuple[Decimal | int, Decimal | int]] = {
    "daily_rate": (Decimal("0.000001"), Decimal("0.01")), "one_off_rate": (Decimal("0.000001"), Decimal("0.2")),
    "hold_hours": (1, 720), "remind_days": (1, 365), "wide_days": (15, 120),
}
"""What the database takes: rates as fractions, hours, days."""


@use_case(Permission.RULES_PROPOSE, "bridge.ceiling_propose", returns=BridgeCeiling)
def propose(ctx: Context, numbers: Ceilings, reason: str) -> BridgeCeiling:
    """Sets other numbers; they change nothing before another person confirms them. One change waits at a time.

    Raises ``Refusal``: POLICY_VALUE at the number that cannot be, or without one where nothing changes, REASON_NEEDED,
    EDITION_WAITING.
    """
    assert ctx.actor_id is not None
    for name, (low, high) in BOUNDS.items():
        if not low <= getattr(numbers, name) <= high:
            raise Refusal(ErrorCode.POLICY_VALUE, field=name)
    if numbers == current():
        raise Refusal(ErrorCode.POLICY_VALUE)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    row = BridgeCeiling(**asdict(numbers), state=CeilingState.PROPOSED.value, reason=reason.strip(), proposed_by=ctx.actor_id,
                        proposed_at=now())
    session().add(row)
    begin(ctx, CEILING, row, event="propose")
    about(row, numbers=_told(row))
    return row


@use_case(Permission.RULES_DECIDE, "bridge.ceiling_decide", returns=BridgeCeiling)
def decide(ctx: Context, ceiling_id: UUID, event: str, reason: str) -> BridgeCeiling:
    """The second person's word: ``confirm`` or ``refuse``. Raises ``Refusal``: SAME_PERSON, STATE_CHANGED, REASON_NEEDED."""
    row = get_or_404(BridgeCeiling, ceiling_id, lock=True)
    ensure(ctx, CEILING, row, event)
    fire(ctx, CEILING, row, event, reason=reason)
    about(row, event=event, numbers=_told(row))
    return row


@use_case(Permission.RULES_PROPOSE, "bridge.ceiling_withdraw", returns=BridgeCeiling)
def withdraw(ctx: Context, ceiling_id: UUID, reason: str) -> BridgeCeiling:
    """Takes one's own change back before it is judged."""
    row = get_or_404(BridgeCeiling, ceiling_id, lock=True)
    ensure(ctx, CEILING, row, "withdraw")
    fire(ctx, CEILING, row, "withdraw", reason=reason)
    about(row, numbers=_told(row))
    return row


def _told(row: BridgeCeiling) -> dict[str, str]:
    return {name: str(getattr(row, name)) for name in BOUNDS}


def history() -> Sequence[BridgeCeiling]:
    """Every change that the viewer may see, the newest first."""
    return session().scalars(select(BridgeCeiling).order_by(BridgeCeiling.proposed_at.desc()).limit(20)).all()
