"""Use cases of the choice and of the promise that follows: approved, signed, its conditions met, kept, refused or broken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.audit import plain
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.notices import notify
from app.core.outbox import emit, settle_each, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.core.working import N_
from app.identity.models import Organisation
from app.market import award_rules, policy
from app.market.bid_lifecycles import AWARD, BID, CHOICE
from app.market.bid_models import Award, Bid, Choice, ChoiceCondition, ChoiceRefusal
from app.market.bid_service import with_lines
from app.market.bid_words import USUAL_CONDITIONS, AwardState, BidState, ChoiceState, Outcome
from app.market.closing_service import lapse_bid, lapse_need
from app.market.lifecycles import NEED
from app.market.models import Need
from app.market.words import NeedState

constraint("uq_choice_live", ErrorCode.CHOICE_EXISTS)
constraint("uq_award_live", ErrorCode.CHOICE_EXISTS)
constraint("fk_choice_refusal_condition_no", ErrorCode.CONDITION_UNKNOWN, "condition_no")
constraint("ck_choice_refusal", ErrorCode.CONDITION_UNKNOWN, "condition_no")
constraint("ck_choice_conditions_open", ErrorCode.CONDITIONS_OPEN)

_SHEET = (
    "id", "product_id", "product_version", "amount_fen", "annual_rate", "term_months", "method", "conventions", "conditions",
    "valid_until", "all_in_rate", "effective_rate", "simple_rate", "interest_fen", "fees_fen", "total_extra_fen", "working",
    "submitted_at",
)  # fmt: skip


def cost_sheet(bid: Bid, bank: str) -> dict[str, Any]:
    """贷款明白纸 as it stood: every term and charge of the bid, with the working of its rates."""
    fees = [
        {column: getattr(fee, column) for column in ("kind", "amount_fen", "payee", "at", "every_months", "text")}
        for fee in bid.fees
    ]
    ties = [{"kind": tie.kind, "required": tie.required, "text": tie.text} for tie in bid.ties]
    demands = [{"no": one.no, "kind": one.kind, "text": one.text} for one in bid.demands]
    lines = {"fees": fees, "ties": ties, "demands": demands}
    sheet: dict[str, Any] = plain({"bank": bank, **lines, **{column: getattr(bid, column) for column in _SHEET}})
    return sheet


# --- the firm decides --------------------------------------------------------------------------------------------------


@use_case(Permission.CHOICE_MAKE, "choice.make", returns=Choice)
def choose_bid(ctx: Context, bid_id: UUID) -> Choice:
    """Takes one bid of a closed need. The decision stands still first; ``award_service`` makes it final.

    Raises ``CHOICE_EXISTS``, ``BID_EXPIRED``, ``STATE_CHANGED``.
    """
    found = get_or_404(Bid, bid_id)
    need = get_or_404(Need, found.need_id, lock=True)
    if need.state == NeedState.CHOSEN:
        raise Refusal(ErrorCode.CHOICE_EXISTS)
    fire(ctx, NEED, need, "choose")
    if found.valid_until < today():
        raise Refusal(ErrorCode.BID_EXPIRED)
    need.next_check_at, need.ended_at = None, now()
    bid = with_lines(bid_id)
    if bid.state != BidState.OPENED:
        raise Refusal(ErrorCode.STATE_CHANGED)
    bank = get_or_404(Organisation, bid.org_id)
    until = award_rules.standstill_ends(now(), policy.levels(), policy.calendar())
    award = Award(
        need_id=need.id, org_id=need.org_id, case_id=need.case_id, state=AwardState.STANDSTILL.value, amount_fen=bid.amount_fen,
        standstill_until=until, next_check_at=until, made_at=now(), made_by=ctx.actor_id,
    )
    session().add(award)
    begin(ctx, AWARD, award, event="make")
    choice = Choice(
        award_id=award.id, need_id=need.id, bid_id=bid.id, org_id=need.org_id, bank_org_id=bid.org_id, case_id=need.case_id,
        state=ChoiceState.LIVE.value, amount_fen=bid.amount_fen, cost_sheet=cost_sheet(bid, bank.name), made_at=now(),
        made_by=ctx.actor_id,
    )
    session().add(choice)
    begin(ctx, CHOICE, choice, event="make", shared=True)
    compared = _compared(need.id)
    with elevated(ctx, "choice.make") as acting:
        _tell_banks(acting, compared, bid, until)
    about(choice, bid_id=bid.id, need_id=need.id, bank_id=bid.org_id, amount_fen=bid.amount_fen, all_in_rate=bid.all_in_rate,
          standstill_until=until, compared=[each.id for each in compared])
    return choice


def _compared(need_id: UUID) -> Sequence[Bid]:
    return session().scalars(select(Bid).where(Bid.need_id == need_id, Bid.state == BidState.OPENED.value).order_by(Bid.id)).all()


def _tell_banks(acting: Context, compared: Sequence[Bid], chosen: Bid, until: datetime) -> None:
    """The chosen bank learns that it is meant, the others until when they may object; names come when the choice stands."""
    time = award_rules.day_text(until)
    fire(acting, BID, chosen, "choose")
    told = N_("企业拟选定本行的报价，公示到 %(time)s；没有异议即生效，业务资料随后开放。")
    notify(chosen.org_id, told, path=f"/bids/{chosen.id}", time=time)
    message = N_("企业拟选定另一家银行，公示到 %(time)s，如有异议请在此之前提出。本行的报价在有效期内仍有约束力。")
    for bid in compared:
        if bid.id != chosen.id:
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
        _choose_again(acting, need, reason)


def _choose_again(acting: Context, need: Need, reason: str) -> None:
    """Bids that were not chosen bind for their validity (peer-platforms paper §2): they lie before the firm again."""
    lost = session().scalars(
        select(Bid).where(Bid.need_id == need.id, Bid.state == BidState.LOST.value, Bid.valid_until >= today()).order_by(Bid.id)
    ).all()
    if not lost:
        lapse_need(acting, need, reason)
        return
    for bid in lost:
        bid.ended_at = None
        fire(acting, BID, bid, "recall")
        notify(bid.org_id, N_("企业原先选定的银行没有放款，本行的报价重新参加选择，仍有约束力。"), path=f"/bids/{bid.id}")
    reopen_choice(acting, need, reason)
    notify(need.org_id, N_("选定的银行未能放款：%(reason)s。还有 %(count)s 家银行的报价有效，请重新选定。"),
           path=f"/needs/{need.id}/offers", case_id=need.case_id, reason=reason, count=len(lost))


def reopen_choice(acting: Context, need: Need, reason: str, *, more_time: bool = True) -> None:
    """The firm chooses again: within five working days [P], or within what it had left if that is longer.

    Without ``more_time`` what it had left is all: it undid the choice itself.
    """
    anew = award_rules.choose_again_by(now(), policy.levels(), policy.calendar())
    if more_time or need.choose_by is None:
        need.choose_by = max(need.choose_by or anew, anew)
    need.next_check_at, need.ended_at = need.choose_by, None
    fire(acting, NEED, need, "fall_back", reason=reason)
    emit("need.reopened", need_id=need.id, since=now())
