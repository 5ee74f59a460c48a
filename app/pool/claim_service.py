"""Use cases of compensation claims: prepared and reviewed by the bank, checked for form by the city.

Five people are five (``ck_claim_five_people``). Source: risk-compensation paper §5. The audit is in ``audit_service``, holds,
decision and payment in ``decision_service``, recoveries in ``recovery_service``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import IO
from uuid import UUID

from sqlalchemy import func, select

from app.core.calendar import now, today
from app.core.cases import join_case
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import begin, ensure, fire
from app.core.models import Paper
from app.core.notices import notify
from app.core.permissions import Permission
from app.core.storage import PAPER_LIMIT, store_paper, take_in
from app.core.use_case import about, use_case
from app.core.working import Check
from app.identity.models import Organisation
from app.loans.models import Loan
from app.loans.rules import FiveClass, is_bad
from app.loans.service import recompute
from app.pool.claim_steps import release, still_the_loss, tell_bank, working_deadline
from app.pool.judging import is_partner
from app.pool.models import Booking, Claim
from app.pool.records import line_rows, snapshot_facts
from app.pool.rules import (
    LossEvidence,
    LossFacts,
    Mode,
    RatioFacts,
    RuleSet,
    TierBasis,
    claim_in_time,
    loss_proved,
    net_principal_loss,
    payable,
    split_loss,
)
from app.pool.service import rules_of
from app.pool.states import BOOKING, CLAIM, BookingState, ClaimState
from app.pool.stop_line import hold_if_above

constraint("uq_claim_live", ErrorCode.CLAIM_EXISTS)
constraint("ck_claim_five_people", ErrorCode.SAME_PERSON)

EDITABLE = (ClaimState.DRAFT, ClaimState.RETURNED)


@dataclass(frozen=True)
class LossParts:
    """What the payee states of a loss beside the loan's own ledger, in 分; all on principal alone. ``paid_out_fen``: what a
    guarantor has paid to the bank (代偿), less what it got back since, and the day of it."""

    guarantor_paid_fen: int = 0
    collateral_fen: int = 0
    other_public_fen: int = 0
    statement: str = ""
    paid_out_fen: int = 0
    paid_out_on: date | None = None


# --- the bank prepares, a second person submits --------------------------------------------------------------------------


@use_case(Permission.CLAIM_PREPARE, "claim.prepare", returns=Claim)
def prepare_claim(ctx: Context, booking_id: UUID, parts: LossParts) -> Claim:
    """Prepares a claim on a booked loan that has gone bad.

    Raises ``Refusal(CLAIM_NOT_BAD)``, ``Refusal(CLAIM_EXISTS)``, ``Refusal(CLAIM_TOO_LATE)``, ``Refusal(NOT_PARTNER)``.
    """
    booking = get_or_404(Booking, booking_id, lock=True)
    rules = rules_of(booking.rule_set_id)
    if booking.payee_id != ctx.org_id:
        raise Refusal(ErrorCode.CLAIM_NOT_PAYEE)
    if booking.state == BookingState.CLAIMED:
        raise Refusal(ErrorCode.CLAIM_EXISTS)
    if not claim_in_time(today(), rules):
        raise Refusal(ErrorCode.CLAIM_TOO_LATE)
    if not rules.left_bank_may_claim and not is_partner(booking.payee_id):
        raise Refusal(ErrorCode.NOT_PARTNER)
    claim = Claim(
        case_id=booking.case_id, loan_id=booking.loan_id, booking_id=booking.id, org_id=booking.payee_id,
        firm_id=booking.firm_id, mode=booking.mode, state=ClaimState.DRAFT.value,
        rule_set_id=booking.rule_set_id, working=[], stop_line=[],
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


def _work_out(ctx: Context, claim: Claim, booking: Booking, rules: RuleSet, parts: LossParts) -> None:
    with elevated(ctx, "pool") as acting:
        loan = recompute(acting, booking.loan_id)
    _fill(claim, booking, loan, rules, parts)
    claim.preparer_id = ctx.actor_id


def preview(booking: Booking, parts: LossParts) -> Claim:
    """The claim these parts would make, computed and not stored: the sheet that moves with the form. Call inside a reading.

    Raises ``Refusal(CLAIM_NOT_BAD)``, ``Refusal(AMOUNT_OUT_OF_RANGE)``.
    """
    claim = Claim(booking_id=booking.id, loan_id=booking.loan_id, org_id=booking.payee_id, firm_id=booking.firm_id,
                  mode=booking.mode, rule_set_id=booking.rule_set_id, state=ClaimState.DRAFT.value)
    _fill(claim, booking, get_or_404(Loan, booking.loan_id), rules_of(booking.rule_set_id), parts)
    return claim


def _fill(claim: Claim, booking: Booking, loan: Loan, rules: RuleSet, parts: LossParts) -> None:
    """Loss and compensation from the loan's ledger and the booking's snapshot, line by line."""
    bad = loan.five_class is not None and is_bad(FiveClass(loan.five_class))
    if booking.mode == Mode.GUARANTEE:
        _paid_out(claim, loan, parts, bad)
    elif not bad:
        raise Refusal(ErrorCode.CLAIM_NOT_BAD)
    claim.principal_drawn_fen, claim.principal_repaid_fen = booking.principal_fen, loan.principal_repaid_fen
    claim.guarantor_paid_fen = 0 if booking.mode == Mode.GUARANTEE else parts.guarantor_paid_fen
    claim.collateral_fen = parts.collateral_fen
    claim.other_public_fen, claim.statement = parts.other_public_fen, parts.statement.strip()
    claim.overdue_days, claim.five_class = loan.overdue_days, loan.five_class or FiveClass.NORMAL.value
    claim.overdue_since = today() - timedelta(days=loan.overdue_days) if loan.overdue_days else None
    loss = net_principal_loss(
        claim.principal_drawn_fen, claim.principal_repaid_fen, claim.guarantor_paid_fen, claim.collateral_fen
    )
    if loss == 0:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="collateral", low=money_text(0), high=money_text(
            max(0, claim.principal_drawn_fen - claim.principal_repaid_fen - claim.guarantor_paid_fen - 1)
        ))
    facts = ratio_facts(booking, rules)
    if facts.liability is not None and claim.paid_out_fen is not None:
        most = loss - split_loss(loss, 0, facts.liability, facts.reguarantee).bank_fen
        if claim.paid_out_fen > most:
            raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="paid_out", low=money_text(1), high=money_text(most))
    worth = payable(facts, loss, claim.guarantor_paid_fen, claim.other_public_fen, rules, claim.paid_out_fen)
    claim.net_principal_loss_fen, claim.compensation_fen = loss, worth.amount_fen
    claim.tier_method, claim.basis_fen = rules.tier_method.value, facts.basis_fen
    claim.working = line_rows(worth.lines)


def _paid_out(claim: Claim, loan: Loan, parts: LossParts, bad: bool) -> None:
    """A guarantor claims what it has paid out on a loan that is overdue (unpaid overdue principal [C1])."""
    if not bad and loan.overdue_days < 1:
        raise Refusal(ErrorCode.CLAIM_NOT_OVERDUE)
    if parts.paid_out_fen < 1:
        high = money_text(loan.principal_left_fen)
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="paid_out", low=money_text(1), high=high)
    low = loan.drawn_on or today()
    if parts.paid_out_on is None or not low <= parts.paid_out_on <= today():
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="paid_out_on", low=low.isoformat(), high=today().isoformat())
    claim.paid_out_fen, claim.paid_out_on = parts.paid_out_fen, parts.paid_out_on


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
    ensure(ctx, CLAIM, claim, event)
    _check_evidence(claim, rules)
    still_the_loss(claim)
    fire(ctx, CLAIM, claim, event)
    claim.submitted_on = claim.submitted_on or today()
    claim.due_at, claim.next_check_at = working_deadline(rules.formal_check_wd), None
    with elevated(ctx, "pool"):
        for bureau_id in session().scalars(select(Organisation.id).where(Organisation.kind == "bureau")):
            join_case(claim.case_id, bureau_id)
            notify(bureau_id, N_("%(bank)s提交了一份补偿申请，请形式审查。"), path=f"/claims/{claim.id}", bank=ctx.org_name)
    hold_if_above(ctx, claim, rules)
    about(claim, compensation_fen=claim.compensation_fen, state=claim.state)
    return claim


def papers_demanded(claim: Claim, rules: RuleSet) -> list[Check]:
    """One check per evidence and paper that the rule set demands of a claim before it is sent."""
    kinds = set(session().scalars(
        select(Paper.kind).where(Paper.subject_type == Claim.__tablename__, Paper.subject_id == claim.id).distinct()
    ))
    papers = frozenset(LossEvidence(kind) for kind in kinds if kind in set(LossEvidence))
    facts = LossFacts(is_bad(FiveClass(claim.five_class)), claim.overdue_days, papers)
    guaranteed = claim.mode == Mode.GUARANTEE  # the payout proves the loss of a guarantor
    return [
        *([] if guaranteed else loss_proved(facts, rules)),
        *(Check(f"PAPER_{kind}", kind.value in kinds, N_("申请材料：%(evidence_label)s"), {"evidence_label": kind.label})
          for kind in (rules.guarantee_papers if guaranteed else rules.required_papers)),
    ]


def _check_evidence(claim: Claim, rules: RuleSet) -> None:
    missing = [check for check in papers_demanded(claim, rules) if not check.passed]
    if any(check.code == "LOSS_NPL_CLASS" for check in missing):
        raise Refusal(ErrorCode.CLAIM_NOT_BAD)
    if missing:
        names = tuple(str(check.params["evidence_label"]) for check in missing)
        raise Refusal(ErrorCode.PAPERS_MISSING, missing=names)


@use_case(Permission.CLAIM_PREPARE, "claim.withdraw", returns=Claim)
def withdraw_claim(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """The bank takes a draft or returned claim back."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "withdraw", reason=reason)
    release(ctx, claim)
    about(claim)
    return claim


# --- the city checks the form ----------------------------------------------------------------------------------------------


@use_case(Permission.CLAIM_CHECK, "claim.accept", returns=Claim)
def accept_claim(ctx: Context, claim_id: UUID) -> Claim:
    """Formal check passed: on to the auditor."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "accept")
    claim.due_at = working_deadline(rules_of(claim.rule_set_id).audit_wd)
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
    claim.due_at = claim.next_check_at = working_deadline(rules.return_answer_wd)
    tell_bank(ctx, claim, N_("补偿申请被退回补正，请看理由并在期限内重新提交。"))
    about(claim, returns_count=claim.returns_count)
    return claim


@use_case(Permission.CLAIM_TICK, "claim.lapse", returns=Claim)
def lapse(ctx: Context, claim_id: UUID) -> Claim:
    """A returned claim that nobody mended in time lapses; the loan stays booked."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "lapse")
    release(ctx, claim)
    about(claim)
    return claim


