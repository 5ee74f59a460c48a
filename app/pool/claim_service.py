"""Use cases of compensation claims: prepared and reviewed by the bank, checked, audited, decided and paid by the city.

Five people are five (``ck_claim_five_people``). Money is reserved when a claim is approved and posted when it is paid.
Source: risk-compensation paper §3 and §5; recoveries are in ``recovery_service``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import IO
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import SHANGHAI, add_working_days, end_of_working_day, now, today
from app.core.cases import join_case
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.ledger import Transfer, post, reserve, void
from app.core.lifecycle import begin, fire, refusal
from app.core.models import Paper, Transition
from app.core.notices import notify
from app.core.outbox import timed
from app.core.permissions import Permission
from app.core.storage import PAPER_LIMIT, store_paper, take_in
from app.core.use_case import about, reading, use_case
from app.identity.models import Organisation
from app.loans.models import Loan
from app.loans.rules import FiveClass, is_bad
from app.loans.service import recompute
from app.pool import money
from app.pool.models import Agreement, Booking, Claim
from app.pool.records import line_rows, snapshot_facts
from app.pool.rules import (
    LossEvidence,
    LossFacts,
    RatioFacts,
    RuleSet,
    StopLine,
    TierBasis,
    claim_in_time,
    loss_proved,
    net_principal_loss,
    payable,
    stop_line,
)
from app.pool.service import rules_of
from app.pool.states import BOOKING, CLAIM, NOT_COUNTED, BookingState, ClaimState

constraint("uq_claim_live", ErrorCode.CLAIM_EXISTS)
constraint("uq_claim_voucher_no", ErrorCode.VOUCHER_TAKEN, "voucher_no")
constraint("ck_claim_five_people", ErrorCode.SAME_PERSON)

PAPER_KINDS = (*(evidence.value for evidence in LossEvidence), "APPLICATION", "CONTRACT", "LEDGER", "DECLARATION", "OTHER")
LIFTS = {"SUBMITTED": "lift_to_check", "AUDIT": "lift_to_audit", "DECISION": "lift_to_decision"}
EDITABLE = (ClaimState.DRAFT, ClaimState.RETURNED)


@dataclass(frozen=True)
class LossParts:
    """What the bank states of a loss beside the loan's own ledger, in 分; all on principal alone."""

    guarantor_paid_fen: int = 0
    collateral_fen: int = 0
    other_public_fen: int = 0
    statement: str = ""


# --- the bank prepares, a second person submits --------------------------------------------------------------------------


@use_case(Permission.CLAIM_PREPARE, "claim.prepare", returns=Claim)
def prepare_claim(ctx: Context, booking_id: UUID, parts: LossParts) -> Claim:
    """Prepares a claim on a booked loan that has gone bad.

    Raises ``Refusal(CLAIM_NOT_BAD)``, ``Refusal(CLAIM_EXISTS)``, ``Refusal(CLAIM_TOO_LATE)``, ``Refusal(NOT_PARTNER)``.
    """
    booking = get_or_404(Booking, booking_id, lock=True)
    rules = rules_of(booking.rule_set_id)
    if booking.state == BookingState.CLAIMED:
        raise Refusal(ErrorCode.CLAIM_EXISTS)
    if not claim_in_time(today(), rules):
        raise Refusal(ErrorCode.CLAIM_TOO_LATE)
    if not rules.left_bank_may_claim and not _is_partner(booking.org_id):
        raise Refusal(ErrorCode.NOT_PARTNER)
    claim = Claim(
        case_id=booking.case_id, loan_id=booking.loan_id, booking_id=booking.id, org_id=booking.org_id,
        firm_id=booking.firm_id, state=ClaimState.DRAFT.value, rule_set_id=booking.rule_set_id, working=[], stop_line=[],
        returns_count=0, prepared_at=now(),
    )
    _work_out(ctx, claim, booking, rules, parts)
    session().add(claim)
    begin(ctx, CLAIM, claim)
    with elevated(ctx, "pool") as acting:
        fire(acting, BOOKING, booking, "claim")
    about(claim, net_principal_loss_fen=claim.net_principal_loss_fen, compensation_fen=claim.compensation_fen)
    return claim


@use_case(Permission.CLAIM_PREPARE, "claim.amend", returns=Claim)
def amend_claim(ctx: Context, claim_id: UUID, parts: LossParts) -> Claim:
    """Changes a draft or returned claim and computes it again; whoever does so is its preparer."""
    claim = get_or_404(Claim, claim_id, lock=True)
    if claim.state not in EDITABLE:
        raise Refusal(ErrorCode.STATE_CHANGED)
    booking, before = get_or_404(Booking, claim.booking_id), claim.net_principal_loss_fen
    _work_out(ctx, claim, booking, rules_of(claim.rule_set_id), parts)
    if claim.net_principal_loss_fen > before:  # a hold was lifted for the smaller loss alone
        claim.lifted_by = None
    about(claim, net_principal_loss_fen=claim.net_principal_loss_fen, compensation_fen=claim.compensation_fen)
    return claim


def _is_partner(bank_id: UUID) -> bool:
    found = session().scalar(select(Agreement.id).where(
        Agreement.org_id == bank_id, Agreement.valid_from <= today(),
        Agreement.valid_to.is_(None) | (Agreement.valid_to >= today()),
    ).limit(1))
    return found is not None


def _work_out(ctx: Context, claim: Claim, booking: Booking, rules: RuleSet, parts: LossParts) -> None:
    """Loss and compensation from the loan's ledger and the booking's snapshot, line by line."""
    with elevated(ctx, "pool") as acting:
        loan = recompute(acting, booking.loan_id)
    if loan.five_class is None or not is_bad(FiveClass(loan.five_class)):
        raise Refusal(ErrorCode.CLAIM_NOT_BAD)
    claim.principal_drawn_fen, claim.principal_repaid_fen = booking.principal_fen, loan.principal_repaid_fen
    claim.guarantor_paid_fen, claim.collateral_fen = parts.guarantor_paid_fen, parts.collateral_fen
    claim.other_public_fen, claim.statement = parts.other_public_fen, parts.statement.strip()
    claim.overdue_days, claim.five_class = loan.overdue_days, loan.five_class
    claim.overdue_since = today() - timedelta(days=loan.overdue_days) if loan.overdue_days else None
    loss = net_principal_loss(
        claim.principal_drawn_fen, claim.principal_repaid_fen, claim.guarantor_paid_fen, claim.collateral_fen
    )
    if loss == 0:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="collateral", low=money_text(0), high=money_text(
            max(0, claim.principal_drawn_fen - claim.principal_repaid_fen - claim.guarantor_paid_fen - 1)
        ))
    facts = ratio_facts(booking, rules)
    worth = payable(facts, loss, claim.guarantor_paid_fen, claim.other_public_fen, rules)
    claim.net_principal_loss_fen, claim.compensation_fen = loss, worth.amount_fen
    claim.tier_method, claim.basis_fen = rules.tier_method.value, facts.basis_fen
    claim.working = line_rows(worth.lines)
    claim.preparer_id = ctx.actor_id


def ratio_facts(booking: Booking, rules: RuleSet) -> RatioFacts:
    """What the ratio looks at, from the snapshot at drawdown and never from today (paper §8 case 2)."""
    basis = booking.principal_fen
    if rules.tier_basis is TierBasis.BORROWER_AT_BANK:
        basis = session().scalar(select(func.sum(Booking.principal_fen)).where(
            Booking.org_id == booking.org_id, Booking.firm_id == booking.firm_id,
            Booking.state.in_((BookingState.BOOKED, BookingState.CLAIMED)),
        )) or booking.principal_fen
    return snapshot_facts(booking.mode, booking.product, booking.snapshot, int(basis))


@use_case(Permission.CLAIM_PREPARE, "claim.paper", returns=Paper)
def add_paper(ctx: Context, claim_id: UUID, kind: str, filename: str, stream: IO[bytes]) -> Paper:
    """Adds a paper to a claim the bank still holds. Raises the refusals of ``core.storage``."""
    claim = get_or_404(Claim, claim_id)
    if claim.state not in EDITABLE:
        raise Refusal(ErrorCode.STATE_CHANGED)
    stored = take_in(stream, limit=PAPER_LIMIT, limit_text=f"{PAPER_LIMIT // (1024 * 1024)} MB")
    paper = store_paper(
        ctx, subject_type=Claim.__tablename__, subject_id=claim.id, case_id=None, kind=kind, filename=filename,
        stored=stored,
    )
    about(claim, paper_id=paper.id, kind=kind)
    return paper


@use_case(Permission.CLAIM_REVIEW, "claim.submit", returns=Claim)
def submit_claim(ctx: Context, claim_id: UUID) -> Claim:
    """The second person of the bank sends the claim to the city. Above the stop line it is held at once.

    Raises ``Refusal(PAPERS_MISSING)`` where evidence the rule set demands is absent, ``Refusal(CLAIM_NOT_BAD)``,
    ``Refusal(CLAIM_OUTDATED)`` where principal came back since the loss was computed.
    """
    claim = get_or_404(Claim, claim_id, lock=True)
    event = "submit" if claim.state == ClaimState.DRAFT else "resubmit"
    rules = rules_of(claim.rule_set_id)
    code = refusal(ctx, CLAIM, claim, event)
    if code is not None:
        raise Refusal(code)
    _check_evidence(claim, rules)
    _still_the_loss(claim)
    fire(ctx, CLAIM, claim, event)
    claim.submitted_on = claim.submitted_on or today()
    claim.due_at, claim.next_check_at = _working_deadline(rules.formal_check_wd), None
    with elevated(ctx, "pool"):
        for bureau_id in session().scalars(select(Organisation.id).where(Organisation.kind == "bureau")):
            join_case(claim.case_id, bureau_id)
            notify(bureau_id, N_("%(bank)s提交了一份补偿申请，请形式审查。"), path=f"/claims/{claim.id}", bank=ctx.org_name)
    _hold_if_above(ctx, claim, rules)
    about(claim, compensation_fen=claim.compensation_fen, state=claim.state)
    return claim


def _still_the_loss(claim: Claim) -> None:
    """Nothing is paid for principal that came back after the loss was computed (net principal loss, paper §5)."""
    repaid = session().scalar(
        select(Loan.principal_repaid_fen).join(Booking, Booking.loan_id == Loan.id).where(Booking.id == claim.booking_id)
    )
    if repaid != claim.principal_repaid_fen:
        raise Refusal(ErrorCode.CLAIM_OUTDATED)


def _check_evidence(claim: Claim, rules: RuleSet) -> None:
    kinds = set(session().scalars(
        select(Paper.kind).where(Paper.subject_type == Claim.__tablename__, Paper.subject_id == claim.id).distinct()
    ))
    papers = frozenset(LossEvidence(kind) for kind in kinds if kind in set(LossEvidence))
    facts = LossFacts(is_bad(FiveClass(claim.five_class)), claim.overdue_days, papers)
    missing = [check for check in loss_proved(facts, rules) if not check.passed]
    if any(check.code == "LOSS_NPL_CLASS" for check in missing):
        raise Refusal(ErrorCode.CLAIM_NOT_BAD)
    if missing:
        names = tuple(str(check.params["evidence_label"]) for check in missing)
        raise Refusal(ErrorCode.PAPERS_MISSING, missing=names)


def _working_deadline(days: int) -> datetime:
    return end_of_working_day(add_working_days(today(), days))


@use_case(Permission.CLAIM_PREPARE, "claim.withdraw", returns=Claim)
def withdraw_claim(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """The bank takes a draft or returned claim back."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "withdraw", reason=reason)
    _release(ctx, claim)
    about(claim)
    return claim


def _release(ctx: Context, claim: Claim) -> None:
    claim.next_check_at = claim.due_at = None
    with elevated(ctx, "pool") as acting:
        fire(acting, BOOKING, get_or_404(Booking, claim.booking_id, lock=True), "release")


# --- stop line -----------------------------------------------------------------------------------------------------------


def stop_line_of(bank_id: UUID, year: int, rules: RuleSet, *, new_fen: int = 0, but: UUID | None = None) -> StopLine:
    """A bank's stop line in a calendar year: losses claimed over principal booked, with ``new_fen`` (分) added."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    booked = session().scalar(select(func.sum(Booking.principal_fen)).where(
        Booking.org_id == bank_id, Booking.state.in_((BookingState.BOOKED, BookingState.CLAIMED)),
        Booking.booked_on.between(first, last),
    )) or 0
    claimed = session().scalar(select(func.sum(Claim.net_principal_loss_fen)).where(
        Claim.org_id == bank_id, Claim.state.not_in(NOT_COUNTED), Claim.submitted_on.between(first, last),
        *(() if but is None else (Claim.id != but,)),
    )) or 0
    return stop_line(int(booked), int(claimed), new_fen, rules)


def _hold_if_above(ctx: Context, claim: Claim, rules: RuleSet) -> bool:
    """Tests the stop line for a claim, holding it where it is above. A hold once lifted is not set again."""
    # One bank's claims are tested one after the other, so that two at once cannot both stay below.
    session().execute(text("select pg_advisory_xact_lock(hashtext('stop-line'), hashtext(:bank))"), {"bank": str(claim.org_id)})
    year = (claim.submitted_on or today()).year
    tested = stop_line_of(claim.org_id, year, rules, new_fen=claim.net_principal_loss_fen, but=claim.id)
    claim.stop_line = line_rows(tested.working)
    if not tested.held or claim.lifted_by is not None:
        return False
    claim.held_from, claim.due_at = claim.state, None
    with elevated(ctx, "pool") as acting:
        fire(acting, CLAIM, claim, "hold", reason=N_("本年损失高于熔断线"))
    return True


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
    claim.held_from, claim.due_at = None, _working_deadline(rules_of(claim.rule_set_id).formal_check_wd)
    _tell_bank(ctx, claim, N_("补偿申请的暂缓已解除，继续办理。"))
    about(claim, state=claim.state)
    return claim


# --- the city checks, audits, decides ------------------------------------------------------------------------------------


@use_case(Permission.CLAIM_CHECK, "claim.accept", returns=Claim)
def accept_claim(ctx: Context, claim_id: UUID) -> Claim:
    """Formal check passed: on to the auditor."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "accept")
    claim.due_at = _working_deadline(rules_of(claim.rule_set_id).audit_wd)
    about(claim)
    return claim


@use_case(Permission.CLAIM_CHECK, "claim.return", returns=Claim)
def return_claim(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """Papers are missing: back to the bank, which has ``return_answer_wd`` working days.

    Raises ``Refusal(RETURNS_USED_UP)`` after ``returns_allowed`` returns.
    """
    claim = get_or_404(Claim, claim_id, lock=True)
    rules = rules_of(claim.rule_set_id)
    if claim.state == ClaimState.SUBMITTED and claim.returns_count >= rules.returns_allowed:
        raise Refusal(ErrorCode.RETURNS_USED_UP, count=claim.returns_count)
    fire(ctx, CLAIM, claim, "return", reason=reason)
    claim.returns_count += 1
    claim.due_at = claim.next_check_at = _working_deadline(rules.return_answer_wd)
    _tell_bank(ctx, claim, N_("补偿申请被退回补正，请看理由并在期限内重新提交。"))
    about(claim, returns_count=claim.returns_count)
    return claim


@use_case(Permission.CLAIM_AUDIT, "claim.suspend", returns=Claim)
def suspend_claim(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """The auditor holds a claim, with the reason."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "suspend", reason=reason)
    claim.held_from, claim.due_at = ClaimState.AUDIT.value, None
    about(claim)
    return claim


@use_case(Permission.CLAIM_AUDIT, "claim.audit", returns=Claim)
def audit_claim(ctx: Context, claim_id: UUID, opinion: str) -> Claim:
    """The auditor gives an opinion; the claim waits for the decision."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "audit", reason=opinion)
    claim.due_at = None
    about(claim, compensation_fen=claim.compensation_fen)
    return claim


@use_case(Permission.CLAIM_DECIDE, "claim.reaudit", returns=Claim)
def send_back_to_audit(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """The decider asks for another audit."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "reaudit", reason=reason)
    claim.auditor_id, claim.due_at = None, _working_deadline(rules_of(claim.rule_set_id).audit_wd)
    about(claim)
    return claim


@use_case(Permission.CLAIM_DECIDE, "claim.approve", returns=Claim)
def approve_claim(ctx: Context, claim_id: UUID, amount_fen: int | None = None, reason: str = "") -> Claim:
    """Approves the computed compensation, or a smaller amount (分) with a reason; reserves it and starts publicity.

    Above the stop line the claim comes back HELD. Raises ``Refusal(BUDGET_EXHAUSTED)`` (the claim waits for money),
    ``Refusal(APPROVAL_LIMIT)``, ``Refusal(AMOUNT_OUT_OF_RANGE)``, ``Refusal(CLAIM_OUTDATED)`` for the whole amount where
    principal came back since; a smaller amount with a reason may be approved.
    """
    claim = get_or_404(Claim, claim_id, lock=True)
    amount = claim.compensation_fen if amount_fen is None else amount_fen
    event = "approve" if amount == claim.compensation_fen else "approve_part"
    code = refusal(ctx, CLAIM, claim, event)
    if code is not None:
        raise Refusal(code)
    if not 0 < amount <= claim.compensation_fen:
        high = money_text(claim.compensation_fen)
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="amount", low=money_text(1), high=high)
    if ctx.approval_limit_fen is None or amount > ctx.approval_limit_fen:
        raise Refusal(ErrorCode.APPROVAL_LIMIT, limit=money_text(ctx.approval_limit_fen or 0))
    if event == "approve":
        _still_the_loss(claim)
    rules = rules_of(claim.rule_set_id)
    if _hold_if_above(ctx, claim, rules):
        about(claim, state=claim.state)
        return claim
    fire(ctx, CLAIM, claim, event, reason=reason)
    claim.approved_fen, claim.decided_on = amount, today()
    earlier = session().scalar(
        select(func.count()).select_from(Transfer).where(
            Transfer.case_id == claim.case_id, Transfer.reference.like(f"claim:{claim.id}:reserve:%"))
    )
    held = money.or_exhausted(lambda: reserve(
        money.budget(today().year), money.paid_to(claim.org_id), amount, case_id=claim.case_id,
        reference=f"claim:{claim.id}:reserve:{earlier}", memo=N_("补偿预留"),
    ))
    claim.reservation_id, claim.public_until = held.id, today() + timedelta(days=rules.publicity_days)
    after = claim.public_until + timedelta(days=1) if rules.publicity_days else today()
    claim.due_at = claim.next_check_at = datetime.combine(after, time(0, 5), SHANGHAI)
    _tell_bank(ctx, claim, N_("补偿申请已获同意，正在公示。"))
    if rules.publicity_days == 0:
        with elevated(ctx, "pool") as acting:
            publicise(acting, claim.id)
    about(claim, approved_fen=amount)
    return claim


@use_case(Permission.CLAIM_DECIDE, "claim.refuse", returns=Claim)
def refuse_claim(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """Refuses the claim, with the reason; the loan stays booked."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "refuse", reason=reason)
    _release(ctx, claim)
    _tell_bank(ctx, claim, N_("补偿申请未获同意，理由请看申请单。"))
    about(claim)
    return claim


@use_case(Permission.CLAIM_DECIDE, "claim.reopen", returns=Claim)
def reopen_decision(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """Takes an approval back before payment (an objection was raised); the reserved money is released."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "reopen", reason=reason)
    pending = session().get_one(Transfer, claim.reservation_id)
    void(pending, reference=f"{pending.reference}:void", memo=N_("撤销审定"))
    claim.reservation_id = claim.approved_fen = claim.decider_id = claim.decided_on = claim.public_until = None
    claim.next_check_at = claim.due_at = None
    about(claim)
    return claim


@use_case(Permission.CLAIM_TICK, "claim.publicise", returns=Claim)
def publicise(ctx: Context, claim_id: UUID) -> Claim:
    """The publicity period is over: the claim may be paid."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "publicise")
    claim.next_check_at, claim.due_at = None, None
    about(claim)
    return claim


@use_case(Permission.CLAIM_TICK, "claim.lapse", returns=Claim)
def lapse(ctx: Context, claim_id: UUID) -> Claim:
    """A returned claim that nobody mended in time lapses; the loan stays booked."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "lapse")
    _release(ctx, claim)
    about(claim)
    return claim


@timed("pool.claims")
def settle_due(ctx: Context) -> int:
    """Ends publicity and lapses returned claims whose time has come; returns how many."""
    with reading(ctx, Permission.CLAIM_TICK) as db:
        due = db.execute(
            select(Claim.id, Claim.state).where(Claim.next_check_at <= now()).order_by(Claim.next_check_at).limit(200)
        ).all()
    for row in due:
        (lapse if row.state == ClaimState.RETURNED else publicise)(ctx, row.id)
    return len(due)


@use_case(Permission.CLAIM_PAY, "claim.pay", returns=Claim)
def pay_claim(ctx: Context, claim_id: UUID, voucher_no: str, paid_on: date) -> Claim:
    """The cashier pays: the reservation is posted to the bank's account. Raises ``Refusal(VOUCHER_TAKEN)``."""
    claim = get_or_404(Claim, claim_id, lock=True)
    if claim.decided_on is not None and not claim.decided_on <= paid_on <= today():
        raise Refusal(
            ErrorCode.DATE_OUT_OF_RANGE, field="paid_on", low=claim.decided_on.isoformat(), high=today().isoformat()
        )
    code = refusal(ctx, CLAIM, claim, "pay")
    if code is not None:
        raise Refusal(code)
    pending = session().get_one(Transfer, claim.reservation_id)
    post(pending, reference=f"claim:{claim.id}:pay", memo=voucher_no)
    claim.paid_fen, claim.paid_on, claim.voucher_no = claim.approved_fen, paid_on, voucher_no.strip()
    fire(ctx, CLAIM, claim, "pay")
    _tell_bank(ctx, claim, N_("补偿款已支付。此后追偿所得请在收到后登记并按比例返还。"))
    about(claim, paid_fen=claim.paid_fen, voucher_no=claim.voucher_no)
    return claim


def _tell_bank(ctx: Context, claim: Claim, message: str) -> None:
    with elevated(ctx, "pool"):
        notify(claim.org_id, message, path=f"/claims/{claim.id}", case_id=claim.case_id)
