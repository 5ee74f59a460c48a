"""The named claim under a bridge whose money does not come back: whose it is, against whom, and how it passes to a guarantor."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from app.bridge import guarantee_service
from app.bridge.collateral_models import BridgeGuarantee
from app.bridge.collateral_rules import GuaranteeState
from app.bridge.models import Bridge
from app.bridge.trouble_models import BridgeClaim
from app.bridge.trouble_rules import CLAIM, KINDS, Outcome, TroubleKind
from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, session
from app.core.errors import ErrorCode, constraint
from app.core.lifecycle import begin, fire

constraint("ck_bridge_claim_debtor", ErrorCode.STATE_CHANGED)


def open_claim(bridge_id: UUID) -> BridgeClaim | None:
    """The named claim that stands, against the firm or its guarantor."""
    return session().scalar(select(BridgeClaim).where(BridgeClaim.bridge_id == bridge_id, BridgeClaim.closed_at.is_(None)))


def name_claim(ctx: Context, bridge: Bridge, kind: TroubleKind) -> BridgeGuarantee | None:
    """Names the funder's claim on what is out, where none stands. Overdue, it passes to the guarantor that covers the bridge, who
    is returned where it is called by this."""
    with elevated(ctx, "bridge") as system:
        if bridge.outstanding_fen <= 0:
            return None
        cover, called = guarantee_service.cover_of(bridge.id), None
        if cover is not None and cover.state == GuaranteeState.CONFIRMED and kind is TroubleKind.OVERDUE:
            called = guarantee_service.call(system, cover)
        debtor = cover.org_id if cover is not None and cover.state == GuaranteeState.CALLED else bridge.firm_id
        before = open_claim(bridge.id)
        if before is not None and before.debtor_org_id == debtor:
            return called
        if before is not None:
            before.outcome = Outcome.PASSED.value
            fire(Context.of_system("bridge"), CLAIM, before, "pass")
        claim = BridgeClaim(
            bridge_id=bridge.id, creditor_org_id=bridge.funder_org_id, debtor_org_id=debtor, cause=kind.value,
            opened_fen=bridge.outstanding_fen, opened_at=now(), passed_from_id=before.id if before is not None else None,
        )
        session().add(claim)
        event = "open" if debtor == bridge.firm_id else "take_over"
        begin(Context.of_system("bridge"), CLAIM, claim, event=event, shared=True, reason=KINDS[kind].name)
    return called


def close_claim(ctx: Context, bridge: Bridge) -> None:
    """The last 分 is back: nothing is claimed any more."""
    with elevated(ctx, "bridge"):
        claim = open_claim(bridge.id)
        if claim is not None:
            claim.outcome = Outcome.RETURNED.value
            fire(Context.of_system("bridge"), CLAIM, claim, "close")
