"""The guarantor of a transfer to another bank: asked by the centre, confirmed by its clerk, called when the bridge is overdue."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from app.bridge.collateral_models import BridgeGuarantee
from app.bridge.collateral_rules import GUARANTEE, STANDS, GuaranteeState
from app.bridge.models import Bridge
from app.bridge.parties import bring_in, organisations, tell
from app.bridge.rules import BridgeKind
from app.bridge.states import BEFORE_PAYOUT
from app.core.calendar import close_after, now
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import begin, ensure, fire
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.identity.models import Organisation
from app.market import policy

constraint("uq_bridge_guarantee_live", ErrorCode.ALREADY_DONE)
constraint("ck_bridge_guarantee_hands", ErrorCode.STATE_CHANGED)
constraint("ck_bridge_guarantee_cover", ErrorCode.INVALID, "cover")
constraint("ck_bridge_covered", ErrorCode.BRIDGE_UNCOVERED)

MOST_COVER = 2
"""Times the old principal: more is a slip of the hand [P]."""


def guarantees_of(bridge_id: UUID) -> list[BridgeGuarantee]:
    """Every guarantor that was asked for a bridge, the latest first."""
    return list(session().scalars(
        select(BridgeGuarantee).where(BridgeGuarantee.bridge_id == bridge_id).order_by(BridgeGuarantee.asked_at.desc())
    ))


def cover_of(bridge_id: UUID) -> BridgeGuarantee | None:
    """The guarantor of a bridge that is asked, stands or was called."""
    return session().scalar(select(BridgeGuarantee).where(
        BridgeGuarantee.bridge_id == bridge_id, BridgeGuarantee.state.in_([one.value for one in STANDS])))


def may_ask(bridge: Bridge) -> bool:
    """Whether a guarantor may be asked now: before the payout of a transfer to another bank that has none."""
    return bridge.kind == BridgeKind.CROSS_BANK and bridge.state in BEFORE_PAYOUT and cover_of(bridge.id) is None


@use_case(Permission.BRIDGE_DESK, "bridge_guarantee.ask", returns=BridgeGuarantee)
def ask(ctx: Context, bridge_id: UUID, guarantor_id: UUID, cover_fen: int) -> BridgeGuarantee:
    """The clerk asks a guarantor to stand for up to ``cover_fen`` (分).

    Raises ``Refusal``: STATE_CHANGED, NOT_FOUND for what is no guarantor, AMOUNT_OUT_OF_RANGE below what is to be paid out.
    """
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    guarantor = get_or_404(Organisation, guarantor_id)
    if guarantor.kind != OrgKind.GUARANTOR.value or guarantor.state != "active":
        raise Refusal(ErrorCode.NOT_FOUND)
    if not may_ask(bridge):
        raise Refusal(ErrorCode.STATE_CHANGED)
    least, most = bridge.amount_fen or bridge.requested_fen, bridge.old_due_fen * MOST_COVER
    if not least <= cover_fen <= most:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="cover", low=money_text(least), high=money_text(most))
    assert ctx.actor_id is not None
    row = BridgeGuarantee(
        bridge_id=bridge.id, case_id=bridge.case_id, org_id=guarantor.id, state=GuaranteeState.ASKED.value, cover_fen=cover_fen,
        answer_by=close_after(now(), policy.transfer().guarantor_wd), asked_at=now(), asked_by=ctx.actor_id,
    )
    session().add(row)
    begin(ctx, GUARANTEE, row, event="ask", shared=True)
    bring_in(ctx, bridge, guarantor.id)
    tell(ctx, bridge, [guarantor.id],
         N_("请为%(firm)s的跨行转贷（借据 %(note)s）担保，金额不超过 %(amount)s；请确认或写明理由不承保。"),
         amount=money_text(cover_fen))
    about(row, cover_fen=cover_fen, guarantor=guarantor.id)
    return row


def _own(ctx: Context, guarantee_id: UUID, event: str) -> BridgeGuarantee:
    row = get_or_404(BridgeGuarantee, guarantee_id, lock=True)
    if row.org_id != ctx.org_id:
        raise Refusal(ErrorCode.FORBIDDEN)
    ensure(ctx, GUARANTEE, row, event)
    return row


@use_case(Permission.BRIDGE_GUARANTEE, "bridge_guarantee.confirm", returns=BridgeGuarantee)
def confirm(ctx: Context, guarantee_id: UUID, contract_no: str) -> BridgeGuarantee:
    """The guarantor's clerk stands for the bridge under a contract. Raises ``Refusal``: FORBIDDEN, STATE_CHANGED, INVALID."""
    row = _own(ctx, guarantee_id, "confirm")
    if not contract_no.strip():
        raise Refusal(ErrorCode.INVALID, field="contract_no")
    row.contract_no = contract_no.strip()
    fire(ctx, GUARANTEE, row, "confirm")
    bridge = get_or_404(Bridge, row.bridge_id)
    tell(ctx, bridge, [bridge.firm_id, bridge.new_bank_org_id, bridge.funder_org_id, *organisations(OrgKind.BRIDGE_CENTRE)],
         N_("%(who)s确认为借据 %(note)s 的跨行转贷担保，金额不超过 %(amount)s。"), who=ctx.org_name,
         amount=money_text(row.cover_fen))
    about(row, contract_no=row.contract_no)
    return row


@use_case(Permission.BRIDGE_GUARANTEE, "bridge_guarantee.refuse", returns=BridgeGuarantee)
def refuse(ctx: Context, guarantee_id: UUID, reason: str) -> BridgeGuarantee:
    """The guarantor does not stand for the bridge, with a reason; another one may be asked."""
    row = _own(ctx, guarantee_id, "refuse")
    row.reason = reason.strip() or None
    fire(ctx, GUARANTEE, row, "refuse", reason=reason)
    bridge = get_or_404(Bridge, row.bridge_id)
    tell(ctx, bridge, [bridge.firm_id, *organisations(OrgKind.BRIDGE_CENTRE)],
         N_("%(who)s不为借据 %(note)s 的跨行转贷担保，原因：%(reason)s"), who=ctx.org_name, reason=reason.strip())
    about(row)
    return row


@use_case(Permission.BRIDGE_DESK, "bridge_guarantee.withdraw", returns=BridgeGuarantee)
def withdraw(ctx: Context, guarantee_id: UUID, reason: str) -> BridgeGuarantee:
    """Before the payout the clerk takes the request back, to ask somebody else or for another amount."""
    row = get_or_404(BridgeGuarantee, guarantee_id, lock=True)
    ensure(ctx, GUARANTEE, row, "withdraw")
    bridge = get_or_404(Bridge, row.bridge_id, lock=True)
    if bridge.paid_on is not None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    row.reason = reason.strip() or None
    tell(ctx, bridge, [row.org_id], N_("转贷中心撤回了为借据 %(note)s 担保的请求：%(reason)s"), reason=reason.strip())
    fire(ctx, GUARANTEE, row, "withdraw", reason=reason)
    about(row)
    return row


def call(system: Context, row: BridgeGuarantee) -> BridgeGuarantee:
    """The bridge is overdue: from now on the claim stands against the guarantor. By the portal itself."""
    fire(system, GUARANTEE, row, "call")
    return row


def end(ctx: Context, bridge: Bridge, *, called: bool = True) -> None:
    """The guarantor is free: the bridge is over, or (``called=False``) the collateral is registered before anybody was called."""
    with elevated(ctx, "bridge") as system:
        row = cover_of(bridge.id)
        if row is not None and (called or row.state != GuaranteeState.CALLED):
            fire(system, GUARANTEE, row, "end")
