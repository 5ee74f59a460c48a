"""Use cases after payment: recoveries and their return, closing, claw-back (risk-compensation paper §6 [U])."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import func, select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.ledger import Transfer, transfer
from app.core.lifecycle import fire
from app.core.notices import notify
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.pool import money
from app.pool.models import Claim, Recovery
from app.pool.rules import returned_due
from app.pool.service import rules_of
from app.pool.states import CLAIM, ClaimState

constraint("uq_recovery_voucher_no", ErrorCode.VOUCHER_TAKEN, "voucher_no")
constraint("ck_recovery_two_people", ErrorCode.SAME_PERSON)


def _sums(claim_id: UUID) -> tuple[int, int, int]:
    """Recovered, cost and due so far of a claim (分)."""
    row = session().execute(
        select(func.sum(Recovery.recovered_fen), func.sum(Recovery.cost_fen), func.sum(Recovery.due_fen))
        .where(Recovery.claim_id == claim_id)
    ).one()
    return int(row[0] or 0), int(row[1] or 0), int(row[2] or 0)


@use_case(Permission.RECOVERY_REPORT, "recovery.report", returns=Recovery)
def report_recovery(
    ctx: Context, claim_id: UUID, received_on: date, recovered_fen: int, cost_fen: int, reference: str,
) -> Recovery:
    """Records what the bank recovered and what it cost (分); computes what is due back to the pool, all recoveries
    together, so that the order of receipts does not matter."""
    claim = get_or_404(Claim, claim_id, lock=True)
    if claim.state not in (ClaimState.PAID, ClaimState.RECOVERING) or claim.paid_on is None or claim.paid_fen is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    if recovered_fen < 1:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="recovered", low=money_text(1), high=money_text(
            claim.net_principal_loss_fen
        ))
    if not 0 <= cost_fen <= recovered_fen:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="cost", low=money_text(0), high=money_text(recovered_fen))
    first = claim.submitted_on or claim.paid_on
    if not first <= received_on <= today():
        raise Refusal(
            ErrorCode.DATE_OUT_OF_RANGE, field="received_on", low=first.isoformat(), high=today().isoformat()
        )
    recovered, cost, due = _sums(claim.id)
    owed = returned_due(claim.paid_fen, claim.net_principal_loss_fen, recovered + recovered_fen, cost + cost_fen, due)
    days = rules_of(claim.rule_set_id).recovery_return_days
    recovery = _record(
        ctx, claim, "recovery", received_on, recovered_fen, cost_fen, owed, received_on + timedelta(days=days), reference
    )
    if claim.state == ClaimState.PAID:
        fire(ctx, CLAIM, claim, "recover")
    about(recovery, recovered_fen=recovered_fen, cost_fen=cost_fen, due_fen=owed)
    return recovery


def _record(
    ctx: Context, claim: Claim, kind: str, received_on: date, recovered_fen: int, cost_fen: int, due_fen: int,
    due_on: date, reference: str,
) -> Recovery:
    recovery = Recovery(
        claim_id=claim.id, case_id=claim.case_id, org_id=claim.org_id, kind=kind, received_on=received_on,
        recovered_fen=recovered_fen, cost_fen=cost_fen, due_fen=due_fen, due_on=due_on, reference=reference.strip(),
        reported_by=ctx.actor_id, reported_at=now(),
    )
    session().add(recovery)
    session().flush()
    return recovery


@use_case(Permission.CLAIM_PAY, "recovery.confirm", returns=Recovery)
def confirm_return(ctx: Context, recovery_id: UUID, voucher_no: str, returned_on: date) -> Recovery:
    """The cashier confirms that what was due came back: from the bank's account into the budget it was paid from.

    Raises ``Refusal(RECOVERY_SETTLED)`` where nothing is due or it has come back already.
    """
    recovery = get_or_404(Recovery, recovery_id, lock=True)
    if recovery.returned_on is not None or recovery.due_fen == 0:
        raise Refusal(ErrorCode.RECOVERY_SETTLED)
    if not recovery.received_on <= returned_on <= today():
        low, high = recovery.received_on.isoformat(), today().isoformat()
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="returned_on", low=low, high=high)
    claim = get_or_404(Claim, recovery.claim_id)
    pending = session().get_one(Transfer, claim.reservation_id)
    transfer(
        money.paid_to(claim.org_id), money.budget(pending.at.year), recovery.due_fen, case_id=claim.case_id,
        reference=f"recovery:{recovery.id}", memo=voucher_no,
    )
    recovery.returned_on, recovery.voucher_no = returned_on, voucher_no.strip()
    recovery.confirmed_by = ctx.actor_id
    about(recovery, due_fen=recovery.due_fen)
    return recovery


@use_case(Permission.CLAIM_CHECK, "claim.close", returns=Claim)
def close_claim(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """Ends the pursuit: nothing more is to be expected. Raises ``Refusal(STATE_CHANGED)`` while money is due."""
    claim = get_or_404(Claim, claim_id, lock=True)
    open_due = session().scalar(select(func.count()).select_from(Recovery).where(
        Recovery.claim_id == claim.id, Recovery.due_fen > 0, Recovery.returned_on.is_(None)
    ))
    if open_due:
        raise Refusal(ErrorCode.RETURN_OPEN)
    fire(ctx, CLAIM, claim, "close", reason=reason)
    about(claim)
    return claim


@use_case(Permission.CLAIM_DECIDE, "claim.claw_back", returns=Claim)
def claw_back(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """Takes a payment back on fraud or error: everything not yet due back becomes due (paper §5 [P])."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "claw_back", reason=reason)
    rest = (claim.paid_fen or 0) - _sums(claim.id)[2]
    days = rules_of(claim.rule_set_id).recovery_return_days
    if rest > 0:
        _record(ctx, claim, "claw_back", today(), 0, 0, rest, today() + timedelta(days=days), "追回补偿")
    with elevated(ctx, "pool"):
        message = N_("补偿款须追回，请按期限返还，理由请看申请单。")
        notify(claim.org_id, message, path=f"/claims/{claim.id}", case_id=claim.case_id)
    about(claim, due_fen=max(0, rest))
    return claim
