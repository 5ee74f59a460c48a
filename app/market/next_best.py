"""What is left of a need when a promise on it falls: the next best bids, what is still to be found, and what stands."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import fire
from app.core.notices import notify
from app.core.outbox import emit
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.core.working import N_
from app.market import award_rules, policy
from app.market.bid_lifecycles import BID
from app.market.bid_models import Award, Bid, Choice
from app.market.bid_words import AwardState, BidState, ChoiceState
from app.market.closing_service import DUE, lapse_need, move_bids
from app.market.lifecycles import NEED
from app.market.models import Need
from app.market.words import EndReason, NeedState

constraint("ck_need_parts_stand", ErrorCode.PARTS_STAND)


def standing(need: Need) -> int:
    """What banks have promised on a need, in 分, without promises that fell."""
    stmt = select(func.coalesce(func.sum(Choice.amount_fen), 0))
    return int(session().scalar(stmt.where(Choice.need_id == need.id, Choice.state != ChoiceState.CANCELLED.value)) or 0)


def open_fen(need: Need) -> int:
    """What is still to be found for a need, in 分."""
    return (need.amount_fen or 0) - standing(need)


def least_fen(bid: Bid) -> int:
    """The least that the bank of a bid lends."""
    return bid.amount_fen if bid.min_part_fen is None else bid.min_part_fen


def left_to_choose(need: Need) -> list[Bid]:
    """Bids that bind their banks still and do not exceed what is open, those that lie before the firm and those that lost."""
    waiting = [BidState.OPENED.value, BidState.LOST.value]
    stmt = select(Bid).where(Bid.need_id == need.id, Bid.state.in_(waiting), Bid.valid_until >= today()).order_by(Bid.id)
    wanted = open_fen(need)
    return [bid for bid in session().scalars(stmt) if least_fen(bid) <= wanted]


def choose_again(acting: Context, need: Need, reason: str, *, more_time: bool = True) -> list[Bid]:
    """After a promise fell: bids bind for their validity (peer-platforms paper §2), so those that fit lie before the firm again.

    Returns them. Without any, the need ends where nothing stands; where other parts stand, it goes on with those.
    """
    left = left_to_choose(need)
    if not left:
        if not standing(need):
            lapse_need(acting, need, reason)
        elif need.state == NeedState.CLOSED:
            _settle(acting, need, reason)
        return []
    for bid in left:
        if bid.state == BidState.LOST:
            bid.ended_at = None
            fire(acting, BID, bid, "recall")
            notify(bid.org_id, N_("企业原先选定的银行没有放款，本行的报价重新参加选择，仍有约束力。"), path=f"/bids/{bid.id}")
    _reopen(acting, need, reason, more_time=more_time)
    return left


def reinstate(acting: Context, need: Need, bid: Bid, reason: str) -> None:
    """The bank of a bid that had fallen takes its refusal back: while the firm is choosing, the bid lies before it again."""
    bid.ended_at = None
    fire(acting, BID, bid, "reinstate", reason=reason)
    _reopen(acting, need, reason, more_time=True)


def _reopen(acting: Context, need: Need, reason: str, *, more_time: bool) -> None:
    """The firm chooses again: within five working days [P], or within what it had left if that is longer.

    Without ``more_time`` what it had left is all: it undid the choice itself.
    """
    anew = award_rules.choose_again_by(now(), policy.levels(), policy.calendar())
    if more_time or need.choose_by is None:
        need.choose_by = max(need.choose_by or anew, anew)
    need.next_check_at, need.ended_at = need.choose_by, None
    if need.state == NeedState.CHOSEN:  # with another part of it open already, it is there
        fire(acting, NEED, need, "fall_back", reason=reason)
    emit("need.reopened", need_id=need.id, since=now())


def settle_losers(acting: Context, need: Need) -> None:
    """Bids that were not chosen lose once nothing of the need stands still or is to be chosen; they bind for their validity."""
    still = select(Award.id).where(Award.need_id == need.id, Award.state == AwardState.STANDSTILL.value)
    if need.state == NeedState.CHOSEN and session().scalars(still.limit(1)).first() is None:
        move_bids(acting, need.id, (BidState.OPENED,), "lose", state=BidState.LOST.value, ended_at=now())


def _settle(ctx: Context, need: Need, reason: str) -> None:
    need.next_check_at, need.ended_at = None, now()
    fire(ctx, NEED, need, "settle", reason=reason)
    with elevated(ctx, "need.settle") as acting:
        settle_losers(acting, need)


@use_case(Permission.CHOICE_MAKE, "need.settle", returns=Need)
def go_on_with_less(ctx: Context, need_id: UUID) -> Need:
    """The firm looks for no other bank: the parts that stand are all. Raises ``STATE_CHANGED``, where none stands too."""
    need = get_or_404(Need, need_id, lock=True)
    if not standing(need):
        raise Refusal(ErrorCode.STATE_CHANGED)
    _settle(ctx, need, str(N_("企业不再补选")))
    about(need, standing_fen=standing(need), amount_fen=need.amount_fen)
    return need


def _time_to_choose_is_over(ctx: Context, need: Need) -> None:
    """What was not chosen in time is lost: the part that is open, or the whole need."""
    missing = open_fen(need)
    if not standing(need):
        lapse_need(ctx, need, str(N_("没有在期限内选定")), why=EndReason.NOT_CHOSEN)
        return
    _settle(ctx, need, str(N_("没有在期限内选定")))
    message = N_("其中 %(amount)s 没有在期限内补选，其他份额不变。")
    notify(need.org_id, message, path=f"/needs/{need.id}/award", case_id=need.case_id, amount=money_text(missing))


DUE[NeedState.CLOSED] = _time_to_choose_is_over
