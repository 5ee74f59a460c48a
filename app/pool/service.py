"""Use cases of the pool: rule sets and bookings. Claims are in ``claim_service``, money in ``budget_service``.

Source: 广州市信贷风险补偿机制管理办法 (穗金管规字〔2025〕1号); what its text leaves open is a parameter of the rule set.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.core.calendar import now, today
from app.core.cases import join_case
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import date_text
from app.core.lifecycle import begin, fire
from app.core.notices import notify
from app.core.outbox import handles
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.core.working import shown
from app.enterprises.models import Enterprise
from app.enterprises.rules import SizeClass
from app.identity.models import Organisation
from app.loans.models import Loan
from app.loans.offline_service import require_recognised
from app.loans.rules import FiveClass, is_bad
from app.loans.states import LoanState
from app.market.models import Need
from app.market.service import mark_bookable
from app.pool.batch_models import PoolBatchRow
from app.pool.batch_rules import BatchReason
from app.pool.guarantee_models import STANDING, Guarantee
from app.pool.judging import Evidence, is_late, judged_on, judging_set, loan_facts, rule_set_on, snapshot_of
from app.pool.models import Booking, StoredRuleSet
from app.pool.owner_models import FirmOwner
from app.pool.records import CITY, borrower_kind, check_rows
from app.pool.rules import (
    Check,
    LoanFacts,
    Mode,
    Product,
    RuleSet,
    UseOfFunds,
    booking_deadline,
    eligibility,
    is_eligible,
)
from app.pool.states import BOOKING, BookingState

constraint("uq_booking_live", ErrorCode.BOOKING_EXISTS)
constraint("uq_booking_note_no", ErrorCode.BOOKING_EXISTS)
constraint("uq_booking_loan_id_version", ErrorCode.BOOKING_EXISTS)
constraint("uq_rule_set_code", ErrorCode.EDITION_EXISTS, "code")


# --- rule sets ---------------------------------------------------------------------------------------------


@use_case(Permission.RULES_LOAD, "pool.rule_set", returns=StoredRuleSet)
def load_rule_set(ctx: Context, rules: RuleSet) -> StoredRuleSet:
    """Stores an edition from the operator's command line. Raises ``Refusal(EDITION_EXISTS)`` where the code exists."""
    stored = store_edition(rules)
    about(stored, code=rules.code, valid_from=rules.valid_from, valid_to=rules.valid_to)
    return stored


def store_edition(rules: RuleSet, proposal_id: UUID | None = None) -> StoredRuleSet:
    """Stores an edition of the rule under its code, inside the portal's own transaction."""
    stored = StoredRuleSet(
        code=rules.code, valid_from=rules.valid_from, valid_to=rules.valid_to, rules=rules.to_json(),
        document=f"{rules.title} {rules.document_no}".strip(), created_at=now(), proposal_id=proposal_id,
    )
    session().add(stored)
    session().flush()
    return stored


def rules_of(rule_set_id: UUID) -> RuleSet:
    """The parameters of a stored edition."""
    return RuleSet.from_json(get_or_404(StoredRuleSet, rule_set_id).rules)


# --- booking -----------------------------------------------------------------------------------------------------------


@use_case(Permission.BOOKING_SUBMIT, "booking.submit", returns=Booking)
def submit_booking(ctx: Context, loan_id: UUID, evidence: Evidence) -> Booking:
    """Submits a drawn loan; the automatic checks run at once and end it BOOKED or REJECTED.

    A loan past the deadline with a reason waits for the bureau. Raises ``Refusal(BOOKING_EXISTS)``,
    ``Refusal(BOOKING_LATE)`` (late and no reason given), ``Refusal(STATE_CHANGED)``, ``Refusal(LOAN_UNRECOGNISED)`` for an
    offline loan that the firm has not called its own, ``Refusal(GUARANTEE_LIVE)`` where a guarantor stands for it.
    """
    loan = get_or_404(Loan, loan_id)
    if loan.org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    if live_contract(loan.id) is not None:
        raise Refusal(ErrorCode.GUARANTEE_LIVE)
    booking = submit_loan(ctx, loan, evidence, today(), None)
    about(booking, principal_fen=booking.principal_fen, note_no=booking.note_no, state=booking.state)
    return booking


@use_case(Permission.BOOKING_SUBMIT, "booking.correct", returns=Booking)
def correct_booking(ctx: Context, booking_id: UUID, evidence: Evidence, reason: str) -> Booking:
    """Corrects a booking by a new version: the old one is withdrawn with the reason, never overwritten."""
    old = get_or_404(Booking, booking_id, lock=True)
    if old.guarantor_id is not None:
        raise Refusal(ErrorCode.GUARANTEE_LIVE)
    fire(ctx, BOOKING, old, "withdraw", reason=reason)
    booking = submit_loan(ctx, get_or_404(Loan, old.loan_id), evidence, old.submitted_on, old.id)
    about(booking, replaces_id=old.id, state=booking.state)
    return booking


@use_case(Permission.BOOKING_SUBMIT, "booking.withdraw", returns=Booking)
def withdraw_booking(ctx: Context, booking_id: UUID, reason: str) -> Booking:
    """Takes a loan out of the pool, before any claim."""
    booking = get_or_404(Booking, booking_id, lock=True)
    if booking.guarantor_id is not None:
        raise Refusal(ErrorCode.GUARANTEE_LIVE)
    fire(ctx, BOOKING, booking, "withdraw", reason=reason)
    about(booking)
    return booking


def live_contract(loan_id: UUID) -> Guarantee | None:
    """The guarantor's contract that stands on a loan, stated or confirmed."""
    return session().scalar(select(Guarantee).where(
        Guarantee.loan_id == loan_id, Guarantee.state.in_(STANDING)))


def owner_of(evidence: Evidence, loan: Loan) -> FirmOwner | None:
    """The owner who borrows for the firm of the loan, where the bank names one."""
    if not evidence.owner_id:
        return None
    owner = get_or_404(FirmOwner, UUID(evidence.owner_id))
    if (owner.firm_id, owner.org_id) != (loan.firm_id, loan.org_id):
        raise Refusal(ErrorCode.NOT_FOUND)
    return owner


def owner_facts(owner: FirmOwner | None) -> dict[str, Any]:
    """What a booking's snapshot says of the owner who borrowed, the name masked; nothing where the firm itself did."""
    if owner is None:
        return {}
    share = f"{owner.share.normalize():f}" if owner.share else None
    return {"owner": {"name": owner.masked_name, "role": owner.role, "share": share}}


def submit_loan(
    ctx: Context, loan: Loan, evidence: Evidence, submitted_on: date, replaces_id: UUID | None,
    contract: Guarantee | None = None,
) -> Booking:
    """A loan submitted and checked: by its bank, or under ``contract`` by the guarantor that stands for it."""
    if loan.state != LoanState.DRAWN or loan.drawn_on is None or loan.principal_fen is None or loan.note_no is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    with elevated(ctx, "pool"):  # a guarantor sees neither recognition nor firm before the loan is booked
        require_recognised(loan)
    stored = judging_set(loan.drawn_on)
    rules = RuleSet.from_json(stored.rules)
    late = is_late(rules, loan.drawn_on, submitted_on)
    if late and not evidence.late_reason.strip():
        raise Refusal(ErrorCode.BOOKING_LATE, field="late_reason", last=booking_deadline(rules, loan.drawn_on).isoformat())
    with elevated(ctx, "pool"):
        version = session().scalar(select(func.max(Booking.version)).where(Booking.loan_id == loan.id)) or 0
        snapshot = snapshot_of(loan, get_or_404(Enterprise, loan.firm_id), evidence, ctx.branch_id)
        owner = owner_of(evidence, loan)
    snapshot |= owner_facts(owner)
    if contract is not None:
        snapshot["guarantee"] = contract.terms
    booking = Booking(
        case_id=loan.case_id, loan_id=loan.id, org_id=loan.org_id, firm_id=loan.firm_id, version=version + 1,
        replaces_id=replaces_id, state=BookingState.DRAFT.value, mode=(Mode.GUARANTEE if contract else Mode.BANK).value,
        guarantor_id=contract.guarantor_id if contract else None, contract_id=contract.id if contract else None,
        owner_id=owner.id if owner else None,
        product=Product(evidence.product).value, note_no=loan.note_no, principal_fen=loan.principal_fen,
        rule_set_id=stored.id, snapshot=snapshot,
        checks=[], late_reason=evidence.late_reason.strip() if late else None, submitted_on=submitted_on,
        judged_on=judged_on(rules, loan.drawn_on), created_at=now(),
    )
    session().add(booking)
    begin(ctx, BOOKING, booking)
    fire(ctx, BOOKING, booking, "submit")
    if not late:
        _check(ctx, booking, rules, "")
    return booking


def waits_in_batch(loan_id: UUID) -> bool:
    """Whether a loan is booked by a file of its bank as soon as its firm has called it its own."""
    return session().scalar(select(PoolBatchRow.row_no).where(
        PoolBatchRow.loan_id == loan_id, PoolBatchRow.settled_at.is_(None), PoolBatchRow.reason == BatchReason.WAITS_FIRM,
    ).limit(1)) is not None


def sentence(check: Check) -> str:
    """A check as its Chinese sentence, for reasons that are kept."""
    return check.message % shown(check.params)


def _check(ctx: Context, booking: Booking, rules: RuleSet, late_accepted: str) -> None:
    with elevated(ctx, "pool") as acting:
        checks = eligibility(loan_facts(booking, late_accepted), rules)
        booking.checks = check_rows(checks)
        fire(acting, BOOKING, booking, "check")
        if is_eligible(checks):
            booking.booked_on = today()
            fire(acting, BOOKING, booking, "book")
            for bureau_id in session().scalars(select(Organisation.id).where(Organisation.kind == "bureau")):
                join_case(booking.case_id, bureau_id)
        else:
            failed = "；".join(sentence(check) for check in checks if not check.passed)
            fire(acting, BOOKING, booking, "reject", reason=failed)


@use_case(Permission.CLAIM_DECIDE, "booking.accept_late", returns=Booking)
def accept_late(ctx: Context, booking_id: UUID, reason: str) -> Booking:
    """The bureau lets a late booking in, with its reason; the automatic checks then run as for any other."""
    booking = get_or_404(Booking, booking_id, lock=True)
    if booking.state != BookingState.SUBMITTED:
        raise Refusal(ErrorCode.STATE_CHANGED)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    booking.late_accepted_by = ctx.actor_id
    _check(ctx, booking, rules_of(booking.rule_set_id), reason.strip())
    _tell_bank(ctx, booking, N_("金融局已同意借据 %(note)s 补报入库，检查结果请看入库单。"))
    about(booking, state=booking.state)
    return booking


@use_case(Permission.CLAIM_DECIDE, "booking.refuse_late", returns=Booking)
def refuse_late(ctx: Context, booking_id: UUID, reason: str) -> Booking:
    """The bureau keeps a late booking out, with its reason."""
    booking = get_or_404(Booking, booking_id, lock=True)
    fire(ctx, BOOKING, booking, "refuse_late", reason=reason)
    _tell_bank(ctx, booking, N_("金融局没有同意借据 %(note)s 补报入库，理由请看入库单。"))
    about(booking)
    return booking


def _tell_bank(ctx: Context, booking: Booking, message: str) -> None:
    with elevated(ctx, "pool"):
        payee = booking.guarantor_id or booking.org_id
        notify(payee, message, path=f"/bookings/{booking.id}", case_id=booking.case_id, note=booking.note_no)


PRECHECKED = frozenset({"RULE_IN_FORCE", "SIZE", "PLACE", "PRODUCT", "AMOUNT", "INDUSTRY", "TERM"})
"""What may be said of a need before any bank has lent on it; the rest is checked when the loan is booked."""


# --- what other rooms tell ---------------------------------------------------------------------------------------------


@handles("need.published", "pool.mark")
def _on_need(ctx: Context, payload: dict[str, Any]) -> None:
    """Leaves the mark 可入库 on a published need, with the sentences that speak against it."""
    need = session().get(Need, UUID(payload["need_id"]))
    stored = rule_set_on(today())
    if need is None or stored is None or need.amount_fen is None or need.term_months is None:
        return
    rules = RuleSet.from_json(stored.rules)
    kinds = {product.value for product in Product}
    wanted = need.product_kind if need.product_kind in kinds else None
    product = Product(wanted) if wanted else Product.CREDIT if need.product_kind == "ANY" else Product.OTHER
    facts = LoanFacts(
        mode=Mode.BANK, product=product, principal_fen=need.amount_fen, borrower_kind=borrower_kind(need.firm_form or ""),
        size=SizeClass((need.size_class or "unknown").upper()), registered_in_city=(need.district or "").startswith(CITY),
        operates_in_city=False, on_key_list=False, industry_code=need.industry_code or "", annual_rate=Decimal(0),
        term_months=need.term_months, use_of_funds=UseOfFunds.WORKING_CAPITAL, drawdown_on=today(), submitted_on=today(),
        judged_on=today(), agreement_from=None, agreement_to=None,
    )
    checks = [check for check in eligibility(facts, rules) if check.code in PRECHECKED]
    failed = [NEED_REASONS[check.code] for check in checks if not check.passed]
    mark_bookable(ctx, need.id, not failed, failed)


NEED_REASONS = {
    "RULE_IN_FORCE": N_("现在没有有效的风险补偿办法"),
    "SIZE": N_("借款人不属于小型、微型企业或个体工商户"),
    "PLACE": N_("借款人不在广州市注册"),
    "PRODUCT": N_("所需产品不在补偿范围内"),
    "AMOUNT": N_("金额超过可补偿的单笔上限"),
    "INDUSTRY": N_("所属行业不在补偿范围内"),
    "TERM": N_("期限不在补偿范围内"),
}


@handles("loan.drawn", "pool.remind")
def _on_drawn(ctx: Context, payload: dict[str, Any]) -> None:
    """Tells the bank by when a drawn loan may be booked."""
    loan = session().get(Loan, UUID(payload["loan_id"]))
    stored = rule_set_on(today())
    if loan is None or loan.drawn_on is None or stored is None:
        return
    last = booking_deadline(RuleSet.from_json(stored.rules), loan.drawn_on)
    if loan.origin != "choice" and waits_in_batch(loan.id):
        return  # it came by a file and is booked from there
    notify(
        loan.org_id, N_("贷款 %(number)s 已放款，符合条件的请办理风险补偿入库，最迟 %(last)s（含当日）。"),
        path=f"/loans/{loan.id}/booking", case_id=loan.case_id, number=loan.number, last=date_text(last),
    )


@handles("loan.class_changed", "pool.bad_loan")
def _on_class(ctx: Context, payload: dict[str, Any]) -> None:
    """Tells the bank that a booked loan has gone bad and may be claimed."""
    loan = session().get(Loan, UUID(payload["loan_id"]))
    if loan is None or loan.five_class is None or not is_bad(FiveClass(loan.five_class)):
        return
    booking = session().scalar(
        select(Booking).where(Booking.loan_id == loan.id, Booking.state == BookingState.BOOKED.value)
    )
    if booking is not None:
        notify(
            booking.payee_id, N_("入库贷款 %(number)s 已成为不良，可以准备补偿申请。"), path=f"/bookings/{booking.id}",
            case_id=loan.case_id, number=loan.number,
        )
