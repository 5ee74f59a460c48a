"""Use cases of a sealed bid: drafted by an officer, submitted by an approver, read by nobody else before closing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import selectinload

from app.core.audit import plain
from app.core.calendar import SHANGHAI, now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import begin, fire
from app.core.notices import notify
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.core.working import N_, Problem, WorkingLine
from app.enterprises.rules import SizeClass
from app.market import bars, policy, receipt_service
from app.market.bid_models import Bid, BidCondition, BidFee, BidTie
from app.market.bid_words import BidState
from app.market.costs import AllIn, all_in_rate
from app.market.lifecycles import BID
from app.market.models import Need
from app.market.offer_rules import (
    Condition,
    Tie,
    all_conditions,
    check_against_product,
    check_conditions,
    check_offer,
    check_ties,
)
from app.market.part_rules import Candidate, PartFees, PartTerms, check_part
from app.market.product_models import Product, ProductVersion
from app.market.product_words import ProductState
from app.market.terms import Fee, FeeKind, FeeTime, Offer, Payee, RepaymentMethod, plan_of, stored_plan
from app.market.words import NeedState

constraint("uq_bid_sent", ErrorCode.BID_EXISTS)
constraint("uq_bid_draft", ErrorCode.BID_EXISTS)
constraint("ck_bid_before_close", ErrorCode.BID_AFTER_CLOSE)
constraint("ck_bid_frozen", ErrorCode.STATE_CHANGED)
constraint("ck_bid_settled", ErrorCode.STATE_CHANGED)
constraint("ck_bid_two_people", ErrorCode.SAME_PERSON)
constraint("ck_bid_fee_banned", ErrorCode.BID_INVALID, "fees")
constraint("ck_bid_fee_small_firm", ErrorCode.BID_INVALID, "fees")
constraint("ck_bid_ties_declared", ErrorCode.TIES_UNDECLARED, "ties_answer")
constraint("ck_bid_tie_banned", ErrorCode.TIE_BANNED, "ties")
constraint("ck_bid_parts_allowed", ErrorCode.BID_INVALID, "min_part")

RATE = Decimal("0.000001")
"""Places of a stored rate."""


@dataclass(frozen=True, slots=True)
class BidTerms:
    """What a bid says beside its money terms: the product, until when it binds the bank, and what it depends on.

    ``ties`` that are ``None`` have not been declared yet; an empty tuple declares that there are none. ``remark`` is without
    force. ``parts``: what the bank lends beside others.
    """

    product_id: UUID
    offer: Offer
    valid_until: date
    conditions: tuple[Condition, ...] = ()
    ties: tuple[Tie, ...] | None = None
    remark: str = ""
    parts: PartTerms | None = None


def size_of(need: Need) -> SizeClass:
    """Size class of the firm behind a need, as frozen on its card."""
    return SizeClass((need.size_class or "unknown").upper())


def earliest_validity(need: Need) -> date:
    """A bid must last until the firm was asked to choose: five working days after closing [P]."""
    assert need.closes_at is not None
    closing = need.closes_at.astimezone(SHANGHAI).date()
    return policy.calendar().add_days(closing, policy.levels().choice_target_wd)


def check_terms(need: Need, terms: BidTerms, facts: Mapping[str, Any]) -> list[Problem]:
    """Everything that forbids a bid on a need with this version of a product, each at its field."""
    problems = check_offer(terms.offer, need.amount_fen or 0, need.term_months or 0, size_of(need), policy.limits())
    problems += [*check_against_product(terms.offer, facts), *check_ties(terms.ties), *check_conditions(terms.conditions)]
    if not problems:
        problems = check_part(terms.offer, terms.parts, facts, wanted=need.allows_parts, limits=policy.limits())
    earliest = earliest_validity(need)
    if terms.valid_until < earliest:
        message = N_("报价有效期应不早于 %(earliest)s，企业须有时间选定。")
        problems.append(Problem("valid_until", "VALIDITY_SHORT", message, {"earliest": earliest}))
    if len(terms.remark) > 1000:
        problems.append(Problem("conditions", "CONDITIONS_LONG", N_("要求最多写 1,000 字。")))
    return problems


def _hold_need(need_id: UUID) -> Need:
    """The need as it is now, kept from closing until this transaction ends. Raises ``BID_AFTER_CLOSE``."""
    session().execute(text("select hq_need_hold(:id)"), {"id": need_id})
    need = session().get(Need, need_id, populate_existing=True)
    if need is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    if need.state != NeedState.OPEN or need.closes_at is None or need.closes_at <= now():
        raise Refusal(ErrorCode.BID_AFTER_CLOSE)
    return need


def product_facts(products: Sequence[Product]) -> dict[UUID, dict[str, Any]]:
    """What the current version of each product says, by product."""
    rows = session().scalars(
        select(ProductVersion)
        .join(Product, (Product.id == ProductVersion.product_id) & (Product.version == ProductVersion.version))
        .where(Product.id.in_([product.id for product in products]))
    )
    return {row.product_id: row.facts for row in rows}


def _own_product(ctx: Context, product_id: UUID) -> Product:
    product = get_or_404(Product, product_id)
    if product.org_id != ctx.org_id or product.state != ProductState.ACTIVE:
        raise Refusal(ErrorCode.BID_INVALID, field="product_id")
    return product


def working_json(lines: tuple[WorkingLine, ...]) -> list[Any]:
    """The lines of the cost sheet as they are stored: rates as text, never as floats."""
    return [
        plain(
            {
                "code": line.code,
                "message": line.message,
                "params": dict(line.params),
                "amount_fen": line.amount_fen,
                "ratio": line.ratio,
            }
        )
        for line in lines
    ]


def _write(ctx: Context, bid: Bid, need: Need, terms: BidTerms, product: Product) -> AllIn:
    problems = check_terms(need, terms, product_facts([product])[product.id])
    if problems:
        raise Refusal(ErrorCode.BID_INVALID, field=problems[0].field)
    offer, cost = terms.offer, all_in_rate(terms.offer)
    bid.product_id, bid.product_version, bid.conventions = product.id, product.version, product.conventions
    bid.amount_fen, bid.annual_rate, bid.term_months = offer.amount_fen, offer.annual_rate.quantize(RATE), offer.term_months
    bid.method, bid.conditions, bid.valid_until = offer.method.value, terms.remark.strip(), terms.valid_until
    bid.all_in_rate, bid.effective_rate = cost.nominal12.quantize(RATE), cost.effective.quantize(RATE)
    bid.simple_rate = cost.simple.quantize(RATE)
    bid.interest_fen, bid.fees_fen, bid.total_extra_fen = cost.interest_fen, cost.fees_fen, cost.total_extra_fen
    bid.working = working_json(cost.working)
    bid.ties_declared = terms.ties is not None
    bid.min_part_fen, bid.part_fees = (terms.parts.least_fen, terms.parts.fees.value) if terms.parts else (None, None)
    bid.plan = stored_plan(offer.plan)
    bid.drafted_by, bid.drafted_at = ctx.actor_id, now()
    return cost


def _write_lines(bid: Bid, terms: BidTerms) -> None:
    """Charges, ties and conditions, each a row of its own under the bid's seal."""
    bid.fees, bid.ties, bid.demands = [], [], []
    session().flush()
    own = {"bid_id": bid.id, "org_id": bid.org_id, "seal_id": bid.seal_id}
    bid.ties = [
        BidTie(**own, no=no, kind=tie.kind.value, required=tie.required, text=tie.text.strip())
        for no, tie in enumerate(terms.ties or (), start=1)
    ]
    bid.demands = [
        BidCondition(**own, no=no, kind=one.kind.value, text=one.text.strip())
        for no, one in enumerate(all_conditions(terms.conditions), start=1)
    ]
    bid.fees = [
        BidFee(
            **own,
            no=no,
            kind=fee.kind.value,
            amount_fen=fee.amount_fen,
            payee=fee.payee.value,
            at=fee.at.value,
            every_months=fee.every_months,
            text=fee.text.strip()[:100],
        )
        for no, fee in enumerate(terms.offer.fees, start=1)
    ]


def with_lines(bid_id: UUID) -> Bid:
    """A bid with its charges, ties and conditions, read anew."""
    lines = [selectinload(Bid.fees), selectinload(Bid.ties), selectinload(Bid.demands)]
    return session().scalars(select(Bid).where(Bid.id == bid_id).options(*lines).execution_options(populate_existing=True)).one()


def offer_of(bid: Bid) -> Offer:
    """The money terms of a bid with its charges loaded."""
    fees = tuple(
        Fee(FeeKind(fee.kind), fee.amount_fen, Payee(fee.payee), FeeTime(fee.at), fee.every_months, fee.text) for fee in bid.fees
    )
    return Offer(bid.amount_fen, bid.annual_rate, bid.term_months, RepaymentMethod(bid.method), fees, plan_of(bid.plan))


def candidate_of(bid: Bid) -> Candidate:
    """A bid with its charges loaded, as parts are made of it."""
    parts = PartTerms(bid.min_part_fen, PartFees(bid.part_fees or "")) if bid.min_part_fen is not None else None
    return Candidate(offer_of(bid), parts)


@use_case(Permission.BID_DRAFT, "bid.draft", returns=Bid)
def draft_bid(ctx: Context, need_id: UUID, terms: BidTerms) -> Bid:
    """Drafts a bid on an open need. Raises ``BID_INVALID``, ``BID_AFTER_CLOSE``, ``BID_EXISTS`` (one live bid a bank)."""
    bars.raise_if_barred(ctx)
    need = _hold_need(need_id)
    sent = select(Bid.id).where(Bid.need_id == need_id, Bid.org_id == ctx.org_id, Bid.state == BidState.SUBMITTED.value)
    if session().scalar(sent) is not None:
        raise Refusal(ErrorCode.BID_EXISTS)
    return _begin(ctx, need, terms)


@use_case(Permission.BID_DRAFT, "bid.replace", returns=Bid)
def replace_bid(ctx: Context, bid_id: UUID, terms: BidTerms) -> Bid:
    """Drafts what is to take the place of a submitted bid. That one stands until an approver hands the new one in, and if
    nobody does, it is the one that is opened. Raises as ``draft_bid``, and ``STATE_CHANGED``."""
    bars.raise_if_barred(ctx)
    found = get_or_404(Bid, bid_id)
    need = _hold_need(found.need_id)
    if found.state != BidState.SUBMITTED:
        raise Refusal(ErrorCode.STATE_CHANGED)
    return _begin(ctx, need, terms, replaces_id=bid_id)


def _begin(ctx: Context, need: Need, terms: BidTerms, replaces_id: UUID | None = None) -> Bid:
    bid = Bid(
        need_id=need.id,
        org_id=ctx.org_id,
        seal_id=need.seal_id,
        case_id=need.case_id,
        state=BidState.DRAFT.value,
        replaces_id=replaces_id,
        fees=[],
        ties=[],
        demands=[],
    )
    _write(ctx, bid, need, terms, _own_product(ctx, terms.product_id))
    session().add(bid)
    begin(ctx, BID, bid)
    _write_lines(bid, terms)
    about(bid, amount_fen=bid.amount_fen, all_in_rate=bid.all_in_rate)
    return bid


def _own_bid(ctx: Context, bid_id: UUID) -> tuple[Bid, Need]:
    """The need is held before the bid is locked, in the order in which a closing locks them."""
    found = get_or_404(Bid, bid_id)
    need = _hold_need(found.need_id)
    return get_or_404(Bid, bid_id, lock=True), need


@use_case(Permission.BID_DRAFT, "bid.edit", returns=Bid)
def edit_bid(ctx: Context, bid_id: UUID, terms: BidTerms) -> Bid:
    """Changes a draft; whoever changed it last is its drafter."""
    _, need = _own_bid(ctx, bid_id)
    bid = with_lines(bid_id)
    fire(ctx, BID, bid, "edit")
    _write(ctx, bid, need, terms, _own_product(ctx, terms.product_id))
    _write_lines(bid, terms)
    about(bid, amount_fen=bid.amount_fen, all_in_rate=bid.all_in_rate)
    return bid


@use_case(Permission.BID_DRAFT, "bid.propose", returns=Bid)
def propose_bid(ctx: Context, bid_id: UUID) -> Bid:
    """Hands a draft to the approver. Raises ``TIES_UNDECLARED`` where nobody has said whether anything is tied to the loan."""
    bid, _ = _own_bid(ctx, bid_id)
    if not bid.ties_declared:
        raise Refusal(ErrorCode.TIES_UNDECLARED, field="ties_answer")
    bid.return_reason = None
    fire(ctx, BID, bid, "propose")
    about(bid)
    return bid


@use_case(Permission.BID_READ, "bid.return", returns=Bid)
def return_bid(ctx: Context, bid_id: UUID, reason: str) -> Bid:
    """Sends a proposed bid back to its drafter with a reason (the drafter may take it back the same way)."""
    bid, _ = _own_bid(ctx, bid_id)
    fire(ctx, BID, bid, "return", reason=reason)
    bid.return_reason = reason.strip()
    if bid.drafted_by is not None and bid.drafted_by != ctx.actor_id:
        notify(
            bid.org_id,
            N_("审批人退回了您起草的报价：%(reason)s"),
            person_id=bid.drafted_by,
            path=f"/bids/{bid.id}",
            case_id=bid.case_id,
            seal_id=bid.seal_id,
            reason=bid.return_reason,
        )
    about(bid)
    return bid


@use_case(Permission.BID_DRAFT, "bid.discard", returns=Bid)
def discard_bid(ctx: Context, bid_id: UUID) -> Bid:
    """Puts a draft away, so that another can be made."""
    bid, _ = _own_bid(ctx, bid_id)
    bid.ended_at = now()
    fire(ctx, BID, bid, "discard")
    about(bid)
    return bid


def submit_bid(ctx: Context, bid_id: UUID) -> Bid:
    """Hands the bid in, sealed and binding: before the hour it is in, after it out, with both times and on record.

    Raises ``SAME_PERSON``, ``APPROVAL_LIMIT``, ``BID_INVALID``, ``BID_LATE``.
    """
    try:
        return _submit(ctx, bid_id)
    except Refusal as refusal:
        if refusal.code is not ErrorCode.BID_AFTER_CLOSE:
            raise
        closed, arrived = _late(ctx.with_token(None), bid_id)
        raise Refusal(ErrorCode.BID_LATE, closed=exact_text(closed), arrived=exact_text(arrived)) from refusal


@use_case(Permission.BID_SUBMIT, "bid.late")
def _late(ctx: Context, bid_id: UUID) -> tuple[datetime, datetime]:
    """Leaves on record that a bid came too late: when bidding closed, when the bid was judged."""
    bid, arrived = get_or_404(Bid, bid_id), now()
    need = get_or_404(Need, bid.need_id)
    closed = need.closed_at or (need.closes_at if need.state == NeedState.OPEN else need.ended_at)
    assert closed is not None
    about(bid, closed=closed, arrived=arrived)
    return closed, arrived


def exact_text(moment: datetime) -> str:
    """A moment in Shanghai to the millisecond: 11-24 18:00:00.214."""
    local = moment.astimezone(SHANGHAI)
    return f"{local:%m-%d %H:%M:%S}.{local.microsecond // 1000:03d}"


@use_case(Permission.BID_SUBMIT, "bid.submit", returns=Bid)
def _submit(ctx: Context, bid_id: UUID) -> Bid:
    bid, need = _own_bid(ctx, bid_id)
    limit = ctx.approval_limit_fen or 0
    if bid.amount_fen > limit:
        raise Refusal(ErrorCode.APPROVAL_LIMIT, limit=money_text(limit))
    if bid.valid_until < earliest_validity(need):
        raise Refusal(ErrorCode.BID_INVALID, field="valid_until")
    if bid.replaces_id is not None:
        earlier = get_or_404(Bid, bid.replaces_id, lock=True)
        if earlier.state == BidState.SUBMITTED:
            earlier.ended_at = now()
            fire(ctx, BID, earlier, "replace")
    fire(ctx, BID, bid, "submit")
    receipt = receipt_service.write(with_lines(bid.id), need)  # read anew: the database judges the hour and writes it down
    about(
        bid,
        amount_fen=bid.amount_fen,
        annual_rate=bid.annual_rate,
        all_in_rate=bid.all_in_rate,
        term_months=bid.term_months,
        method=bid.method,
        fees_fen=bid.fees_fen,
        valid_until=bid.valid_until,
        commitment=receipt.commitment.hex(),
    )
    return bid


@use_case(Permission.BID_WITHDRAW, "bid.withdraw", returns=Bid)
def withdraw_bid(ctx: Context, bid_id: UUID, reason: str) -> Bid:
    """Takes a submitted bid back before closing; afterwards it binds. Raises ``BID_AFTER_CLOSE``."""
    bid, _ = _own_bid(ctx, bid_id)
    bid.ended_at = now()
    fire(ctx, BID, bid, "withdraw", reason=reason)
    about(bid)
    return bid


@use_case(Permission.QUEUE_READ, "queue.export")
def record_queue_export(ctx: Context, rows: int) -> None:
    """Leaves the audit event of an export of the queue."""
    about(rows=rows)
