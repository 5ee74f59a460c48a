"""Corrections: a payout or a return that was recorded wrongly goes back as counter-hops, on the word of two people.

Nothing that was recorded is changed. Afterwards the clerk records what really happened on the ordinary way.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from app.bridge.account_models import CORRECTION, HopCorrection
from app.bridge.bill_service import cancel_bill
from app.bridge.fund_models import Fund
from app.bridge.holding import exhausted_at, out_again, receivable, waits_again
from app.bridge.hops import Act, acts_of, counter_hops
from app.bridge.models import Bridge
from app.bridge.money_service import overdue_check
from app.bridge.notes import notes_of
from app.bridge.parties import everybody, move, organisations, tell
from app.bridge.states import OUT, BridgeState, reopens
from app.core import ledger
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import begin, ensure, fire
from app.core.models import Transition
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case

constraint("uq_hop_correction_open", ErrorCode.HOP_CORRECTION_OPEN)
constraint("ck_hop_correction_two_people", ErrorCode.SAME_PERSON)
constraint("ck_bridge_hop_correction", ErrorCode.STATE_CHANGED)


def last_act(bridge: Bridge) -> Act | None:
    """What may be corrected now: the last return, or the payout while nothing followed it. ``None`` once settled."""
    if bridge.state not in (*OUT, BridgeState.BRIDGE_RETURNED):
        return None
    acts = acts_of(bridge.id)
    followed = bridge.state != BridgeState.FUNDED or any(note.repaid_on is not None for note in notes_of(bridge.id))
    if not acts or (acts[-1].is_payout and followed):
        return None
    return acts[-1] if acts[-1].first.from_account_id is not None else None


def open_correction(bridge_id: UUID) -> HopCorrection | None:
    """The correction that waits for its second word."""
    return session().scalar(select(HopCorrection).where(
        HopCorrection.bridge_id == bridge_id, HopCorrection.state == "PROPOSED"))


@use_case(Permission.BRIDGE_PAY, "hop_correction.propose", returns=HopCorrection)
def propose_correction(
    ctx: Context, bridge_id: UUID, first_hop_id: UUID, voucher_first: str, voucher_second: str, reason: str,
) -> HopCorrection:
    """The clerk proposes to take back the last return, or the payout; the vouchers are those of the two counter-hops.

    Raises ``Refusal``: STATE_CHANGED where ``first_hop_id`` is not what may be corrected now, REASON_NEEDED,
    HOP_CORRECTION_OPEN.
    """
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    act = last_act(bridge)
    if act is None or act.first.id != first_hop_id:
        raise Refusal(ErrorCode.STATE_CHANGED)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    assert ctx.actor_id is not None
    row = HopCorrection(
        bridge_id=bridge.id, case_id=bridge.case_id, first_hop_id=act.first.id, kind="PAYOUT" if act.is_payout else "RETURN",
        voucher_first=voucher_first.strip(), voucher_second=voucher_second.strip(), state="PROPOSED", reason=reason.strip(),
        proposed_by=ctx.actor_id, proposed_at=now(), decided_by=None, decided_at=None,
    )
    session().add(row)
    session().flush()
    begin(ctx, CORRECTION, row, event="propose", shared=False)
    tell(ctx, bridge, organisations(OrgKind.BRIDGE_CENTRE), N_("%(firm)s的转贷有一项划转更正，请另一人确认。"))
    about(row, kind=row.kind, amount_fen=act.first.amount_fen, first_hop_id=first_hop_id)
    return row


@use_case(Permission.BRIDGE_APPROVE, "hop_correction.decide", returns=HopCorrection)
def decide_correction(ctx: Context, correction_id: UUID, confirmed: bool, reason: str) -> HopCorrection:
    """Another person confirms, and the money goes back by counter-hops in hops and ledger; or refuses.

    Raises ``Refusal``: SAME_PERSON, STATE_CHANGED, REASON_NEEDED, FUND_EXHAUSTED where the fund has lent on what came back.
    """
    row = get_or_404(HopCorrection, correction_id, lock=True)
    bridge = get_or_404(Bridge, row.bridge_id, lock=True)
    event = "confirm" if confirmed else "refuse"
    ensure(ctx, CORRECTION, row, event)
    act = last_act(bridge)
    if confirmed and (act is None or act.first.id != row.first_hop_id):
        raise Refusal(ErrorCode.STATE_CHANGED)
    fire(ctx, CORRECTION, row, event, reason=reason)
    session().flush()
    about(row, kind=row.kind, confirmed=confirmed)
    if not confirmed or act is None:
        return row
    if act.is_payout:
        _take_back_payout(ctx, bridge, act, row)
    else:
        _take_back_return(ctx, bridge, act, row)
    tell(ctx, bridge, everybody(bridge), N_("%(firm)s的转贷（借据 %(note)s）更正了一笔 %(amount)s 的划转登记。"),
         amount=money_text(act.first.amount_fen))
    return row


@use_case(Permission.BRIDGE_PAY, "hop_correction.withdraw", returns=HopCorrection)
def withdraw_correction(ctx: Context, correction_id: UUID, reason: str) -> HopCorrection:
    """Who proposed takes it back."""
    row = get_or_404(HopCorrection, correction_id, lock=True)
    ensure(ctx, CORRECTION, row, "withdraw")
    fire(ctx, CORRECTION, row, "withdraw", reason=reason)
    about(row)
    return row


def _fund_account(bridge: Bridge) -> ledger.Account:
    return ledger.account(get_or_404(Fund, bridge.fund_id).account_code)


def _take_back_payout(ctx: Context, bridge: Bridge, act: Act, row: HopCorrection) -> None:
    """The money is on the fund again and reserved again: the bridge waits for its payout as before."""
    amount = act.first.amount_fen
    ledger.transfer(receivable(bridge), _fund_account(bridge), amount, reference=f"bridge:{bridge.id}:unpay:{row.id}",
                    memo=row.voucher_second, case_id=bridge.case_id)
    again = ledger.reserve(_fund_account(bridge), receivable(bridge), amount, reference=f"bridge:{bridge.id}:reserve:{row.id}",
                           memo=bridge.old_note_no, case_id=bridge.case_id)
    waits_again(ctx, bridge, again.id)
    bridge.pending_transfer_id = again.id
    bridge.paid_on = bridge.expected_return_on = bridge.payer_id = bridge.own_money_seen_fen = bridge.next_check_at = None
    move(ctx, bridge, "unpay", reason=row.reason)
    counter_hops(ctx, row.id, [act.first, act.second], [row.voucher_first, row.voucher_second])


def _take_back_return(ctx: Context, bridge: Bridge, act: Act, row: HopCorrection) -> None:
    """What was booked as returned is out again."""
    amount = act.first.amount_fen
    with exhausted_at():
        ledger.transfer(_fund_account(bridge), receivable(bridge), amount, reference=f"bridge:{bridge.id}:unreturn:{row.id}",
                        memo=row.voucher_second, case_id=bridge.case_id)
    out_again(ctx, bridge, amount)
    whole = bridge.state == BridgeState.BRIDGE_RETURNED
    event = "correct"
    if whole:
        before = session().scalars(select(Transition.source).where(
            Transition.subject_type == "bridge", Transition.subject_id == bridge.id, Transition.event == "returned",
        ).order_by(Transition.at.desc(), Transition.id.desc()).limit(1)).one()
        event = reopens(BridgeState(before))
        bridge.returned_on = None
        bridge.next_check_at = overdue_check(bridge) if before != BridgeState.OVERDUE else None
    bridge.returned_fen -= amount
    move(ctx, bridge, event, reason=row.reason)
    if whole:
        cancel_bill(ctx, bridge, row.reason)
    counter_hops(ctx, row.id, [act.first, act.second], [row.voucher_first, row.voucher_second])
