"""Holds on funds: the approval, which reserves."""

from __future__ import annotations

from uuid import UUID

from app.bridge.fund_models import Fund
from app.bridge.fund_service import exhausted_at, seat_funder
from app.bridge.models import Bridge
from app.bridge.money_service import receivable
from app.bridge.parties import move, take, tell, within_limit
from app.bridge.service import standing_commitment
from app.core import ledger
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import N_, ErrorCode, Refusal
from app.core.formats import money_text
from app.core.permissions import Permission
from app.core.use_case import about, use_case


@use_case(Permission.BRIDGE_APPROVE, "bridge.approve", returns=Bridge)
def approve(ctx: Context, bridge_id: UUID) -> Bridge:
    """The reviewer approves, and the amount is reserved on the fund; of two who want the last of it, one gets it.

    Raises ``Refusal``: BRIDGE_NOT_PICKED, SAME_PERSON, APPROVAL_LIMIT, COMMITMENT_EXPIRED, FUND_EXHAUSTED.
    """
    bridge = take(ctx, bridge_id, "approve")
    if bridge.fund_id is None or bridge.amount_fen is None:
        raise Refusal(ErrorCode.BRIDGE_NOT_PICKED)
    within_limit(ctx, bridge.amount_fen)
    standing_commitment(bridge)
    fund = get_or_404(Fund, bridge.fund_id)
    with exhausted_at():
        pending = ledger.reserve(
            ledger.account(fund.account_code), receivable(bridge), bridge.amount_fen,
            reference=f"bridge:{bridge.id}:reserve", memo=bridge.old_note_no, case_id=bridge.case_id,
        )
    bridge.pending_transfer_id = pending.id
    seat_funder(ctx, bridge)
    move(ctx, bridge, "approve")
    tell(ctx, bridge, [bridge.firm_id], N_("转贷（借据 %(note)s）已获批准，请看清费用后签订三方协议。"))
    tell(ctx, bridge, [bridge.funder_org_id], N_("%(firm)s的转贷已获批准，%(amount)s已从贵方资金中预留。"),
         amount=money_text(bridge.amount_fen))
    about(bridge, amount_fen=bridge.amount_fen, fund_id=fund.id)
    return bridge
