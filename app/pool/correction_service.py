"""A paid claim corrected: list, pledge, loss or other public money were otherwise than the payment assumed.

Proposed by the auditor, decided by a leader; what is too much becomes due back at once, what is too little is reserved and
paid by the cashier (risk-compensation paper §8 case 12, "claw-back or top-up with full trail").
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date
from uuid import UUID

from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.ledger import Transfer, post, reserve
from app.core.lifecycle import begin, ensure, fire, refusal
from app.core.notices import notify
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.pool import money
from app.pool.correction_models import Correction
from app.pool.correction_states import CORRECTION, CorrectionState
from app.pool.line_service import account_of, mode_of, rest_is_open
from app.pool.models import Booking, Claim
from app.pool.positions import ask_back, position_of
from app.pool.records import line_rows, snapshot_facts
from app.pool.rules import Compensation, payable
from app.pool.service import rules_of
from app.pool.states import PAID_OUT
from app.pool.top_up_service import top_up_of

constraint("uq_claim_correction_open", ErrorCode.CORRECTION_OPEN)
constraint("uq_claim_correction_voucher_no", ErrorCode.VOUCHER_TAKEN, "voucher_no")
constraint("ck_claim_correction_people", ErrorCode.SAME_PERSON)
constraint("ck_claim_correction_hands", ErrorCode.STATE_CHANGED)


@dataclass(frozen=True)
class Facts:
    """What a claim should have been computed from; amounts in 分. ``worth_fen``: less than the formula gives, with the reason."""

    loss_fen: int
    on_key_list: bool
    ip_pledge: bool
    policy_tool: bool
    other_public_fen: int
    worth_fen: int | None = None


def computed(claim: Claim, booking: Booking, facts: Facts) -> Compensation:
    """What the claim is worth under corrected facts, line by line, by the edition that judged it."""
    booked = snapshot_facts(booking.mode, booking.product, booking.snapshot, claim.basis_fen)
    ratio = replace(booked, on_key_list=facts.on_key_list, ip_pledge=facts.ip_pledge, policy_tool=facts.policy_tool)
    topped = top_up_of(claim.id)  # what the district has paid is public money too
    public = facts.other_public_fen + (topped.paid_fen if topped is not None else 0)
    return payable(
        ratio, facts.loss_fen, claim.guarantor_paid_fen, public, rules_of(claim.rule_set_id), claim.paid_out_fen)


@use_case(Permission.CLAIM_AUDIT, "correction.propose", returns=Correction)
def propose_correction(ctx: Context, claim_id: UUID, facts: Facts, reason: str) -> Correction:
    """Proposes what a paid claim is worth after all. Raises ``Refusal``: STATE_CHANGED, CORRECTION_OPEN, REASON_NEEDED,
    AMOUNT_OUT_OF_RANGE (a loss above what was lent, a worth above the formula's)."""
    assert ctx.actor_id is not None
    claim = get_or_404(Claim, claim_id, lock=True)
    if claim.state not in PAID_OUT:
        raise Refusal(ErrorCode.STATE_CHANGED)
    if rest_is_open(claim.id):
        raise Refusal(ErrorCode.PAYMENT_OPEN)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    if not 0 <= facts.loss_fen <= claim.principal_drawn_fen:
        high = money_text(claim.principal_drawn_fen)
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="loss", low=money_text(0), high=high)
    found = computed(claim, get_or_404(Booking, claim.booking_id), facts)
    worth = found.amount_fen if facts.worth_fen is None else facts.worth_fen
    if not 0 <= worth <= found.amount_fen:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="worth", low=money_text(0), high=money_text(found.amount_fen))
    correction = Correction(
        claim_id=claim.id, case_id=claim.case_id, org_id=claim.org_id, state=CorrectionState.PROPOSED.value,
        reason=reason.strip(), facts=asdict(facts), loss_fen=facts.loss_fen, worth_fen=worth,
        working=line_rows(found.lines), proposed_by=ctx.actor_id, proposed_at=now(),
    )
    session().add(correction)
    begin(ctx, CORRECTION, correction, event="propose")
    about(correction, case_id=claim.case_id, worth_fen=worth, loss_fen=facts.loss_fen)
    return correction


def decide_correction(ctx: Context, correction_id: UUID, event: str, reason: str) -> Correction:
    """Confirms or refuses a correction, or takes one's own back. Raises ``Refusal`` (SAME_PERSON, BUDGET_EXHAUSTED, …)."""
    return (withdraw_correction if event == "withdraw" else judge_correction)(ctx, correction_id, event, reason)


@use_case(Permission.CLAIM_AUDIT, "correction.withdraw", returns=Correction)
def withdraw_correction(ctx: Context, correction_id: UUID, event: str, reason: str) -> Correction:
    """Takes one's own correction back."""
    correction = get_or_404(Correction, correction_id, lock=True)
    fire(ctx, CORRECTION, correction, event, reason=reason)
    about(correction, event=event)
    return correction


@use_case(Permission.CLAIM_DECIDE, "correction.judge", returns=Correction)
def judge_correction(ctx: Context, correction_id: UUID, event: str, reason: str) -> Correction:
    """The second person's word: what is too much is due back from today on, what is too little is reserved for payment."""
    correction = get_or_404(Correction, correction_id, lock=True)
    claim = get_or_404(Claim, correction.claim_id, lock=True)
    ensure(ctx, CORRECTION, correction, event)
    change = None
    if event == "confirm":
        if claim.state not in PAID_OUT:
            raise Refusal(ErrorCode.STATE_CHANGED)
        change = position_of(claim).change(correction.worth_fen, correction.loss_fen)
    correction.change_fen = change
    fire(ctx, CORRECTION, correction, event, reason=reason)
    if event == "confirm":
        _settle(ctx, claim, correction)
    about(correction, event=event, change_fen=correction.change_fen or 0)
    return correction


def _settle(ctx: Context, claim: Claim, correction: Correction) -> None:
    change = correction.change_fen or 0
    if change > 0:
        held = money.or_exhausted(lambda: reserve(
            account_of(mode_of(claim), today().year), money.paid_to(claim.org_id), change, case_id=claim.case_id,
            reference=f"correction:{correction.id}:reserve", memo=N_("补付预留"),
        ))
        correction.reservation_id = held.id
        session().flush()
        message = N_("补偿申请已更正，将补付 %(amount)s。")
    elif change < 0:
        ask_back(ctx, claim, "correction", -change, "补偿更正")
        message = N_("补偿申请已更正，请按期限返还 %(amount)s。")
    else:
        message = N_("补偿申请已更正，款项不变（%(amount)s）。")
    path, amount = f"/claims/{claim.id}/recoveries", money_text(abs(change))
    with elevated(ctx, "pool"):
        notify(claim.org_id, message, path=path, case_id=claim.case_id, amount=amount)


@use_case(Permission.CLAIM_PAY, "correction.pay", returns=Correction)
def pay_top_up(ctx: Context, correction_id: UUID, voucher_no: str, paid_on: date) -> Correction:
    """The cashier pays a top-up. Raises ``Refusal(VOUCHER_TAKEN)``, ``Refusal(SAME_PERSON)``, ``Refusal(DATE_OUT_OF_RANGE)``."""
    correction = get_or_404(Correction, correction_id, lock=True)
    claim = get_or_404(Claim, correction.claim_id, lock=True)
    code = refusal(ctx, CORRECTION, correction, "pay")
    if code is not None or correction.reservation_id is None or correction.decided_at is None:
        raise Refusal(code or ErrorCode.STATE_CHANGED)
    first = correction.decided_at.astimezone(SHANGHAI).date()
    if not first <= paid_on <= today():
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="paid_on", low=first.isoformat(), high=today().isoformat())
    post(session().get_one(Transfer, correction.reservation_id), reference=f"correction:{correction.id}:pay", memo=voucher_no)
    correction.voucher_no, correction.paid_on = voucher_no.strip(), paid_on
    correction.paid_by = ctx.actor_id
    fire(ctx, CORRECTION, correction, "pay")
    # What came back between the decision and this payment was shared by the old worth.
    rest = position_of(claim).open_fen
    if rest:
        ask_back(ctx, claim, "correction", rest, "补偿更正")
    about(correction, change_fen=correction.change_fen or 0, voucher_no=correction.voucher_no)
    return correction
