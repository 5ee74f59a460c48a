"""Use cases of a financing need: drafted as it goes, submitted with a seal, corrected, withdrawn, begun again.

The desk's look is in ``screening_service``, what time does in ``closing_service``; bids are in ``bid_service``, the choice in
``choice_service``, products in ``product_service``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import delete, select

from app.core.calendar import now
from app.core.cases import new_seal, open_case
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import begin, fire
from app.core.money import WAN
from app.core.notices import notify
from app.core.outbox import emit
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.core.working import N_, Problem
from app.credit.queries import current_profile
from app.enterprises.models import Enterprise
from app.identity.models import Organisation
from app.identity.service import keep_case
from app.market import answer_queries, clock_service, need_rules, next_best, paper_service, policy
from app.market.appeal_words import AppealState
from app.market.closing_service import close_need as close_need
from app.market.closing_service import extend_need as extend_need
from app.market.closing_service import settle_due_needs as settle_due_needs
from app.market.closing_service import settle_need as settle_need
from app.market.exposure import exposure_of
from app.market.lifecycles import NEED
from app.market.models import Need, NeedInvitee
from app.market.need_rules import CORRECTIONS, NeedTerms
from app.market.queries import invited_banks as invited_banks
from app.market.screening_service import release_need as release_need
from app.market.screening_service import return_need as return_need
from app.market.words import PURPOSES, Distribution, EndReason, NeedState

constraint("ck_need_live_count", ErrorCode.NEEDS_TOO_MANY)
constraint("ck_need_frozen", ErrorCode.STATE_CHANGED)
constraint("ck_need_round", ErrorCode.ROUNDS_USED_UP)
constraint("ck_need_version", ErrorCode.CORRECTED_ONCE)


@dataclass(frozen=True, slots=True)
class PurposePart:
    """First step of the wizard: amount in 分 and what it is for."""

    amount_fen: int | None
    purpose_kind: str | None
    purpose_text: str = ""


@dataclass(frozen=True, slots=True)
class TermsPart:
    """Second step: term in months, security, repayment, whether it is the firm's first loan, whether several banks will do."""

    term_months: int | None
    product_kind: str | None
    repayment: str | None
    first_loan: bool = False
    allows_parts: bool = False


@dataclass(frozen=True, slots=True)
class AudiencePart:
    """Third step: every bank, or the banks named."""

    distribution: str | None
    banks: tuple[UUID, ...] = ()


Part = PurposePart | TermsPart | AudiencePart
_STEPS: dict[type, int] = {PurposePart: 1, TermsPart: 2, AudiencePart: 3}


@use_case(Permission.NEED_DRAFT, "need.start", returns=Need)
def start_need(ctx: Context) -> Need:
    """Begins a draft, or takes up the one that lies there already."""
    found = session().scalar(
        select(Need).where(Need.org_id == ctx.org_id, Need.state == NeedState.DRAFT).order_by(Need.created_at.desc()).limit(1)
    )
    if found is None:
        found = _draft(ctx)
    about(found)
    return found


def _draft(ctx: Context) -> Need:
    need = Need(
        org_id=ctx.org_id,
        state=NeedState.DRAFT.value,
        purpose_text="",
        first_loan=False,
        allows_parts=False,
        bookable_reasons=[],
        returned_reasons=[],
        returned_note="",
        version=1,
        corrected_reason="",
        round=1,
        next_check_at=policy.draft_until(now()),
        step=1,
        created_at=now(),
        created_by=ctx.actor_id,
    )
    session().add(need)
    begin(ctx, NEED, need)
    return need


@use_case(Permission.NEED_DRAFT, "need.save", returns=Need)
def save_need(ctx: Context, need_id: UUID, *parts: Part) -> Need:
    """Keeps what was filled in; unfinished answers are ``None``. Raises ``STATE_CHANGED`` once it is submitted."""
    need = _own_draft(need_id)
    for part in parts:
        _keep(need, part)
        need.step = max(need.step, _STEPS[type(part)])
    if need.state == NeedState.DRAFT:
        need.next_check_at = policy.draft_until(now())
    about(need, steps=[_STEPS[type(part)] for part in parts])
    return need


def _keep(need: Need, part: Part) -> None:
    if isinstance(part, PurposePart):
        need.amount_fen, need.purpose_kind = part.amount_fen, part.purpose_kind
        need.purpose_text = part.purpose_text.strip()[: policy.need_limits().purpose_text_length]
    elif isinstance(part, TermsPart):
        need.term_months, need.product_kind = part.term_months, part.product_kind
        need.repayment, need.first_loan, need.allows_parts = part.repayment, part.first_loan, part.allows_parts
    else:
        need.distribution = part.distribution
        _invite(need, part)


def _own_draft(need_id: UUID) -> Need:
    need = get_or_404(Need, need_id, lock=True)
    if need.state not in (NeedState.DRAFT, NeedState.RETURNED):
        raise Refusal(ErrorCode.STATE_CHANGED)
    return need


def _invite(need: Need, part: AudiencePart) -> None:
    session().execute(delete(NeedInvitee).where(NeedInvitee.need_id == need.id))
    if part.distribution != Distribution.TARGETED:
        return
    banks = session().scalars(
        select(Organisation.id).where(
            Organisation.id.in_(part.banks),
            Organisation.kind == OrgKind.BANK.value,
            Organisation.state == "active",
        )
    )
    session().add_all([NeedInvitee(need_id=need.id, org_id=bank) for bank in banks])
    session().flush()


def terms_of(need: Need, invited: int) -> NeedTerms:
    """The need as the rule reads it."""
    return NeedTerms(
        need.amount_fen,
        need.term_months,
        need.purpose_kind,
        need.purpose_text,
        need.product_kind,
        need.repayment,
        need.distribution,
        invited,
    )


@use_case(Permission.NEED_SUBMIT, "need.submit", returns=Need)
def submit_need(ctx: Context, need_id: UUID) -> Need:
    """Hands a draft, or what the desk returned, to the desk: freezes the card, opens the case, closes the envelope for bids.

    Raises ``NOT_VERIFIED``, ``NEED_INCOMPLETE``, ``AMOUNT_OUT_OF_RANGE``, ``NEEDS_TOO_MANY`` (five live needs a firm).
    """
    need = _own_draft(need_id)
    firm = get_or_404(Enterprise, need.org_id)
    if firm.state != "verified":
        raise Refusal(ErrorCode.NOT_VERIFIED)
    banks = invited_banks(need.id)
    _refuse_incomplete(need_rules.check_need(terms_of(need, len(banks)), policy.need_limits(), policy.levels()))
    _freeze_card(need, firm)
    need.exposure = exposure_of(firm.id, need).stored()
    case = None
    if need.case_id is None:
        case = open_case("need", need.org_id, _title(need))
        need.case_id, need.seal_id = case.id, new_seal().id
    need.submitted_at = now()
    need.check_due_at = need.next_check_at = policy.check_due_at(need.submitted_at)
    need.returned_reasons, need.returned_note = [], ""
    fire(ctx, NEED, need, "submit")
    clock_service.desk_begins(need)
    if case is not None:
        keep_case(ctx, case)
    about(
        need,
        amount_fen=need.amount_fen,
        term_months=need.term_months,
        distribution=need.distribution,
        check_due_at=need.check_due_at,
        profile_id=need.profile_id,
    )
    return need


def _title(need: Need) -> str:
    """The case's title, stored in Chinese whoever files it: 采购原料或商品 300 万元，12 个月."""
    amount = (
        f"{Decimal(need.amount_fen or 0) / WAN:,f}".rstrip("0").rstrip(".")
        if (need.amount_fen or 0) % WAN
        else (f"{(need.amount_fen or 0) // WAN:,}")
    )
    return f"{PURPOSES[need.purpose_kind or 'OTHER']} {amount} 万元，{need.term_months} 个月"


def _refuse_incomplete(problems: list[Problem]) -> None:
    if not problems:
        return
    first = problems[0]
    if first.code == "AMOUNT":
        limits = policy.need_limits()
        low, high = money_text(limits.min_amount_fen), money_text(limits.max_amount_fen)
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field=first.field, low=low, high=high)
    raise Refusal(ErrorCode.NEED_INCOMPLETE, field=first.field)


def _freeze_card(need: Need, firm: Enterprise) -> None:
    """The card shows the firm as it was at publishing; the grade stays in the profile, under the firm's consents."""
    need.industry_code, need.district = firm.industry_code, firm.district
    need.size_class, need.firm_form = firm.size_class, firm.form
    profile = current_profile(firm.id)
    need.profile_id = profile.id if profile is not None else None


@use_case(Permission.NEED_DRAFT, "need.discard", returns=Need)
def discard_need(ctx: Context, need_id: UUID) -> Need:
    """Puts a draft away."""
    need = _own_draft(need_id)
    need.ended_at, need.next_check_at = now(), None
    fire(ctx, NEED, need, "discard")
    about(need)
    return need


@use_case(Permission.NEED_SUBMIT, "need.correct", returns=Need)
def correct_need(ctx: Context, need_id: UUID, purpose: PurposePart, terms: TermsPart, reason: str) -> Need:
    """Changes the terms of an open need, once: the window starts anew and the database ends the bids handed in for the old ones.

    Raises ``CORRECTED_ONCE``, ``NEED_UNCHANGED``, ``NEED_INCOMPLETE``, ``AMOUNT_OUT_OF_RANGE``, ``REASON_NEEDED``.
    """
    need = get_or_404(Need, need_id, lock=True)
    if need.state == NeedState.OPEN and need.version > CORRECTIONS:
        raise Refusal(ErrorCode.CORRECTED_ONCE)
    banks = invited_banks(need.id)
    before = terms_of(need, len(banks)), need.first_loan, need.allows_parts
    with session().no_autoflush:
        _keep(need, purpose)
        _keep(need, terms)
        if (terms_of(need, len(banks)), need.first_loan, need.allows_parts) == before:
            raise Refusal(ErrorCode.NEED_UNCHANGED)
        _refuse_incomplete(need_rules.check_need(terms_of(need, len(banks)), policy.need_limits(), policy.levels()))
        need.exposure = exposure_of(need.org_id, need).stored()
        need.version, need.corrected_at, need.corrected_reason = need.version + 1, now(), reason.strip()
        need.closes_at = need.next_check_at = policy.bids_close_at(need.corrected_at, need.distribution)
        fire(ctx, NEED, need, "correct", reason=reason)
    with elevated(ctx, "need.correct"):
        for bank in banks:
            notify(bank, N_("企业更正了向贵行定向发出的融资需求，请重新查看。"), path=f"/queue/{need.id}")
    emit("need.corrected", need_id=need.id)
    about(need, amount_fen=need.amount_fen, term_months=need.term_months, version=need.version, closes_at=need.closes_at)
    return need


@use_case(Permission.NEED_CLOSE, "need.withdraw", returns=Need)
def withdraw_need(ctx: Context, need_id: UUID, reason: str) -> Need:
    """Takes a published need back. Bids still sealed stay sealed for ever; the database ends them."""
    need = get_or_404(Need, need_id, lock=True)
    if need.state == NeedState.CLOSED and next_best.standing(need):
        raise Refusal(ErrorCode.PARTS_STAND)
    need.ended_at, need.next_check_at = now(), None
    fire(ctx, NEED, need, "withdraw", reason=reason)
    emit("need.ended", need_id=need.id, why=EndReason.WITHDRAWN)
    about(need)
    return need


@use_case(Permission.NEED_DRAFT, "need.second_round", returns=Need)
def second_round(ctx: Context, need_id: UUID) -> Need:
    """A new draft with the answers and papers of a need that ended without a loan (a refusal is not the end), without the
    named banks that refused it and did not take that back. What was refused and by whom no other bank learns.

    Raises ``STATE_CHANGED``, ``ROUNDS_USED_UP``.
    """
    old = get_or_404(Need, need_id)
    if old.state not in (NeedState.LAPSED, NeedState.WITHDRAWN):
        raise Refusal(ErrorCode.STATE_CHANGED)
    need = _draft(ctx)
    for column in (
        "amount_fen",
        "term_months",
        "purpose_kind",
        "purpose_text",
        "product_kind",
        "repayment",
        "first_loan",
        "allows_parts",
        "distribution",
    ):
        setattr(need, column, getattr(old, column))
    need.previous_id, need.step = old.id, 3
    need.round = old.round + (1 if old.submitted_at is not None else 0)
    refused = {refusal.org_id for refusal in answer_queries.refusals(old.id)
               if refusal.reasons != ["NO_ROOM"] and refusal.version == old.version and refusal.appeal != AppealState.WITHDRAWN}
    banks = [bank for bank in invited_banks(old.id) if bank not in refused]
    session().add_all([NeedInvitee(need_id=need.id, org_id=bank) for bank in banks])
    session().flush()
    papers = paper_service.carry(ctx, old, need)
    about(need, previous_id=old.id, round=need.round, papers=papers)
    return need


@use_case(Permission.NEED_LOOK, "need.look")
def look_at_need(ctx: Context, need_id: UUID) -> None:
    """Records that a bank opened a need (compliance paper §5: who saw it). Sealed like a bid: interest tells too."""
    need = get_or_404(Need, need_id)
    about(need)


@use_case(Permission.NEED_MARK, "need.mark_bookable")
def mark_bookable(ctx: Context, need_id: UUID, bookable: bool, reasons: list[str]) -> None:
    """Leaves the pool's mark 可入库 on a published need, with the sentences (message ids) that explain it."""
    need = get_or_404(Need, need_id, lock=True)
    need.bookable, need.bookable_reasons = bookable, list(reasons)
    about(need, bookable=bookable)


