"""Tasks of the centre's people: taken, given to a colleague, put back. Who keeps a bridge sees it first; anybody may act."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from app.bridge.desk_models import BridgeKeeper
from app.bridge.models import Bridge
from app.bridge.states import OVER
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.notices import notify
from app.core.permissions import Permission, Role
from app.core.use_case import about, use_case
from app.identity.models import Membership, Person

constraint("uq_bridge_keeper_live", ErrorCode.ALREADY_DONE)

DESK_ROLES = (Role.CENTRE_CLERK.value, Role.CENTRE_REVIEWER.value)


def keeper_of(bridge_id: UUID, *, lock: bool = False) -> BridgeKeeper | None:
    """Who has a bridge now, in the actor's own centre."""
    found = select(BridgeKeeper).where(BridgeKeeper.bridge_id == bridge_id, BridgeKeeper.ended_at.is_(None))
    return session().scalar(found.with_for_update() if lock else found)


def _open(bridge_id: UUID) -> Bridge:
    bridge = get_or_404(Bridge, bridge_id)
    if bridge.state in OVER:
        raise Refusal(ErrorCode.STATE_CHANGED)
    return bridge


def _keep(ctx: Context, bridge: Bridge, person_id: UUID) -> BridgeKeeper:
    assert ctx.org_id is not None
    row = BridgeKeeper(bridge_id=bridge.id, org_id=ctx.org_id, person_id=person_id, since=now(), given_by=ctx.actor_id)
    session().add(row)
    session().flush()
    return row


@use_case(Permission.BRIDGE_WORK, "bridge.take", returns=BridgeKeeper)
def take(ctx: Context, bridge_id: UUID) -> BridgeKeeper:
    """Takes a bridge that nobody has; of two at once one gets it. Raises ``Refusal``: STATE_CHANGED, ALREADY_DONE."""
    assert ctx.actor_id is not None
    bridge = _open(bridge_id)
    row = _keep(ctx, bridge, ctx.actor_id)
    about(bridge, keeper=ctx.actor_id)
    return row


@use_case(Permission.BRIDGE_WORK, "bridge.hand_over", returns=BridgeKeeper)
def hand_over(ctx: Context, bridge_id: UUID, person_id: UUID) -> BridgeKeeper:
    """Gives a bridge to a colleague, who is told. Whoever has it may, and a reviewer, who shares the work out.

    Raises ``Refusal``: NOT_FOUND for a person who is no colleague of the desk, FORBIDDEN, STATE_CHANGED.
    """
    bridge = _open(bridge_id)
    held = keeper_of(bridge_id, lock=True)
    _may_move(ctx, held)
    colleague = session().scalar(
        select(Person).join(Membership, Membership.person_id == Person.id)
        .where(Person.id == person_id, Person.org_id == ctx.org_id, Person.state == "active", Membership.role.in_(DESK_ROLES))
        .limit(1)
    )
    if colleague is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    _end(held)
    row = _keep(ctx, bridge, colleague.id)
    if colleague.id != ctx.actor_id:
        notify(colleague.org_id, N_("%(who)s把%(firm)s的转贷（借据 %(note)s）交给您办理。"), person_id=colleague.id,
               path=f"/bridges/{bridge.id}", case_id=bridge.case_id, who=ctx.person_name, firm=bridge.firm_name,
               note=bridge.old_note_no)
    about(bridge, keeper=colleague.id)
    return row


@use_case(Permission.BRIDGE_WORK, "bridge.put_back", returns=Bridge)
def put_back(ctx: Context, bridge_id: UUID) -> Bridge:
    """Puts a bridge back for anybody to take. Raises ``Refusal``: STATE_CHANGED where nobody has it, FORBIDDEN."""
    bridge = get_or_404(Bridge, bridge_id)
    held = keeper_of(bridge_id, lock=True)
    if held is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    _may_move(ctx, held)
    _end(held)
    about(bridge)
    return bridge


def _may_move(ctx: Context, held: BridgeKeeper | None) -> None:
    if held is not None and held.person_id != ctx.actor_id and not ctx.can(Permission.BRIDGE_APPROVE):
        raise Refusal(ErrorCode.FORBIDDEN)


def _end(held: BridgeKeeper | None) -> None:
    if held is not None:
        held.ended_at = now()
        session().flush()
