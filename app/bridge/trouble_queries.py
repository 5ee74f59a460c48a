"""What the pages of troubles read; row-level security has already left out what is not for the viewer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from app.bridge.models import Bridge
from app.bridge.trouble_models import BridgeTrouble
from app.bridge.trouble_rules import TroubleState
from app.core.context import Context
from app.core.database import session
from app.core.models import Transition
from app.identity.models import Organisation


def troubles() -> Select[*tuple[Any, ...]]:
    """Troubles with their bridge and the name of their owner."""
    return (
        select(BridgeTrouble.id, BridgeTrouble.kind, BridgeTrouble.state, BridgeTrouble.amount_fen, BridgeTrouble.opened_at,
               BridgeTrouble.due_at, Bridge.firm_name, Bridge.old_note_no, Organisation.name.label("owner"))
        .join(Bridge, Bridge.id == BridgeTrouble.bridge_id).join(Organisation, Organisation.id == BridgeTrouble.owner_org_id)
    )


def of_bridge(bridge_id: UUID) -> list[BridgeTrouble]:
    """Every trouble of a bridge, the open ones first, then the newest."""
    return list(session().scalars(
        select(BridgeTrouble).where(BridgeTrouble.bridge_id == bridge_id)
        .order_by(BridgeTrouble.state == TroubleState.CLOSED.value, BridgeTrouble.opened_at.desc())
    ))


def owned(ctx: Context, limit: int = 20) -> list[Any]:
    """Open troubles of the viewer's organisation, the most urgent first."""
    return list(session().execute(
        troubles().where(BridgeTrouble.owner_org_id == ctx.org_id, BridgeTrouble.state == TroubleState.OPEN.value)
        .order_by(BridgeTrouble.due_at).limit(limit)
    ))


def history(row: BridgeTrouble) -> list[Transition]:
    """Every step of a trouble, newest first."""
    return list(session().scalars(
        select(Transition).where(Transition.subject_type == BridgeTrouble.__tablename__, Transition.subject_id == row.id)
        .order_by(Transition.at.desc(), Transition.id.desc())
    ))
