"""Use cases of the choice and of the promise that follows: approved, signed, its conditions met, kept, refused or broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.audit import plain
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import begin, fire
from app.core.notices import notify
from app.core.outbox import emit, settle_each, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.core.working import N_
from app.identity.models import Organisation
from app.market import award_rules, next_best, policy
from app.market.bid_lifecycles import AWARD, BID, CHOICE
from app.market.bid_models import Award, Bid, Choice, ChoiceCondition, ChoiceRefusal
from app.market.bid_service import RATE, candidate_of, with_lines, working_json
from app.market.bid_words import USUAL_CONDITIONS, AwardState, BidState, ChoiceState, Outcome
from app.market.closing_service import lapse_bid
from app.market.lifecycles import NEED
from app.market.models import Need
from app.market.part_rules import check_mix
from app.market.terms import stored_plan
from app.market.words import NeedState

constraint("uq_choice_live", ErrorCode.CHOICE_EXISTS)
constraint("uq_choice_bid", ErrorCode.CHOICE_EXISTS)
constraint("uq_award_live", ErrorCode.CHOICE_EXISTS)
constraint("ck_choice_part", ErrorCode.PARTS_SUM, "amounts")
constraint("ck_choice_sum", ErrorCode.PARTS_SUM, "amounts")
constraint("fk_choice_refusal_condition_no", ErrorCode.CONDITION_UNKNOWN, "condition_no")
constraint("ck_choice_refusal", ErrorCode.CONDITION_UNKNOWN, "condition_no")
constraint("ck_choice_conditions_open", ErrorCode.CONDITIONS_OPEN)

_SHEET = (
    "id", "product_id", "product_version", "amount_fen", "annual_rate", "term_months", "method", "conventions", "conditions",
    "valid_until", "all_in_rate", "effective_rate", "simple_rate", "interest_fen", "fees_fen", "total_extra_fen", "working",
    "submitted_at", "plan",
)  # fmt: skip
_FEE = ("kind", "amount_fen", "payee", "at", "every_months", "text")


def cost_sheet(bid: Bid, bank: str, amount_fen: int | None = None) -> dict[str, Any]:
    """贷款明白纸 as it stood: every term and charge of the bid, with the working of its rates; a part's is computed for it."""
    fees = [{column: getattr(fee, column) for column in _FEE} for fee in bid.fees]
    ties = [{"kind": tie.kind, "required": tie.required, "text": tie.text} for tie in bid.ties]
    demands = [{"no": one.no, "kind": one.kind, "text": one.text} for one in bid.demands]
    lines = {"fees": fees, "ties": ties, "demands": demands}
    sheet: dict[str, Any] = plain({"bank": bank, **lines, **{column: getattr(bid, column) for column in _SHEET}})
    return sheet if amount_fen in (None, bid.amount_fen) else sheet | _part_of_sheet(bid, amount_fen or 0)


def _part_of_sheet(bid: Bid, amount_fen: int) -> dict[str, Any]:
    """What a part changes in the sheet of its bid: amount, charges, sums and rates."""
    share = candidate_of(bid).share(amount_fen)
    fees = [
        {column: getattr(fee, column) for column in _FEE} | {"amount_fen": part.amount_fen}
        for fee, part in zip(bid.fees, share.offer.fees, strict=True)
    ]
    cost = share.cost
    told: dict[str, Any] = plain({
        "amount_fen": amount_fen, "bid_amount_fen": bid.amount_fen, "fees": fees, "plan": stored_plan(share.offer.plan),
        "interest_fen": cost.interest_fen,
        "fees_fen": cost.fees_fen, "total_extra_fen": cost.total_extra_fen, "all_in_rate": cost.nominal12.quantize(RATE),
        "effective_rate": cost.effective.quantize(RATE), "simple_rate": cost.simple.quantize(RATE),
    })  # fmt: skip
    return told | {"working": working_json(cost.working)}


# --- the firm decides --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pick:
    """How much of a bid the firm takes, in 分."""

    bid_id: UUID
    amount_fen: int


@use_case(Permission.CHOICE_MAKE, "choice.make", returns=Choice)
def choose_bid(ctx: Context, bid_id: UUID) -> Choice:
    """Takes one bid of a closed need as it is. The decision stands still first; ``award_service`` makes it final.

    Raises ``CHOICE_EXISTS``, ``BID_EXPIRED``, ``PARTS_SUM``, ``STATE_CHANGED``.
    """
    found = get_or_404(Bid, bid_id)
    need = get_or_404(Need, found.need_id, lock=True)
    return _choose(ctx, need, [Pick(bid_id, found.amount_fen)])[0]


@use_case(Permission.CHOICE_MAKE, "choice.combine", returns=Need)
def choose_parts(ctx: Context, need_id: UUID, picks: tuple[Pick, ...]) -> Need:
    """Takes several bids that together reach what is open of a need that allows it, each a decision of its own.

    Raises as ``choose_bid``.
    """
    need = get_or_404(Need, need_id, lock=True)
    _choose(ctx, need, picks)
    return need


def _choose(ctx: Context, need: Need, picks: Sequence[Pick]) -> list[Choice]:
    if need.state == NeedState.CHOSEN:
        raise Refusal(ErrorCode.CHOICE_EXISTS)
    bids = _picked(need, picks)
    if any(bid.valid_until < today() for bid, _ in bids):
        raise Refusal(ErrorCode.BID_EXPIRED)
    if any(bid.state != BidState.OPENED for bid, _ in bids):
        raise Refusal(ErrorCode.STATE_CHANGED)
    candidates = {bid.id: candidate_of(bid) for bid, _ in bids}
    amounts = {bid.id: amount for bid, amount in bids}
    alone = not need.allows_parts and len(picks) > 1
    if alone or check_mix(candidates, amounts, next_best.open_fen(need), policy.limits().max_parts):
        raise Refusal(ErrorCode.PARTS_SUM, field="amounts")
    fire(ctx, NEED, need, "choose")
    need.next_check_at, need.ended_at = None, now()
    until = award_rules.standstill_ends(now(), policy.levels(), policy.calendar())
    choices = [_take(ctx, need, bid, amount, until) for bid, amount in bids]
    compared = _compared(need.id)
    with elevated(ctx, "choice.make") as acting:
        _tell_banks(acting, compared, bids, until)
    about(choices[0], need_id=need.id, standstill_until=until, compared=[each.id for each in compared], taken=[
        {"choice_id": one.id, "bid_id": one.bid_id, "bank_id": one.bank_org_id, "amount_fen": one.amount_fen,
         "all_in_rate": Decimal(one.cost_sheet["all_in_rate"])} for one in choices
    ])  # fmt: skip
    return choices


def _picked(need: Need, picks: Sequence[Pick]) -> list[tuple[Bid, int]]:
    """The bids of the need that were picked, with the amounts. Raises ``Refusal(NOT_FOUND)`` for another's."""
    if not picks or len({pick.bid_id for pick in picks}) < len(picks):
        raise Refusal(ErrorCode.PARTS_SUM, field="amounts")
    bids = []
    for pick in picks:
        if get_or_404(Bid, pick.bid_id).need_id != need.id:
            raise Refusal(ErrorCode.NOT_FOUND)
        bids.append((with_lines(pick.bid_id), pick.amount_fen))
    return bids


def _take(ctx: Context, need: Need, bid: Bid, amount_fen: int, until: datetime) -> Choice:
    """One decision with its promise to come."""
    award = Award(
        need_id=need.id, org_id=need.org_id, case_id=need.case_id, state=AwardState.STANDSTILL.value, amount_fen=amount_fen,
        part=need.allows_parts, standstill_until=until, next_check_at=until, made_at=now(), made_by=ctx.actor_id,
    )
    session().add(award)
    begin(ctx, AWARD, award, event="make")
    bank = get_or_404(Organisation, bid.org_id)
    choice = Choice(
        award_id=award.id, need_id=need.id, bid_id=bid.id, org_id=need.org_id, bank_org_id=bid.org_id, case_id=need.case_id,
        state=ChoiceState.LIVE.value, amount_fen=amount_fen, cost_sheet=cost_sheet(bid, bank.name, amount_fen), made_at=now(),
        made_by=ctx.actor_id,
    )
    session().add(choice)
    begin(ctx, CHOICE, choice, event="make", shared=True)
    return choice


def _compared(need_id: UUID) -> Sequence[Bid]:
    return session().scalars(select(Bid).where(Bid.need_id == need_id, Bid.state == BidState.OPENED.value).order_by(Bid.id)).all()


def _tell_banks(acting: Context, compared: Sequence[Bid], chosen: Sequence[tuple[Bid, int]], until: datetime) -> None:
    """The chosen banks learn that they are meant, the others until when they may object; names come when the choice stands."""
    time = award_rules.day_text(until)
    for bid, amount_fen in chosen:
        fire(acting, BID, bid, "choose")
        told = N_("企业拟选定本行的报价，公示到 %(time)s；没有异议即生效，业务资料随后开放。")
        if amount_fen < bid.amount_fen:
            told = N_("企业拟由本行承担 %(amount)s，公示到 %(time)s；没有异议即生效，业务资料随后开放。")
        notify(bid.org_id, told, path=f"/bids/{bid.id}", time=time, amount=money_text(amount_fen))
    taken = {bid.id for bid, _ in chosen}
    message = N_("企业拟选定另一家银行，公示到 %(time)s，如有异议请在此之前提出。本行的报价在有效期内仍有约束力。")
    for bid in compared:
        if bid.id not in taken:
            notify(bid.org_id, message, path=f"/bids/{bid.id}", time=time)


# --- the bank keeps its promise, or does not ---------------------------------------------------------------------------


@use_case(Permission.LOAN_OPEN, "choice.approve", returns=Choice)
def approve(ctx: Context, choice_id: UUID) -> Choice:
    """The bank's final credit decision, within its approver's limit, as the room of loans reports it."""
    choice = get_or_404(Choice, choice_id, lock=True)
    fire(ctx, CHOICE, choice, "approve")
    choice.decided_at = now()
    about(choice)
    return choice


@use_case(Permission.CONDITION_MEET, "choice.sign", returns=Choice)
def sign(ctx: Context, choice_id: UUID, contract_no: str) -> Choice:
    """The contract is signed: its number and the day. Raises ``STATE_CHANGED`` before the approval."""
    choice = _own_choice(ctx, choice_id)
    if not contract_no.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="contract_no")
    with elevated(ctx, "choice.sign"):
        choice = get_or_404(Choice, choice_id, lock=True)
        fire(ctx, CHOICE, choice, "sign")
        choice.contract_no, choice.signed_at = contract_no.strip()[:60], now()
    about(choice)
    return choice


@use_case(Permission.CONDITION_MEET, "choice.meet", returns=Choice)
def meet(ctx: Context, choice_id: UUID, no: int, note: str = "") -> Choice:
    """A condition of the bid has come about. Raises ``STATE_CHANGED`` before the approval, ``ALREADY_DONE``."""
    _own_choice(ctx, choice_id)
    with elevated(ctx, "choice.meet"):
        choice = get_or_404(Choice, choice_id, lock=True)
        condition = get_or_404(ChoiceCondition, (choice_id, no), lock=True)  # type: ignore[arg-type]
        if condition.met_at is not None or condition.kind in USUAL_CONDITIONS:
            raise Refusal(ErrorCode.ALREADY_DONE)
        fire(ctx, CHOICE, choice, "meet")
        condition.met_at, condition.met_by, condition.note = now(), ctx.actor_id, note.strip()[:200]
    about(choice, no=no, kind=condition.kind)
    return choice


def _own_choice(ctx: Context, choice_id: UUID) -> Choice:
    choice = get_or_404(Choice, choice_id)
    if choice.bank_org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    return choice


def conditions_of(choice_id: UUID) -> list[ChoiceCondition]:
    """The conditions of a promise in their order."""
    stmt = select(ChoiceCondition).where(ChoiceCondition.choice_id == choice_id).order_by(ChoiceCondition.no)
    return list(session().scalars(stmt.execution_options(populate_existing=True)))


@use_case(Permission.LOAN_OPEN, "choice.keep", returns=Choice)
def keep(ctx: Context, choice_id: UUID, drawn_on: date, contract_no: str = "") -> Choice:
    """The money has left: the promise is kept. A contract that nobody recorded is taken from the drawdown.

    Raises ``CONDITIONS_OPEN`` while a condition of the bid has not come about.
    """
    choice = get_or_404(Choice, choice_id, lock=True)
    award = get_or_404(Award, choice.award_id, lock=True)
    if any(one.met_at is None and one.kind not in USUAL_CONDITIONS for one in conditions_of(choice_id)):
        raise Refusal(ErrorCode.CONDITIONS_OPEN)
    if choice.state == ChoiceState.APPROVED:
        fire(ctx, CHOICE, choice, "sign")
        choice.contract_no, choice.signed_at = contract_no.strip()[:60] or None, now()
    choice.kept_at, choice.next_check_at, choice.outcome = now(), None, Outcome.KEPT.value
    fire(ctx, CHOICE, choice, "keep")
    award.ended_at = now()
    fire(ctx, AWARD, award, "done")
    emit("promise.kept", choice_id=choice.id, bank_id=choice.bank_org_id, on=drawn_on)
    about(choice, drawn_on=drawn_on)
    return choice


@use_case(Permission.LOAN_OPEN, "choice.refuse", returns=Choice)
def refuse(ctx: Context, choice_id: UUID, condition_no: int, text: str) -> Choice:
    """The bank does not lend because a condition of its own bid failed: the only ground there is.

    Raises ``CONDITION_UNKNOWN``, ``REASON_NEEDED``. The firm chooses again among the bids that still bind, or starts over.
    """
    choice = get_or_404(Choice, choice_id, lock=True)
    if not text.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    if condition_no not in {one.no for one in conditions_of(choice_id)}:
        raise Refusal(ErrorCode.CONDITION_UNKNOWN, field="condition_no")
    session().add(ChoiceRefusal(choice_id=choice.id, bid_id=choice.bid_id, condition_no=condition_no, text=text.strip()[:500],
                                by=ctx.actor_id, at=now()))
    session().flush()
    _fall(ctx, choice, "refuse", Outcome.EXCUSED, text)
    about(choice, condition_no=condition_no)
    return choice


@use_case(Permission.NEED_TICK, "choice.break")
def break_promise(ctx: Context, choice_id: UUID) -> bool:
    """A promise that was not kept within the limit (30 days [P]) is broken, and counted. ``False`` where nothing is due."""
    choice = get_or_404(Choice, choice_id, lock=True)
    about(choice)
    if choice.next_check_at is None or choice.next_check_at > now():
        return False
    _fall(ctx, choice, "break", Outcome.BROKEN, str(N_("银行没有在期限内放款")))
    return True


@timed("market.promises")
def break_due_promises(ctx: Context) -> int:
    """Every promise whose time is over, each in its own transaction."""
    with reading(ctx, Permission.NEED_TICK) as db:
        due = list(db.scalars(select(Choice.id).where(Choice.next_check_at <= now()).order_by(Choice.next_check_at).limit(200)))
    return settle_each(due, lambda choice_id: break_promise(ctx, choice_id), "choice")


def _fall(ctx: Context, choice: Choice, event: str, outcome: Outcome, reason: str) -> None:
    """A promise that ends without a loan: the award falls, and the next best bids are called back while they bind."""
    with elevated(ctx, "choice.fall") as acting:
        need = get_or_404(Need, choice.need_id, lock=True)
        award = get_or_404(Award, choice.award_id, lock=True)
        bid = get_or_404(Bid, choice.bid_id, lock=True)
        choice.cancelled_at, choice.next_check_at, choice.outcome = now(), None, outcome.value
        fire(acting, CHOICE, choice, event, reason=reason)
        award.ended_at, award.next_check_at = now(), None
        fire(acting, AWARD, award, "fall", reason=reason)
        lapse_bid(acting, bid, reason)
        topic = "promise.broken" if outcome is Outcome.BROKEN else "promise.excused"
        emit(topic, choice_id=choice.id, bank_id=choice.bank_org_id, on=today())
        left = next_best.choose_again(acting, need, reason)
        _tell_firm(need, choice, reason, len(left))


def _tell_firm(need: Need, choice: Choice, reason: str, left: int) -> None:
    """What became of the promise and what is left; that nothing is left at all the need's end has told."""
    stands = next_best.standing(need)
    if stands:
        message = N_("其中 %(amount)s 没有落实：%(reason)s。还有 %(count)s 家银行的报价可以补上，请补选；其他份额不变。")
        if not left:
            message = N_("其中 %(amount)s 没有落实：%(reason)s。没有可以补上的报价，其他份额不变。")
    elif left:
        message = N_("选定的银行未能放款：%(reason)s。还有 %(count)s 家银行的报价有效，请重新选定。")
    else:
        return
    page = "offers" if left else "award"
    notify(need.org_id, message, path=f"/needs/{need.id}/{page}", case_id=need.case_id, reason=reason, count=left,
           amount=money_text(choice.amount_fen))
