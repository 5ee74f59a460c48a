"""Other numbers for the market: set by one person with a reason, in force on another one's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.market import policy
from app.market.policy_models import POLICY, MarketPolicy, PolicyState
from app.market.policy_rules import apply, changed, sound

constraint("uq_market_policy_open", ErrorCode.ALREADY_DONE)
constraint("ck_market_policy_two_people", ErrorCode.SAME_PERSON)
constraint("ck_market_policy_reason", ErrorCode.REASON_NEEDED, "reason")
constraint("ck_market_policy_hands", ErrorCode.STATE_CHANGED)


@use_case(Permission.POLICY_PROPOSE, "policy.propose", returns=MarketPolicy)
def propose(ctx: Context, values: Mapping[str, Any], reason: str, valid_from: datetime | None = None) -> MarketPolicy:
    """Sets other numbers; they change nothing before another person confirms them. One change waits at a time.

    ``values``: code → value as it is stored. Raises ``POLICY_VALUE`` (at the code that cannot be, without one where nothing
    changes), ``REASON_NEEDED``, ``ALREADY_DONE``.
    """
    assert ctx.actor_id is not None
    before = policy.current()
    try:
        after = apply(before, values)
    except (ValueError, TypeError, ArithmeticError):
        raise Refusal(ErrorCode.POLICY_VALUE) from None
    if (wrong := sound(after)) is not None:
        raise Refusal(ErrorCode.POLICY_VALUE, field=wrong.replace(".", "_"))
    changes = changed(before, after)
    if not changes:
        raise Refusal(ErrorCode.POLICY_VALUE)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    row = MarketPolicy(
        changes=changes, reason=reason.strip(), valid_from=max(valid_from or now(), now()), state=PolicyState.PROPOSED.value,
        set_at=now(), set_by=ctx.actor_id,
    )  # fmt: skip
    session().add(row)
    begin(ctx, POLICY, row, event="propose")
    about(row, changes=told(changes))
    return row


@use_case(Permission.POLICY_APPROVE, "policy.judge", returns=MarketPolicy)
def judge(ctx: Context, policy_id: UUID, event: str, reason: str) -> MarketPolicy:
    """The second person's word: ``confirm`` or ``refuse``.

    Raises ``SAME_PERSON``, ``STATE_CHANGED``, ``REASON_NEEDED``.
    """
    row = get_or_404(MarketPolicy, policy_id, lock=True)
    row.decided_at = now()
    row.valid_from = max(row.valid_from, row.decided_at) if event == "confirm" else row.valid_from
    fire(ctx, POLICY, row, event, reason=reason)
    policy.forget()
    about(row, event=event, changes=told(row.changes), valid_from=row.valid_from)
    return row


@use_case(Permission.POLICY_PROPOSE, "policy.withdraw", returns=MarketPolicy)
def withdraw(ctx: Context, policy_id: UUID, reason: str) -> MarketPolicy:
    """Takes one's own change back before it is judged."""
    row = get_or_404(MarketPolicy, policy_id, lock=True)
    fire(ctx, POLICY, row, "withdraw", reason=reason)
    about(row, changes=told(row.changes))
    return row


def told(changes: Mapping[str, Any]) -> str:
    """For the audit log: one line a change."""
    return "; ".join(f"{code}: {before} -> {after}" for code, (before, after) in sorted(changes.items()))


def history() -> Sequence[MarketPolicy]:
    """Every change, the newest first."""
    return session().scalars(select(MarketPolicy).order_by(MarketPolicy.set_at.desc()).limit(50)).all()
