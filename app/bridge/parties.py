"""What the services of bridges share: who is told, who joins the case, and the move itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.bridge.models import Bridge
from app.bridge.states import LIFECYCLE
from app.core.calendar import now, today
from app.core.cases import join_case
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text
from app.core.lifecycle import ensure, fire
from app.core.notices import notify
from app.core.permissions import OrgKind
from app.identity.models import Organisation


def take(ctx: Context, bridge_id: UUID, event: str, *, only: str | None = None) -> Bridge:
    """Loads and locks a bridge for an event. ``only`` names the column whose organisation alone may act.

    Raises ``Refusal`` where the state or the actor does not allow the event.
    """
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    ensure(ctx, LIFECYCLE, bridge, event)
    if only is not None and getattr(bridge, only) != ctx.org_id:
        raise Refusal(ErrorCode.FORBIDDEN)
    return bridge


def move(ctx: Context, bridge: Bridge, event: str, *, reason: str | None = None) -> None:
    """Fires the event; a change of state starts its clock anew, and troubles open and end with what happened."""
    from app.bridge.trouble_service import after_move  # it acts through the services that call here

    before = bridge.state
    if event == "approve":
        bridge.approved_on = today()
    fire(ctx, LIFECYCLE, bridge, event, reason=reason)
    if bridge.state != before:
        bridge.state_since = now()
        session().flush()
    after_move(ctx, bridge, event, reason)


def within_limit(ctx: Context, amount_fen: int) -> None:
    """Raises ``Refusal(APPROVAL_LIMIT)`` where the amount (分) is above the actor's own limit."""
    if ctx.approval_limit_fen is None or amount_fen > ctx.approval_limit_fen:
        raise Refusal(ErrorCode.APPROVAL_LIMIT, limit=money_text(ctx.approval_limit_fen or 0))


def organisations(kind: OrgKind) -> list[UUID]:
    """Ids of the active organisations of a kind."""
    return list(session().scalars(
        select(Organisation.id).where(Organisation.kind == kind.value, Organisation.state == "active")
    ))


def tell(ctx: Context, bridge: Bridge, to: Iterable[UUID | None], message: str, **params: Any) -> None:
    """Leaves a notice with each organisation, once, that leads to the bridge."""
    with elevated(ctx, "bridge"):
        for org_id in dict.fromkeys(org for org in to if org is not None and org != ctx.org_id):
            notify(org_id, message, path=f"/bridges/{bridge.id}", case_id=bridge.case_id, firm=bridge.firm_name,
                   note=bridge.old_note_no, **params)


def bring_in(ctx: Context, bridge: Bridge, *org_ids: UUID | None) -> None:
    """Makes organisations parties of the case: from now on they see its timeline."""
    with elevated(ctx, "bridge"):
        for org_id in org_ids:
            if org_id is not None:
                join_case(bridge.case_id, org_id)


def everybody(bridge: Bridge) -> list[UUID | None]:
    """The firm, both banks and the funder of a bridge."""
    return [bridge.firm_id, bridge.old_bank_org_id, bridge.new_bank_org_id, bridge.funder_org_id]
