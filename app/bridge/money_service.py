"""Money of a bridge: paid out, returned, its fee booked; late ones found by the ticker.

The ledger mirrors what happened on the three whitelisted accounts; the portal itself holds no money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import func, select

from app.bridge.fund_models import Fund
from app.bridge.holding import came_back, paid_out, receivable
from app.bridge.models import Bridge, BridgeHop
from app.bridge.parties import everybody, move, organisations, take, tell
from app.bridge.rules import overdue_from
from app.bridge.service import standing_commitment
from app.bridge.states import OUT, HopAccount
from app.bridge.terms import Returned, fee_of_returns, stored_working, terms_of
from app.core import ledger
from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.outbox import timed
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, reading, use_case

constraint("uq_bridge_hop_voucher", ErrorCode.ALREADY_DONE, "voucher_out")


@dataclass(frozen=True)
class Payout:
    """What the clerk saw happen: own money on the repayment account (分), and the vouchers of the two hops."""

    own_money_seen_fen: int
    voucher_out: str
    voucher_on: str


@use_case(Permission.BRIDGE_PAY, "bridge.fund", returns=Bridge)
def pay_out(ctx: Context, bridge_id: UUID, payout: Payout) -> Bridge:
    """Own money first, then the bridge: funder → custody → the loan's repayment account, and nowhere else.

    Raises ``Refusal``: BRIDGE_OWN_MONEY with what lacks, COMMITMENT_EXPIRED, SAME_PERSON (the reviewer does not pay).
    """
    bridge = take(ctx, bridge_id, "fund")
    assert bridge.amount_fen is not None and bridge.terms is not None and bridge.pending_transfer_id is not None
    gap = bridge.old_due_fen - bridge.amount_fen - payout.own_money_seen_fen
    if gap > 0:
        raise Refusal(ErrorCode.BRIDGE_OWN_MONEY, field="own_money_seen", gap=money_text(gap))
    standing_commitment(bridge)
    pending = session().get_one(ledger.Transfer, bridge.pending_transfer_id)
    ledger.post(pending, reference=f"bridge:{bridge.id}:pay", memo=payout.voucher_out.strip())
    _hop(ctx, bridge, HopAccount.FUNDER, HopAccount.CUSTODY, bridge.amount_fen, today(), payout.voucher_out)
    _hop(ctx, bridge, HopAccount.CUSTODY, HopAccount.REPAYMENT, bridge.amount_fen, today(), payout.voucher_on)
    paid_out(ctx, bridge)
    bridge.own_money_seen_fen, bridge.paid_on, bridge.payer_id = payout.own_money_seen_fen, today(), ctx.actor_id
    bridge.expected_return_on = today() + timedelta(days=bridge.planned_days)
    bridge.next_check_at = _start_of(overdue_from(bridge.expected_return_on, terms_of(bridge.terms)))
    move(ctx, bridge, "fund")
    tell(ctx, bridge, everybody(bridge),
         N_("%(firm)s的转贷资金 %(amount)s 已付到贷款还款账户（借据 %(note)s），请原银行确认结清。"),
         amount=money_text(bridge.amount_fen))
    about(bridge, amount_fen=bridge.amount_fen, expected_return_on=bridge.expected_return_on)
    return bridge


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(0, 5), SHANGHAI)


def _hop(
    ctx: Context, bridge: Bridge, source: HopAccount, target: HopAccount, amount_fen: int, on_day: date, voucher_no: str,
) -> None:
    no = session().scalar(select(func.count()).select_from(BridgeHop).where(BridgeHop.bridge_id == bridge.id)) or 0
    session().add(BridgeHop(
        bridge_id=bridge.id, no=no + 1, from_account=source.value, to_account=target.value, amount_fen=amount_fen,
        on_day=on_day, voucher_no=voucher_no.strip(), at=now(), actor_id=ctx.actor_id,
    ))
    session().flush()


@dataclass(frozen=True)
class Return:
    """Money that came back: 分, the day it arrived on the custody account, and the vouchers of the two hops."""

    amount_fen: int
    on_day: date
    voucher_in: str
    voucher_out: str


@use_case(Permission.BRIDGE_PAY, "bridge.return", returns=Bridge)
def record_return(ctx: Context, bridge_id: UUID, back: Return) -> Bridge:
    """Repayment account → custody → funder. A part leaves the rest open; the last 分 returns the bridge.

    Raises ``Refusal(REPAYMENT_TOO_LARGE)`` above what is out, ``Refusal(DATE_OUT_OF_RANGE)``, ``Refusal(ALREADY_DONE)``
    for a voucher that was recorded before.
    """
    bridge = take(ctx, bridge_id, "return_part")
    assert bridge.paid_on is not None and bridge.fund_id is not None
    if back.amount_fen <= 0:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="amount", low=money_text(1),
                      high=money_text(bridge.outstanding_fen))
    if back.amount_fen > bridge.outstanding_fen:
        raise Refusal(ErrorCode.REPAYMENT_TOO_LARGE, field="amount", limit=money_text(bridge.outstanding_fen))
    low = max([part.on_day for part in returns_of(bridge)], default=bridge.paid_on)
    if not low <= back.on_day <= today():
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="on_day", low=low.isoformat(), high=today().isoformat())
    _hop(ctx, bridge, HopAccount.REPAYMENT, HopAccount.CUSTODY, back.amount_fen, back.on_day, back.voucher_in)
    _hop(ctx, bridge, HopAccount.CUSTODY, HopAccount.FUNDER, back.amount_fen, back.on_day, back.voucher_out)
    fund = get_or_404(Fund, bridge.fund_id)
    part = len(returns_of(bridge))
    ledger.transfer(receivable(bridge), ledger.account(fund.account_code), back.amount_fen,
                    reference=f"bridge:{bridge.id}:return:{part}", memo=back.voucher_out.strip(), case_id=bridge.case_id)
    bridge.returned_fen += back.amount_fen
    whole = bridge.outstanding_fen == 0
    if whole:
        bridge.returned_on, bridge.next_check_at = back.on_day, None
    came_back(ctx, bridge)
    move(ctx, bridge, "returned" if whole else "return_part")
    tell(ctx, bridge, [bridge.firm_id, bridge.funder_org_id],
         N_("转贷资金已归还 %(amount)s，尚未归还 %(left)s（借据 %(note)s）。"),
         amount=money_text(back.amount_fen), left=money_text(bridge.outstanding_fen))
    about(bridge, amount_fen=back.amount_fen, on_day=back.on_day, left_fen=bridge.outstanding_fen)
    return bridge


def returns_of(bridge: Bridge) -> list[Returned]:
    """What came back, in order: the hops that left the repayment account."""
    rows = session().execute(
        select(BridgeHop.amount_fen, BridgeHop.on_day)
        .where(BridgeHop.bridge_id == bridge.id, BridgeHop.from_account == HopAccount.REPAYMENT.value)
        .order_by(BridgeHop.no)
    )
    return [Returned(row.amount_fen, row.on_day) for row in rows]


@use_case(Permission.BRIDGE_PAY, "bridge.settle", returns=Bridge)
def settle(ctx: Context, bridge_id: UUID, fee_voucher_no: str) -> Bridge:
    """Books the fee, which is all that is charged, and closes the bridge; the database checks that nothing is out."""
    bridge = take(ctx, bridge_id, "settle")
    assert bridge.paid_on is not None and bridge.terms is not None
    charged = fee_of_returns(returns_of(bridge), bridge.paid_on, terms_of(bridge.terms))
    if charged.amount_fen:
        payer = ledger.open_account(f"firm:{bridge.firm_id}", "firm", org_id=bridge.firm_id, bounded=False)
        ledger.transfer(payer, ledger.account(f"fund-fee:{bridge.fund_id}"), charged.amount_fen,
                        reference=f"bridge:{bridge.id}:fee", memo=fee_voucher_no.strip(), case_id=bridge.case_id)
    bridge.fee_fen, bridge.fee_working = charged.amount_fen, stored_working(charged)
    bridge.fee_voucher_no, bridge.settled_on = fee_voucher_no.strip() or None, today()
    move(ctx, bridge, "settle")
    tell(ctx, bridge, everybody(bridge), N_("%(firm)s的转贷（借据 %(note)s）已结清，费用 %(fee)s。"),
         fee=money_text(charged.amount_fen))
    about(bridge, fee_fen=charged.amount_fen)
    return bridge


# --- late ones ---------------------------------------------------------------------------------------------------------


@use_case(Permission.BRIDGE_TICK, "bridge.overdue", returns=Bridge)
def mark_overdue(ctx: Context, bridge_id: UUID) -> Bridge:
    """One working day after the expected return a bridge that is out becomes OVERDUE, and everybody is told at once."""
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    bridge.next_check_at = None
    if bridge.state in OUT[:-1]:
        bridge.overdue_on = today()
        move(ctx, bridge, "overdue")
        tell(ctx, bridge, [*everybody(bridge), *organisations(OrgKind.BRIDGE_CENTRE), *organisations(OrgKind.BUREAU)],
             N_("%(firm)s的转贷（借据 %(note)s）逾期未归还，尚欠 %(left)s。"), left=money_text(bridge.outstanding_fen))
    session().flush()
    about(bridge, left_fen=bridge.outstanding_fen)
    return bridge


@timed("bridge.overdue")
def mark_due(ctx: Context) -> int:
    """Marks every bridge whose day has come; returns how many."""
    with reading(ctx, Permission.BRIDGE_TICK) as db:
        due = list(db.scalars(select(Bridge.id).where(Bridge.next_check_at <= now()).order_by(Bridge.next_check_at).limit(500)))
    for bridge_id in due:
        mark_overdue(ctx, bridge_id)
    return len(due)
