"""Use cases of time: a need is extended, closes once, opens its envelope, or lapses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from app.core.calendar import now
from app.core.cases import open_seal
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import fire, fire_many
from app.core.notices import notify
from app.core.outbox import emit, settle_each, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.core.working import N_
from app.market import policy, receipt_service
from app.market.bid_lifecycles import BID
from app.market.bid_models import Bid
from app.market.bid_words import BidState
from app.market.lifecycles import NEED
from app.market.models import Need
from app.market.receipt_rules import opened_digest
from app.market.words import EndReason, NeedState

DUE: dict[NeedState, Callable[[Context, Need], None]] = {}
"""What its hour does to a need before and after bidding; ``screening_service`` and ``next_best`` say it."""


@use_case(Permission.NEED_CLOSE, "need.extend", returns=Need)
def extend_need(ctx: Context, need_id: UUID) -> Need:
    """Gives banks until the fifth working day, once. Raises ``ALREADY_DONE`` the second time."""
    need = get_or_404(Need, need_id, lock=True)
    if need.extended_at is not None:
        raise Refusal(ErrorCode.ALREADY_DONE)
    assert need.published_at is not None or need.state == NeedState.DRAFT
    fire(ctx, NEED, need, "extend")
    need.extended_at = now()
    need.closes_at = need.next_check_at = max(
        need.closes_at or now(), policy.bids_close_at_latest(need.corrected_at or need.published_at or now())
    )  # a need for a list takes bids longer
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
    need.choose_by = need.next_check_at = policy.choice_ends_at(need.closed_at)
    fire(ctx, NEED, need, "close")
    assert need.seal_id is not None
    open_seal(need.seal_id)
    with elevated(ctx, "need.close") as acting:
        lapse_bids(acting, need.id, BidState.DRAFT, BidState.PROPOSED)
        count = move_bids(acting, need.id, (BidState.SUBMITTED,), "open", state=BidState.OPENED.value, opened_at=need.closed_at)
        digest = opened_digest(receipt_service.commitments(need.id)).hex()
        if count:
            notify(
                need.org_id,
                N_("报价已开启：收到 %(count)s 家银行的报价，请比较后选定一家。"),
                path=f"/needs/{need.id}/offers",
                case_id=need.case_id,
                count=count,
            )
    if not count:
        lapse_need(ctx, need, str(N_("没有收到报价")), why=EndReason.NO_BIDS)
    emit("need.closed", need_id=need.id, bids=count)
    about(need, bids=count, choose_by=need.choose_by, opened_digest=digest)


def move_bids(acting: Context, need_id: UUID, states: tuple[BidState, ...], event: str, **values: Any) -> int:
    """Moves the bids of a need in these states at one go. ``acting`` is the portal's identity; the seal is open."""
    ids = session().scalars(select(Bid.id).where(Bid.need_id == need_id, Bid.state.in_([state.value for state in states])))
    return fire_many(acting, BID, Bid, ids, event, update(Bid).values(**values))


def lapse_bids(acting: Context, need_id: UUID, *states: BidState) -> int:
    """Ends the bids of a need in these states without a choice."""
    return move_bids(acting, need_id, states, "lapse", state=BidState.LAPSED.value, ended_at=now())


def lapse_bid(acting: Context, bid: Bid, reason: str | None = None) -> None:
    """Ends a bid without a choice. ``acting`` is the portal's identity; the seal is open."""
    bid.ended_at = now()
    fire(acting, BID, bid, "lapse", reason=reason)


def lapse_need(ctx: Context, need: Need, reason: str, *, why: EndReason = EndReason.NOT_KEPT) -> None:
    """Ends a need for which nobody bid, chose in time, or kept a promise; its bids expire with it."""
    need.ended_at, need.next_check_at = now(), None
    fire(ctx, NEED, need, "lapse", reason=reason)
    emit("need.ended", need_id=need.id, why=why)
    with elevated(ctx, "need.lapse") as acting:
        opened = select(Bid.id, Bid.org_id).where(Bid.need_id == need.id, Bid.state == BidState.OPENED.value)
        bids = session().execute(opened).all()
        lapse_bids(acting, need.id, BidState.OPENED, BidState.LOST)
        for bid in bids:
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
    elif need.state in DUE:
        DUE[NeedState(need.state)](ctx, need)
    else:
        need.next_check_at = None
    return True


@timed("market.needs")
def settle_due_needs(ctx: Context) -> int:
    """Every need whose time has come, each in its own transaction; a late closing runs once all the same."""
    with reading(ctx, Permission.NEED_TICK) as db:
        due = list(db.scalars(select(Need.id).where(Need.next_check_at <= now()).order_by(Need.next_check_at).limit(200)))
    return settle_each(due, lambda need_id: settle_need(ctx, need_id), "need")
