"""Use cases of time: a need is extended, closes once, opens its envelope, or lapses."""

from __future__ import annotations

import logging
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now
from app.core.cases import open_seal
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import fire
from app.core.notices import notify
from app.core.outbox import timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.core.working import N_
from app.market import need_rules
from app.market.bid_lifecycles import BID
from app.market.bid_models import Bid
from app.market.bid_words import BidState
from app.market.lifecycles import NEED
from app.market.models import Need
from app.market.words import NeedState

log = logging.getLogger(__name__)


@use_case(Permission.NEED_CLOSE, "need.extend", returns=Need)
def extend_need(ctx: Context, need_id: UUID) -> Need:
    """Gives banks until the fifth working day, once. Raises ``ALREADY_DONE`` the second time."""
    need = get_or_404(Need, need_id, lock=True)
    if need.extended_at is not None:
        raise Refusal(ErrorCode.ALREADY_DONE)
    assert need.published_at is not None or need.state == NeedState.DRAFT
    fire(ctx, NEED, need, "extend")
    need.extended_at = now()
    need.closes_at = need.next_check_at = need_rules.bids_close_at_latest(need.published_at or now())
    about(need, closes_at=need.closes_at)
    return need


@use_case(Permission.NEED_CLOSE, "need.close", returns=Need)
def close_need(ctx: Context, need_id: UUID) -> Need:
    """Closes bidding before its time and opens the envelope. Without any bid the need lapses at once."""
    need = get_or_404(Need, need_id, lock=True)
    _close(ctx, need)
    return need


def _close(ctx: Context, need: Need) -> None:
    """Opens the seal in the transaction that ends bidding: nobody reads a bid while another may still be handed in."""
    need.closed_at = now()
    need.choose_by = need.next_check_at = need_rules.choice_ends_at(need.closed_at)
    fire(ctx, NEED, need, "close")
    assert need.seal_id is not None
    open_seal(need.seal_id)
    with elevated(ctx, "need.close") as acting:
        bids = list(session().scalars(select(Bid).where(Bid.need_id == need.id).with_for_update()))
        for bid in bids:
            if bid.state in (BidState.DRAFT, BidState.PROPOSED):
                lapse_bid(acting, bid)
        count = sum(bid.state == BidState.SUBMITTED for bid in bids)
        if count:
            notify(
                need.org_id,
                N_("报价已开启：收到 %(count)s 家银行的报价，请比较后选定一家。"),
                path=f"/needs/{need.id}/offers",
                case_id=need.case_id,
                count=count,
            )
    if not count:
        _lapse(ctx, need, str(N_("没有收到报价")))
    about(need, bids=count, choose_by=need.choose_by)


def lapse_bid(acting: Context, bid: Bid, reason: str | None = None) -> None:
    """Ends a bid without a choice. ``acting`` is the portal's identity; the seal is open."""
    bid.ended_at = now()
    fire(acting, BID, bid, "lapse", reason=reason)


def _lapse(ctx: Context, need: Need, reason: str) -> None:
    """Ends a need for which nobody bid or chose in time; its bids expire with it."""
    need.ended_at, need.next_check_at = now(), None
    fire(ctx, NEED, need, "lapse", reason=reason)
    with elevated(ctx, "need.lapse") as acting:
        bids = list(
            session().scalars(select(Bid).where(Bid.need_id == need.id, Bid.state == BidState.SUBMITTED.value).with_for_update())
        )
        for bid in bids:
            lapse_bid(acting, bid)
            notify(bid.org_id, N_("企业没有在期限内选定银行，本行的报价已失效。"), path=f"/bids/{bid.id}", case_id=need.case_id)
        notify(
            need.org_id,
            N_("融资需求已失效：%(reason)s。您可以重新发起一轮。"),
            path=f"/needs/{need.id}",
            case_id=need.case_id,
            reason=reason,
        )


@use_case(Permission.NEED_TICK, "need.tick")
def settle_need(ctx: Context, need_id: UUID) -> bool:
    """What time does to one need: closes it, or lets it lapse. ``False`` where nothing is due any more."""
    need = get_or_404(Need, need_id, lock=True)
    about(need)
    if need.next_check_at is None or need.next_check_at > now():
        return False
    if need.state == NeedState.OPEN:
        _close(ctx, need)
    elif need.state == NeedState.CLOSED:
        _lapse(ctx, need, str(N_("没有在期限内选定")))
    else:
        need.next_check_at = None
    return True


@timed("market.needs")
def settle_due_needs(ctx: Context) -> int:
    """Every need whose time has come, each in its own transaction; a late closing runs once all the same."""
    with reading(ctx, Permission.NEED_TICK) as db:
        due = list(db.scalars(select(Need.id).where(Need.next_check_at <= now()).order_by(Need.next_check_at).limit(200)))
    settled = 0
    for need_id in due:
        try:
            settled += settle_need(ctx, need_id)
        except Exception:
            log.exception("need %s could not be settled", need_id)
    return settled
