"""Money of a bridge: paid out, returned, its fee booked; late ones found by the ticker.

The ledger mirrors what happened on the three whitelisted accounts; the portal itself holds no money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import func, select

from app.bridge.account_service import holds, live_accounts, loop_of
from app.bridge.bill_service import issue_bill, live_bill, take_payment
from app.bridge.fund_models import Fund
from app.bridge.holding import came_back, paid_out, receivable
from app.bridge.hops import Leg, moment, returns_of, write_hops
from app.bridge.models import Bridge, BridgeHop
from app.bridge.parties import everybody, move, organisations, take, tell
from app.bridge.rules import overdue_from
from app.bridge.service import standing_commitment
from app.bridge.states import OUT, HopAccount
from app.bridge.terms import fee_of_returns, stored_working, terms_of
from app.core import ledger
from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal
from app.core.formats import money_text
from app.core.outbox import timed
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, reading, use_case


@dataclass(frozen=True)
class Payout:
    """What the clerk saw happen: own money on the repayment account (分), and of the two hops vouchers and moments.

    A moment that is not given is now.
    """

    own_money_seen_fen: int
    voucher_out: str
    voucher_on: str
    out_at: datetime | None = None
    on_at: datetime | None = None


@use_case(Permission.BRIDGE_PAY, "bridge.fund", returns=Bridge)
def pay_out(ctx: Context, bridge_id: UUID, payout: Payout) -> Bridge:
    """Own money first, then the bridge: funder → custody → the loan's repayment account, and nowhere else.

    Raises ``Refusal``: BRIDGE_OWN_MONEY with what lacks, COMMITMENT_EXPIRED, SAME_PERSON (the reviewer does not pay),
    ACCOUNTS_MISSING, DATE_OUT_OF_RANGE for a payout before the signature.
    """
    bridge = take(ctx, bridge_id, "fund")
    assert bridge.amount_fen is not None and bridge.terms is not None and bridge.pending_transfer_id is not None
    gap = bridge.old_due_fen - bridge.amount_fen - payout.own_money_seen_fen
    if gap > 0:
        raise Refusal(ErrorCode.BRIDGE_OWN_MONEY, field="own_money_seen", gap=money_text(gap))
    standing_commitment(bridge)
    out_at = payout.out_at or now()
    on_at = payout.on_at or max(out_at, now())
    paid_on = out_at.astimezone(SHANGHAI).date()
    signed_on = bridge.signed_at.astimezone(SHANGHAI).date() if bridge.signed_at is not None else today()
    if not signed_on <= paid_on <= today() or on_at < out_at:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="out_at" if on_at >= out_at else "on_at",
                      low=signed_on.isoformat(), high=today().isoformat())
    pending = session().get_one(ledger.Transfer, bridge.pending_transfer_id)
    ledger.post(pending, reference=f"bridge:{bridge.id}:pay{_again(bridge)}", memo=payout.voucher_out.strip())
    paid_out(ctx, bridge, paid_on)
    bridge.own_money_seen_fen, bridge.paid_on, bridge.payer_id = payout.own_money_seen_fen, paid_on, ctx.actor_id
    bridge.expected_return_on = paid_on + timedelta(days=bridge.planned_days)
    bridge.next_check_at = overdue_check(bridge)
    move(ctx, bridge, "fund")
    write_hops(ctx, bridge, bridge.amount_fen, (
        Leg(HopAccount.FUNDER, HopAccount.CUSTODY, out_at, payout.voucher_out),
        Leg(HopAccount.CUSTODY, HopAccount.REPAYMENT, on_at, payout.voucher_on),
    ))
    tell(ctx, bridge, everybody(bridge),
         N_("%(firm)s的转贷资金 %(amount)s 已付到贷款还款账户（借据 %(note)s），请原银行确认结清。"),
         amount=money_text(bridge.amount_fen))
    about(bridge, amount_fen=bridge.amount_fen, expected_return_on=bridge.expected_return_on)
    return bridge


def _again(bridge: Bridge) -> str:
    """Ending of a ledger reference, where the payout was recorded before and taken back."""
    count = session().scalar(select(func.count()).select_from(BridgeHop).where(
        BridgeHop.bridge_id == bridge.id, BridgeHop.from_account == HopAccount.FUNDER.value, BridgeHop.corrects_id.is_(None)))
    return f":{count + 1}" if count else ""


def overdue_check(bridge: Bridge) -> datetime:
    """When the ticker looks whether the bridge is overdue."""
    assert bridge.expected_return_on is not None and bridge.terms is not None
    return datetime.combine(overdue_from(bridge.expected_return_on, terms_of(bridge.terms)), time(0, 5), SHANGHAI)


@dataclass(frozen=True)
class Return:
    """Money that came back: 分, the day it arrived on the custody account, and the vouchers of the two hops.

    ``source`` is the account it came from: the repayment account, or the one on which the renewal money arrived. Moments that
    are not given are of ``on_day``.
    """

    amount_fen: int
    on_day: date
    voucher_in: str
    voucher_out: str
    source: HopAccount = HopAccount.REPAYMENT
    in_at: time | None = None
    out_at: datetime | None = None


@use_case(Permission.BRIDGE_PAY, "bridge.return", returns=Bridge)
def record_return(ctx: Context, bridge_id: UUID, back: Return) -> Bridge:
    """Repayment or renewal account → custody → funder. A part leaves the rest open; the last 分 returns the bridge.

    Raises ``Refusal``: REPAYMENT_TOO_LARGE above what is out, DATE_OUT_OF_RANGE, VOUCHER_TAKEN for a voucher that was recorded
    before, RECEIVING_OUTSIDE where the renewal money arrived on no account of the loop.
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
    if back.source not in (HopAccount.REPAYMENT, HopAccount.RENEWAL):
        raise Refusal(ErrorCode.INVALID, field="source")
    renewal = live_accounts(bridge).get(HopAccount.RENEWAL)
    if back.source is HopAccount.RENEWAL and renewal is not None and not (
            renewal.before_loop or holds(loop_of(bridge), bytes(renewal.digest))):
        raise Refusal(ErrorCode.RECEIVING_OUTSIDE, field="source")
    in_at = moment(back.on_day, back.in_at)
    out_at = back.out_at or max(in_at, moment(back.on_day))
    if out_at < in_at:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="out_at", low=back.on_day.isoformat(), high=today().isoformat())
    written = write_hops(ctx, bridge, back.amount_fen, (
        Leg(back.source, HopAccount.CUSTODY, in_at, back.voucher_in),
        Leg(HopAccount.CUSTODY, HopAccount.FUNDER, out_at, back.voucher_out),
    ))
    fund = get_or_404(Fund, bridge.fund_id)
    ledger.transfer(receivable(bridge), ledger.account(fund.account_code), back.amount_fen,
                    reference=f"bridge:{bridge.id}:return:{written[0].no}", memo=back.voucher_out.strip(),
                    case_id=bridge.case_id)
    bridge.returned_fen += back.amount_fen
    whole = bridge.outstanding_fen == 0
    if whole:
        bridge.returned_on, bridge.next_check_at = back.on_day, None
    came_back(ctx, bridge)
    move(ctx, bridge, "returned" if whole else "return_part")
    if whole:
        issue_bill(ctx, bridge)
    tell(ctx, bridge, [bridge.firm_id, bridge.funder_org_id],
         N_("转贷资金已归还 %(amount)s，尚未归还 %(left)s（借据 %(note)s）。"),
         amount=money_text(back.amount_fen), left=money_text(bridge.outstanding_fen))
    about(bridge, amount_fen=back.amount_fen, on_day=back.on_day, left_fen=bridge.outstanding_fen)
    return bridge


@use_case(Permission.BRIDGE_PAY, "bridge.settle", returns=Bridge)
def settle(ctx: Context, bridge_id: UUID, fee_voucher_no: str) -> Bridge:
    """Records the payment of the bill by its voucher and closes the bridge; the database checks that nothing is out.

    Raises ``Refusal(INVALID)`` where a fee is due and no voucher is given, ``Refusal(VOUCHER_TAKEN)``.
    """
    bridge = take(ctx, bridge_id, "settle")
    assert bridge.paid_on is not None and bridge.terms is not None
    charged = fee_of_returns(returns_of(bridge), bridge.paid_on, terms_of(bridge.terms))
    bill = live_bill(bridge.id) or issue_bill(ctx, bridge)
    take_payment(ctx, bridge, bill, fee_voucher_no.strip())
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
