"""Seats on funds: a clerk books one, the reviewer approves on one, and the clock gives back those that run out."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select

from app.bridge import holding
from app.bridge.fund_models import FundHold
from app.bridge.fund_service import seat_funder, stand_again
from app.bridge.fund_states import HoldState
from app.bridge.models import Bridge
from app.bridge.parties import move, organisations, take, tell, within_limit
from app.bridge.service import standing_commitment
from app.bridge.states import BridgeState
from app.bridge.terms import terms_of
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal
from app.core.formats import datetime_text, money_text
from app.core.outbox import settle_each, timed
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, reading, use_case

AHEAD_DAYS = 365
"""A seat begins no later than this [P]."""


@use_case(Permission.BRIDGE_DESK, "bridge.hold", returns=FundHold)
def hold(ctx: Context, bridge_id: UUID, starts_on: date, days: int) -> FundHold:
    """The clerk takes a tentative seat on the fund that the firm picked, or moves the one that it has.

    Raises ``Refusal``: BRIDGE_NOT_PICKED, STATE_CHANGED, DATE_OUT_OF_RANGE, DAYS_OUT_OF_RANGE, COMMITMENT_EXPIRED,
    FUND_EXHAUSTED, FUND_UNAGREED, FUND_CLOSED, BRIDGE_OVER_LIMIT, QUOTA_EXCEEDED with day, quota and by how much.
    """
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    if bridge.state != BridgeState.PARTNER_OFFERED:
        raise Refusal(ErrorCode.STATE_CHANGED)
    if bridge.fund_id is None or bridge.terms is None:
        raise Refusal(ErrorCode.BRIDGE_NOT_PICKED)
    last = today() + timedelta(days=AHEAD_DAYS)
    if not today() <= starts_on <= last:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="starts_on", low=today().isoformat(), high=last.isoformat())
    longest = terms_of(bridge.terms).max_days
    if not 1 <= days <= longest:
        raise Refusal(ErrorCode.DAYS_OUT_OF_RANGE, field="days", high=longest)
    standing_commitment(bridge)
    holding.let_go(ctx, bridge)
    made = holding.place(ctx, bridge, starts_on, days)
    tell(ctx, bridge, [bridge.firm_id, bridge.funder_org_id],
         N_("%(firm)s的转贷（借据 %(note)s）已暂时占用 %(amount)s，%(first)s 起 %(days)s 天；%(until)s 前未签约即释放。"),
         amount=money_text(made.amount_fen), first=starts_on.isoformat(), days=days, until=datetime_text(made.expires_at))
    about(made, fund_id=made.fund_id, amount_fen=made.amount_fen, starts_on=made.starts_on, ends_on=made.ends_on)
    return made


@use_case(Permission.BRIDGE_DESK, "bridge.let_go", returns=Bridge)
def let_go(ctx: Context, bridge_id: UUID) -> Bridge:
    """The clerk gives a tentative seat back before the approval."""
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    if bridge.state != BridgeState.PARTNER_OFFERED or holding.let_go(ctx, bridge) is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    session().flush()
    about(bridge)
    return bridge


@use_case(Permission.BRIDGE_APPROVE, "bridge.approve", returns=Bridge)
def approve(ctx: Context, bridge_id: UUID) -> Bridge:
    """The reviewer approves on the seat that the clerk took, or on one from the old loan's last day on; of two who want the last
    of a fund, one gets it. The seat waits for the firm's signature from now on.

    Raises ``Refusal``: BRIDGE_NOT_PICKED, SAME_PERSON, APPROVAL_LIMIT, COMMITMENT_EXPIRED, and as ``hold`` does.
    """
    bridge = take(ctx, bridge_id, "approve")
    if bridge.fund_id is None or bridge.amount_fen is None:
        raise Refusal(ErrorCode.BRIDGE_NOT_PICKED)
    within_limit(ctx, bridge.amount_fen)
    standing_commitment(bridge)
    seat = holding.seat(bridge)
    if seat is None:
        seat = holding.place(ctx, bridge, holding.usual_start(bridge), bridge.planned_days)
    elif seat.expires_at <= now():
        raise Refusal(ErrorCode.HOLD_EXPIRED)
    seat.expires_at = holding.runs_out()
    seat_funder(ctx, bridge)
    move(ctx, bridge, "approve")
    tell(ctx, bridge, [bridge.firm_id], N_("转贷（借据 %(note)s）已获批准，请看清费用后签订三方协议。"))
    tell(ctx, bridge, [bridge.funder_org_id], N_("%(firm)s的转贷已获批准，%(amount)s已从贵方资金中预留。"),
         amount=money_text(bridge.amount_fen))
    about(bridge, amount_fen=bridge.amount_fen, fund_id=bridge.fund_id)
    return bridge


# --- seats that run out ------------------------------------------------------------------------------------------------


@use_case(Permission.BRIDGE_TICK, "bridge.hold_expire", returns=FundHold)
def expire(ctx: Context, hold_id: UUID) -> FundHold:
    """Gives a tentative seat back once its time is over; a bridge that was approved on it waits for approval again. Firm, funder
    and centre are told. A seat that was confirmed or given back meanwhile stays as it is."""
    bridge = get_or_404(Bridge, get_or_404(FundHold, hold_id).bridge_id, lock=True)
    seat = get_or_404(FundHold, hold_id, lock=True)
    about(seat, state=seat.state)
    if seat.state != HoldState.HELD or seat.expires_at > now():
        return seat
    holding.let_go(ctx, bridge, "expire")
    if bridge.state == BridgeState.APPROVED:
        move(ctx, bridge, "hold_expired")
        stand_again(bridge)
    session().flush()
    tell(ctx, bridge, [bridge.firm_id, seat.org_id, *organisations(OrgKind.BRIDGE_CENTRE)],
         N_("%(firm)s的转贷（借据 %(note)s）占用的 %(amount)s 到期未签约，已释放，可重新占用。"),
         amount=money_text(seat.amount_fen))
    about(seat, amount_fen=seat.amount_fen, state=seat.state)
    return seat


@timed("bridge.holds")
def expire_due(ctx: Context) -> int:
    """Gives back every seat whose time is over; returns how many were looked at."""
    with reading(ctx, Permission.BRIDGE_TICK) as db:
        due = list(db.scalars(
            select(FundHold.id).where(FundHold.state == HoldState.HELD.value, FundHold.expires_at <= now())
            .order_by(FundHold.expires_at).limit(500)
        ))
    return settle_each(due, lambda one: int(expire(ctx, one).state == HoldState.EXPIRED), "hold")
