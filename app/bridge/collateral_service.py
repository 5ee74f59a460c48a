"""Collateral of a transfer to another bank: entered by the centre, released by the old bank, registered anew at the new one."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select

from app.bridge import guarantee_service
from app.bridge.collateral_models import BridgeCollateral
from app.bridge.collateral_rules import COLLATERAL, KINDS, CollateralState, due_days
from app.bridge.models import Bridge
from app.bridge.parties import everybody, organisations, tell
from app.bridge.rules import BridgeKind
from app.bridge.states import BEFORE_PAYOUT
from app.bridge.trouble_rules import Outcome, TroubleKind
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, ensure, fire
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.loans.standing import check_day
from app.market import policy

constraint("uq_bridge_collateral_live", ErrorCode.COLLATERAL_EXISTS, "registration_no")
constraint("ck_bridge_collateral_hands", ErrorCode.STATE_CHANGED)
constraint("ck_bridge_collateral_registration_no", ErrorCode.INVALID, "registration_no")
constraint("ck_bridge_collateral_what", ErrorCode.INVALID, "what")

_C = CollateralState


def collateral_of(bridge_id: UUID) -> list[BridgeCollateral]:
    """Every security that was entered for a bridge, in order."""
    return list(session().scalars(
        select(BridgeCollateral).where(BridgeCollateral.bridge_id == bridge_id).order_by(BridgeCollateral.entered_at)
    ))


def may_enter(bridge: Bridge) -> bool:
    """Whether collateral may be entered now."""
    return bridge.kind == BridgeKind.CROSS_BANK and bridge.state in BEFORE_PAYOUT


@use_case(Permission.BRIDGE_DESK, "bridge_collateral.enter", returns=BridgeCollateral)
def enter(ctx: Context, bridge_id: UUID, kind: str, what: str, registration_no: str) -> BridgeCollateral:
    """The clerk enters a security from the old contract. Raises ``Refusal``: STATE_CHANGED, INVALID, COLLATERAL_EXISTS."""
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    if not may_enter(bridge):
        raise Refusal(ErrorCode.STATE_CHANGED)
    if kind not in KINDS:
        raise Refusal(ErrorCode.INVALID, field="kind")
    assert ctx.actor_id is not None
    row = BridgeCollateral(
        bridge_id=bridge.id, case_id=bridge.case_id, kind=kind, what=what.strip(), registration_no=registration_no.strip(),
        state=_C.AT_OLD.value, entered_at=now(), entered_by=ctx.actor_id,
    )
    session().add(row)
    begin(ctx, COLLATERAL, row, event="enter", shared=True)
    about(row, kind=kind, registration_no=row.registration_no)
    return row


@use_case(Permission.BRIDGE_DESK, "bridge_collateral.withdraw", returns=BridgeCollateral)
def withdraw(ctx: Context, collateral_id: UUID, reason: str) -> BridgeCollateral:
    """Before the payout the clerk takes back what was entered wrongly."""
    row = get_or_404(BridgeCollateral, collateral_id, lock=True)
    ensure(ctx, COLLATERAL, row, "withdraw")
    if get_or_404(Bridge, row.bridge_id).paid_on is not None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    fire(ctx, COLLATERAL, row, "withdraw", reason=reason)
    about(row)
    return row


def _step(ctx: Context, collateral_id: UUID, event: str, column: str) -> tuple[BridgeCollateral, Bridge]:
    row = get_or_404(BridgeCollateral, collateral_id, lock=True)
    bridge = get_or_404(Bridge, row.bridge_id)
    ensure(ctx, COLLATERAL, row, event)
    if getattr(bridge, column) != ctx.org_id:
        raise Refusal(ErrorCode.FORBIDDEN)
    return row, bridge


@use_case(Permission.BRIDGE_CONFIRM, "bridge_collateral.release", returns=BridgeCollateral)
def release(ctx: Context, collateral_id: UUID, released_on: date, reference: str) -> BridgeCollateral:
    """The old bank has released the security after the payoff, under the reference of its paper.

    Raises ``Refusal``: FORBIDDEN for another bank, STATE_CHANGED before the payoff, DATE_OUT_OF_RANGE, INVALID.
    """
    row, bridge = _step(ctx, collateral_id, "release", "old_bank_org_id")
    if bridge.old_repaid_on is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    check_day(released_on, bridge.old_repaid_on, today(), "released_on")
    if not reference.strip():
        raise Refusal(ErrorCode.INVALID, field="release_reference")
    row.released_on, row.release_reference = released_on, reference.strip()
    fire(ctx, COLLATERAL, row, "release")
    _settle_alarms(ctx, bridge)
    tell(ctx, bridge, [bridge.firm_id, bridge.new_bank_org_id, *organisations(OrgKind.BRIDGE_CENTRE)],
         N_("借据 %(note)s 的担保物（%(number)s）已由原银行解除登记，请续贷银行办理新登记。"), number=row.registration_no)
    about(row, released_on=released_on)
    return row


@use_case(Permission.BRIDGE_CONFIRM, "bridge_collateral.register", returns=BridgeCollateral)
def register(ctx: Context, collateral_id: UUID, registered_on: date, registration_no: str) -> BridgeCollateral:
    """The new bank has registered the security for itself; with the last one the guarantor is free.

    Raises ``Refusal``: FORBIDDEN for another bank, DATE_OUT_OF_RANGE before the release, INVALID.
    """
    row, bridge = _step(ctx, collateral_id, "register", "new_bank_org_id")
    assert row.released_on is not None
    check_day(registered_on, row.released_on, today(), "registered_on")
    if not registration_no.strip():
        raise Refusal(ErrorCode.INVALID, field="new_registration_no")
    row.registered_on, row.new_registration_no = registered_on, registration_no.strip()
    fire(ctx, COLLATERAL, row, "register")
    _settle_alarms(ctx, bridge)
    if all(one.state in (_C.REGISTERED, _C.WITHDRAWN) for one in collateral_of(bridge.id)):
        guarantee_service.end(ctx, bridge, called=False)
    cover = guarantee_service.guarantees_of(bridge.id)
    tell(ctx, bridge, [*everybody(bridge), *organisations(OrgKind.BRIDGE_CENTRE), *(one.org_id for one in cover[:1])],
         N_("借据 %(note)s 的担保物已在续贷银行登记（%(number)s）。"), number=row.new_registration_no)
    about(row, registered_on=registered_on)
    return row


# --- deadlines ---------------------------------------------------------------------------------------------------------


def start_clock(ctx: Context, bridge: Bridge, paid_on: date | None) -> None:
    """The payout starts the days of both banks; a payout that is taken back stops them."""
    release_by, register_by = due_days(paid_on, policy.transfer()) if paid_on is not None else (None, None)
    with elevated(ctx, "bridge"):
        for row in collateral_of(bridge.id):
            if row.state == _C.AT_OLD:
                row.release_by, row.register_by = release_by, register_by
        session().flush()


ALARMS = {_C.AT_OLD: TroubleKind.COLLATERAL_RELEASE, _C.RELEASED: TroubleKind.COLLATERAL_REGISTER}
"""Where a security waits for a bank, and what it is when that takes too long."""


def due_of(row: BridgeCollateral) -> date | None:
    """The last day of the step that a security waits for; ``None`` before the payout and once nothing is waited for."""
    return {_C.AT_OLD: row.release_by, _C.RELEASED: row.register_by}.get(CollateralState(row.state))


def is_late(row: BridgeCollateral) -> bool:
    """Whether a security waits past its day."""
    due = due_of(row)
    return due is not None and due < today()


def late_steps(bridge_id: UUID) -> set[TroubleKind]:
    """Steps of a bridge's collateral that are past their day."""
    return {ALARMS[CollateralState(row.state)] for row in collateral_of(bridge_id) if is_late(row)}


def _settle_alarms(ctx: Context, bridge: Bridge) -> None:
    from app.bridge.trouble_service import end_trouble  # it looks at the collateral here

    late = late_steps(bridge.id)
    for kind in ALARMS.values():
        if kind not in late:
            end_trouble(ctx, bridge, kind, Outcome.MOVED)
