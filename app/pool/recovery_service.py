"""Use cases after payment: recoveries and their return, reminders, closing, claw-back (risk-compensation paper §6 [U])."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.ledger import Account, Transfer, transfer
from app.core.lifecycle import fire
from app.core.notices import notify
from app.core.outbox import timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.identity.models import Organisation
from app.pool import money
from app.pool.correction_models import Correction
from app.pool.correction_states import CorrectionState
from app.pool.line_service import leave
from app.pool.models import Claim, Recovery
from app.pool.positions import ask_back, morning, position_of, record
from app.pool.recovery_rules import reminder_day
from app.pool.service import rules_of
from app.pool.states import CLAIM, ClaimState

constraint("uq_recovery_voucher_no", ErrorCode.VOUCHER_TAKEN, "voucher_no")
constraint("ck_recovery_two_people", ErrorCode.SAME_PERSON)


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
    before = position_of(claim)
    after = replace(
        before, recovered_fen=before.recovered_fen + recovered_fen, cost_fen=before.cost_fen + cost_fen)
    owed = after.open_fen
    recovery = record(ctx, claim, "recovery", received_on, recovered_fen, cost_fen, owed, reference)
    if claim.state == ClaimState.PAID:
        fire(ctx, CLAIM, claim, "recover")
    about(recovery, recovered_fen=recovered_fen, cost_fen=cost_fen, due_fen=owed)
    return recovery


@timed("pool.returns")
def remind_due(ctx: Context) -> int:
    """Reminds of what is due back and has not come (``recovery_reminder_days``); returns how many."""
    with reading(ctx, Permission.CLAIM_TICK) as db:
        due = list(db.scalars(
            select(Recovery.id).where(Recovery.next_reminder_at <= now()).order_by(Recovery.next_reminder_at).limit(200)
        ))
    for recovery_id in due:
        remind(ctx, recovery_id)
    return len(due)


@use_case(Permission.CLAIM_TICK, "recovery.remind", returns=Recovery)
def remind(ctx: Context, recovery_id: UUID) -> Recovery:
    """One reminder: to the bank, and once the day has passed to the city as well."""
    recovery = get_or_404(Recovery, recovery_id, lock=True)
    if recovery.next_reminder_at is None or recovery.next_reminder_at > now() or recovery.returned_on is not None:
        return recovery
    claim = get_or_404(Claim, recovery.claim_id)
    told: dict[str, Any] = {
        "path": f"/claims/{claim.id}/recoveries", "case_id": claim.case_id, "amount": money_text(recovery.due_fen),
    }
    late = (today() - recovery.due_on).days
    if late <= 0:
        notify(recovery.org_id, N_("应返还的追偿款 %(amount)s 请在 %(day)s 前返还。"), day=recovery.due_on.isoformat(), **told)
    else:
        notify(recovery.org_id, N_("应返还的追偿款 %(amount)s 已逾期 %(days)s 天，请立即返还。"), days=late, **told)
        bank = get_or_404(Organisation, recovery.org_id).name
        for bureau_id in session().scalars(select(Organisation.id).where(Organisation.kind == "bureau")):
            notify(bureau_id, N_("%(bank)s应返还的追偿款 %(amount)s 已逾期 %(days)s 天。"), bank=bank, days=late, **told)
    following = reminder_day(
        recovery.received_on, rules_of(claim.rule_set_id).recovery_reminder_days, today() + timedelta(days=1)
    )
    recovery.reminders += 1
    recovery.next_reminder_at = None if following is None else morning(following)
    about(recovery, due_fen=recovery.due_fen, late_days=max(0, late))
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
    into = money.returned_to(session().get_one(Account, pending.debit_account_id))
    transfer(
        money.paid_to(claim.org_id), into, recovery.due_fen, case_id=claim.case_id, reference=f"recovery:{recovery.id}",
        memo=voucher_no,
    )
    recovery.returned_on, recovery.voucher_no = returned_on, voucher_no.strip()
    recovery.confirmed_by, recovery.next_reminder_at = ctx.actor_id, None
    about(recovery, due_fen=recovery.due_fen)
    return recovery


@use_case(Permission.CLAIM_CHECK, "claim.close", returns=Claim)
def close_claim(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """Ends the pursuit: nothing more is to be expected. Raises ``Refusal(RETURN_OPEN)`` while money is due."""
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
    leave(claim)
    if session().scalar(select(Correction.id).where(
        Correction.claim_id == claim.id, or_(
            Correction.state == CorrectionState.PROPOSED,
            (Correction.state == CorrectionState.CONFIRMED) & (Correction.change_fen > 0),
        ),
    )) is not None:
        raise Refusal(ErrorCode.CORRECTION_OPEN)
    position = position_of(claim)
    rest = position.paid_fen - position.due_fen
    if rest > 0:
        ask_back(ctx, claim, "claw_back", rest, "追回补偿")
    with elevated(ctx, "pool"):
        message = N_("补偿款须追回，请按期限返还，理由请看申请单。")
        notify(claim.org_id, message, path=f"/claims/{claim.id}/recoveries", case_id=claim.case_id)
    about(claim, due_fen=max(0, rest))
    return claim
