"""Use cases of the city's decision on a claim: holds lifted, approval and refusal, publicity, payment.

Money is reserved when a claim is approved and posted when it is paid. Source: risk-compensation paper §3 and §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.ledger import Transfer, post, void
from app.core.lifecycle import ensure, fire
from app.core.models import Transition
from app.core.outbox import timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.pool.claim_service import lapse
from app.pool.claim_steps import release, still_the_loss, tell_bank, working_deadline
from app.pool.decision_models import ClaimObjection, Decision, DeductionKind, ObjectionState, Verdict
from app.pool.line_service import hold, leave
from app.pool.models import Claim
from app.pool.publicity import end_publicity, open_objections, publish
from app.pool.service import rules_of
from app.pool.states import CLAIM, ClaimState
from app.pool.stop_line import hold_if_above

constraint("ck_claim_objection_open", ErrorCode.OBJECTION_OPEN)
constraint("uq_claim_voucher_no", ErrorCode.VOUCHER_TAKEN, "voucher_no")

LIFTS = {"SUBMITTED": "lift_to_check", "AUDIT": "lift_to_audit", "DECISION": "lift_to_decision"}


def _held_by(claim: Claim) -> str | None:
    """The event that holds a claim: ``hold`` is the stop line's, ``suspend`` the auditor's."""
    return session().scalar(
        select(Transition.event)
        .where(Transition.subject_type == Claim.__tablename__, Transition.subject_id == claim.id,
               Transition.target == ClaimState.HELD.value)
        .order_by(Transition.at.desc(), Transition.id.desc()).limit(1)
    )


@use_case(Permission.CLAIM_DECIDE, "claim.lift", returns=Claim)
def lift_hold(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """Lifts a hold, with the written reason; the claim goes on where it stood."""
    claim = get_or_404(Claim, claim_id, lock=True)
    if claim.state != ClaimState.HELD or claim.held_from is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    lifted_before, suspended = claim.lifted_by, _held_by(claim) == "suspend"
    fire(ctx, CLAIM, claim, LIFTS[claim.held_from], reason=reason)
    if suspended:  # the auditor's own hold: whoever ends it has not let the claim past the stop line
        claim.lifted_by = lifted_before
    claim.held_from, claim.due_at = None, working_deadline(rules_of(claim.rule_set_id).formal_check_wd)
    tell_bank(ctx, claim, N_("补偿申请的暂缓已解除，继续办理。"))
    about(claim, state=claim.state)
    return claim


@dataclass(frozen=True)
class Deduction:
    """A part of the computed compensation (分) that is not approved, with its kind and written reason."""

    kind: DeductionKind
    amount_fen: int
    reason: str


@use_case(Permission.CLAIM_DECIDE, "claim.approve", returns=Claim)
def approve_claim(
    ctx: Context, claim_id: UUID, deductions: Sequence[Deduction] = (), reason: str = "", *, may_wait: bool = False,
) -> Claim:
    """Approves the computed compensation less the deductions, each with its reason; reserves it and starts publicity.

    Above the stop line the claim comes back HELD. Raises ``Refusal(BUDGET_EXHAUSTED)`` where money is short and the claim may
    not wait in line for it (``line_service``),
    ``Refusal(APPROVAL_LIMIT)``, ``Refusal(DEDUCTIONS_WRONG)``, ``Refusal(CLAIM_OUTDATED)`` for the whole amount where
    principal came back since; it may be approved with a deduction for what came back (``DEDUCTION_REPAID`` without it).
    """
    claim = get_or_404(Claim, claim_id, lock=True)
    event = "approve_part" if deductions else "approve"
    ensure(ctx, CLAIM, claim, event)
    amount = claim.compensation_fen - sum(one.amount_fen for one in deductions)
    if amount <= 0 or any(one.amount_fen <= 0 or not one.reason.strip() for one in deductions):
        raise Refusal(ErrorCode.DEDUCTIONS_WRONG)
    if ctx.approval_limit_fen is None or amount > ctx.approval_limit_fen:
        raise Refusal(ErrorCode.APPROVAL_LIMIT, limit=money_text(ctx.approval_limit_fen or 0))
    _still_owed(claim, deductions)
    rules = rules_of(claim.rule_set_id)
    if hold_if_above(ctx, claim, rules):
        about(claim, state=claim.state)
        return claim
    told = reason.strip() or "；".join(one.reason.strip() for one in deductions)
    fire(ctx, CLAIM, claim, event, reason=told)
    held = hold(claim, amount, may_wait=may_wait)
    claim.reservation_id = held.id if held else None
    verdict = Verdict.PARTLY_APPROVED if deductions else Verdict.APPROVED
    decision = _decide(ctx, claim, verdict, amount, deductions, told)
    claim.approved_fen, claim.decided_on = amount, today()
    claim.public_until = today() + timedelta(days=rules.publicity_days)
    after = claim.public_until + timedelta(days=1) if rules.publicity_days else today()
    claim.due_at = claim.next_check_at = datetime.combine(after, time(0, 5), SHANGHAI)
    tell_bank(ctx, claim, N_("补偿申请已获同意，正在公示。"))
    if rules.publicity_days:
        publish(claim, decision, claim.public_until)
    else:
        with elevated(ctx, "pool") as acting:
            publicise(acting, claim.id)
    about(claim, approved_fen=amount, decision=decision.number, deducted_fen=claim.compensation_fen - amount)
    return claim


def _still_owed(claim: Claim, deductions: Sequence[Deduction]) -> None:
    """What came back since the loss was computed is not paid for: by a new claim, or by a deduction of its own."""
    try:
        still_the_loss(claim)
    except Refusal as refused:
        if not deductions:
            raise
        if all(one.kind is not DeductionKind.REPAID for one in deductions):
            raise Refusal(ErrorCode.DEDUCTION_REPAID) from refused


def _decide(
    ctx: Context, claim: Claim, verdict: Verdict, amount_fen: int, deductions: Sequence[Deduction], reason: str,
) -> Decision:
    """Writes the decision under the next number of the year; numbers have no gaps."""
    year = today().year
    session().execute(text("select pg_advisory_xact_lock(hashtext('claim.decision'), :year)"), {"year": year})
    last = session().scalar(select(func.max(Decision.serial)).where(Decision.year == year)) or 0
    decision = Decision(
        claim_id=claim.id, case_id=claim.case_id, org_id=claim.org_id, year=year, serial=last + 1, verdict=verdict.value,
        computed_fen=claim.compensation_fen, approved_fen=amount_fen, reason=reason.strip(), decided_by=ctx.actor_id,
        decided_at=now(), deductions=[
            {"kind": one.kind.value, "amount_fen": one.amount_fen, "reason": one.reason.strip()} for one in deductions
        ],
    )
    session().add(decision)
    session().flush()
    claim.decision_id = decision.id
    return decision


@use_case(Permission.CLAIM_DECIDE, "claim.refuse", returns=Claim)
def refuse_claim(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """Refuses the claim, with the reason; the loan stays booked."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "refuse", reason=reason)
    decision = _decide(ctx, claim, Verdict.REFUSED, 0, (), reason)
    release(ctx, claim)
    tell_bank(ctx, claim, N_("补偿申请未获同意，理由请看申请单。"))
    about(claim, decision=decision.number)
    return claim


@use_case(Permission.CLAIM_DECIDE, "claim.reopen", returns=Claim)
def reopen_decision(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """Takes an approval back before payment (an error was found); the reserved money is released."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "reopen", reason=reason)
    take_back(claim)
    about(claim)
    return claim


def take_back(claim: Claim) -> None:
    """Ends what an approval began: its reservation and its publicity. The decision itself stays on record."""
    if claim.reservation_id is not None:
        pending = session().get_one(Transfer, claim.reservation_id)
        void(pending, reference=f"{pending.reference}:void", memo=N_("撤销审定"))
    leave(claim)
    end_publicity(claim, "REOPENED")
    claim.decision_id = claim.reservation_id = claim.approved_fen = None
    claim.decider_id = claim.decided_on = claim.public_until = None
    claim.next_check_at = claim.due_at = None


@use_case(Permission.CLAIM_TICK, "claim.publicise", returns=Claim)
def publicise(ctx: Context, claim_id: UUID) -> Claim:
    """The publicity period is over and every objection answered: the claim may be paid. Raises ``Refusal(OBJECTION_OPEN)``."""
    claim = get_or_404(Claim, claim_id, lock=True)
    if open_objections(claim.id):
        raise Refusal(ErrorCode.OBJECTION_OPEN)
    fire(ctx, CLAIM, claim, "publicise")
    end_publicity(claim, "PASSED")
    claim.next_check_at, claim.due_at = None, None
    about(claim)
    return claim


@timed("pool.claims")
def settle_due(ctx: Context) -> int:
    """Ends publicity and lapses returned claims whose time has come; returns how many. An objection stays the first."""
    waiting = select(ClaimObjection.id).where(
        ClaimObjection.claim_id == Claim.id, ClaimObjection.state == ObjectionState.OPEN.value)
    with reading(ctx, Permission.CLAIM_TICK) as db:
        due = db.execute(
            select(Claim.id, Claim.state).where(Claim.next_check_at <= now(), ~waiting.exists())
            .order_by(Claim.next_check_at).limit(200)
        ).all()
    for row in due:
        (lapse if row.state == ClaimState.RETURNED else publicise)(ctx, row.id)
    return len(due)


@use_case(Permission.CLAIM_PAY, "claim.pay", returns=Claim)
def pay_claim(ctx: Context, claim_id: UUID, voucher_no: str, paid_on: date) -> Claim:
    """The cashier pays: the reservation is posted to the bank's account. Raises ``Refusal(VOUCHER_TAKEN)``,
    ``Refusal(BUDGET_EXHAUSTED)`` while it waits in line for money."""
    claim = get_or_404(Claim, claim_id, lock=True)
    if claim.decided_on is not None and not claim.decided_on <= paid_on <= today():
        raise Refusal(
            ErrorCode.DATE_OUT_OF_RANGE, field="paid_on", low=claim.decided_on.isoformat(), high=today().isoformat()
        )
    ensure(ctx, CLAIM, claim, "pay")
    if claim.reservation_id is None:  # it waits in line for money
        raise Refusal(ErrorCode.BUDGET_EXHAUSTED)
    pending = session().get_one(Transfer, claim.reservation_id)
    post(pending, reference=f"claim:{claim.id}:pay", memo=voucher_no)
    claim.paid_fen, claim.paid_on, claim.voucher_no = pending.amount_fen, paid_on, voucher_no.strip()
    fire(ctx, CLAIM, claim, "pay")
    tell_bank(ctx, claim, N_("补偿款已支付。此后追偿所得请在收到后登记并按比例返还。"))
    about(claim, paid_fen=claim.paid_fen, voucher_no=claim.voucher_no)
    return claim


