"""Pages of the queue: open needs ranked for the bank, and one of them as consent shows it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any
from uuid import UUID

from flask import render_template, request, session
from flask_babel import lazy_gettext as _l

from app.core.calendar import today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.drawn import address_of
from app.core.filters import Filter, fixed, remembered
from app.core.languages import gettext
from app.core.permissions import Permission
from app.core.tables import Column, export_xlsx, wants_export
from app.core.uscc import DISTRICTS
from app.core.use_case import reading
from app.core.views import paper_rows
from app.core.web import context, send_xlsx
from app.enterprises.industries import SECTIONS
from app.market import answer_queries, bid_service, claim_service, product_queries, queries, queue, rank_service, service
from app.market.answer_views import question_text
from app.market.answer_words import PAPERS, REFUSALS
from app.market.display import card_title, deadline, kind_text, marks, months_text, profile_chips, score_text
from app.market.door import room
from app.market.exposure_rules import Exposure
from app.market.models import Bid, Need
from app.market.paper_views import papers_with
from app.market.words import WANTED_KINDS, BidState, NeedState

GRADES = ("A", "B", "C", "D", "E")


def divisions(letters: tuple[str, ...]) -> list[str]:
    """Two-digit divisions of these sections of GB/T 4754."""
    return [
        f"{number:02d}" for section in SECTIONS if section.letter in letters for number in range(section.first, section.last + 1)
    ]


def _action(row: queue.QueueRow) -> tuple[str, str]:
    """Who may draft goes straight to the bid; everybody else looks."""
    if row.bid_state is None and context().can(Permission.BID_DRAFT):
        return gettext("报价"), address_of("market.new_bid", "need_id", row.id)
    return gettext("查看"), address_of("market.queue_need", "need_id", row.id)


def _row_keys(rows: Sequence[str]) -> list[Hashable]:
    """A row of the queue shows what was told of it, says 今天 or 明天, and offers a bid to those who may draft one."""
    day, drafts = today(), context().can(Permission.BID_DRAFT)
    return [(told, day, drafts) for told in rows]


QUEUE = queue.RankedTable(
    "queue",
    columns=[
        Column(
            "name",
            _l("企业"),
            sortable=False,
            render=lambda row: row.name or card_title(row),
            sub=lambda row: card_title(row) if row.name else gettext("名称未授权本行"),
            export=lambda row: row.name or card_title(row),
        ),
        Column(
            "amount_fen",
            _l("金额"),
            kind="money",
            sub=lambda row: f"{months_text(row.term_months)} · {kind_text(row.product_kind)}",
        ),
        Column("profile", _l("信用画像"), sortable=False, render=profile_chips, export=profile_chips),
        Column("score", _l("匹配度"), render=score_text, export=lambda row: row.score),
        Column("marks", _l("标记"), sortable=False, render=marks, export=marks),
        Column("closes_at", _l("截止"), kind="datetime", render=deadline),
    ],
    filters=[
        Filter(
            "district",
            _l("地区"),
            kind="choices",
            choices=fixed(lambda: [(code, gettext(name)) for code, name in DISTRICTS.items()]),
            apply=lambda stmt, value: stmt.where(queue.PLACE.c.district.in_(value)),
        ),
        Filter(
            "industry",
            _l("行业"),
            kind="choices",
            choices=fixed(lambda: [(section.letter, gettext(section.name_zh)) for section in SECTIONS]),
            apply=lambda stmt, value: stmt.where(queue.PLACE.c.division.in_(divisions(value))),
        ),
        Filter(
            "amount",
            _l("金额"),
            kind="money",
            unit=_l("万元"),
            apply=lambda stmt, value: stmt.where(
                *([queue.PLACE.c.amount_fen >= value.low] if value.low is not None else []),
                *([queue.PLACE.c.amount_fen <= value.high] if value.high is not None else []),
            ),
        ),
        Filter(
            "kind",
            _l("担保"),
            kind="choice",
            choices=fixed(lambda: [(key, gettext(text)) for key, text in WANTED_KINDS.items()]),
            apply=lambda stmt, value: stmt.where(queue.PLACE.c.kind == value),
        ),
        Filter(
            "profile",
            _l("画像"),
            kind="choices",
            choices=fixed(lambda: [
                ("first", gettext("前三分之一")),
                ("second", gettext("中间三分之一")),
                ("third", gettext("后三分之一")),
                *((grade, gettext("%(grade)s 级", grade=grade)) for grade in GRADES),
                ("none", gettext("未评级或未授权")),
            ]),
            apply=lambda stmt, value: stmt.where(queue.PLACE.c.bands.overlap(list(value))),
        ),
        Filter("first", _l("只看首贷户"), kind="flag", apply=lambda stmt, value: stmt.where(queue.PLACE.c.first_loan)),
        Filter("bookable", _l("只看可入库"), kind="flag", apply=lambda stmt, value: stmt.where(queue.PLACE.c.bookable)),
        Filter(
            "mine",
            _l("只看我认领的"),
            kind="flag",
            apply=lambda stmt, value: stmt.where(queue.claimed(by_me=True)),
        ),
        Filter("unclaimed", _l("只看没人认领的"), kind="flag", apply=lambda stmt, value: stmt.where(~queue.claimed())),
        Filter("unanswered", _l("只看未报价"), kind="flag", apply=lambda stmt, value: stmt.where(~queue.own_bid())),
    ],
    default_sort="-score",
    row_url=lambda row: address_of("market.queue_need", "need_id", row.id),
    row_action=_action,
    row_keys=_row_keys,
    unfold=queue.row_of,
    empty_title=_l("现在没有开放的需求"),
    empty_hint=_l("企业提交需求后会出现在这里，按与本行产品的匹配度排序。"),
)


@room.page("/queue", Permission.QUEUE_READ)
def queue_list() -> Any:
    """Open needs, ranked for this bank. What nobody ranked yet is ranked first."""
    ctx = context()
    args = remembered(QUEUE, request.args, session)
    exports = wants_export(request.args)
    found = QUEUE.load_queue(ctx, args)
    if found.waits:
        rank_service.catch_up(ctx, found.waits)
        if not exports:
            found = QUEUE.load_queue(ctx, args)
    if not exports:
        return render_template(
            "market/queue.html",
            page=found.page,
            products=found.products,
            most=queue.MOST_SHOWN,
            load_permission=Permission.LOAD_READ,
        )
    rows = QUEUE.load_export(ctx, args)
    bid_service.record_queue_export(ctx, len(rows))
    return send_xlsx(export_xlsx(QUEUE, rows, gettext("需求")), "queue.xlsx")


def card(ctx: Context, need: Need) -> queue.QueueRow:
    """One need as the queue shows it to the actor's bank."""
    return queue.with_names(queue.rank(ctx, [need]))[0]


@room.page("/queue/<uuid:need_id>", Permission.NEED_LOOK)
def queue_need(need_id: UUID) -> Any:
    """One need as consent lets this bank see it; the look is recorded."""
    ctx = context()
    with reading(ctx, Permission.NEED_LOOK):
        queries.need_to_bid_on(ctx, need_id)  # says so where bidding has ended since a notice led here
    service.look_at_need(ctx, need_id)
    with reading(ctx, Permission.NEED_LOOK):
        need = get_or_404(Need, need_id)
        bid = queries.own_live_bid(ctx, need_id)
        return render_template(
            "market/queue_need.html",
            need=need,
            row=card(ctx, need),
            bid=bid,
            may_bid=_may_bid(ctx, need, bid) and answer_queries.own_refusal(ctx, need_id) is None,
            has_products=bool(product_queries.own_products(ctx)),
            kind_text=kind_text,
            months_text=months_text,
            marks=marks,
            profile_chips=profile_chips,
            score_text=score_text,
            card_title=card_title,
            **_answers(ctx, need, bid),
            versions=queries.versions(need),
            need_papers=papers_with(need_id),
            paper_names=PAPERS,
            exposure=Exposure.read(need.exposure) if need.exposure else None,
            is_open=need.state == NeedState.OPEN,
            claim=claim_service.claim_on(ctx, need_id),
            may_claim=ctx.can(Permission.NEED_CLAIM),
            held=next((one.claims for one in claim_service.load(ctx) if one.person_id == ctx.actor_id), 0),
            capacity=claim_service.capacity(ctx),
        )


def _answers(ctx: Context, need: Need, bid: Bid | None) -> dict[str, Any]:
    """What a bank may do beside bidding, and what the firm has told."""
    refusal = answer_queries.own_refusal(ctx, need.id)
    given = answer_queries.answers(need.id)
    is_open = need.state == NeedState.OPEN
    busy = bid is not None and bid.state in (BidState.DRAFT, BidState.PROPOSED, BidState.SUBMITTED)
    return {
        "refusal": refusal,
        "may_refuse": is_open and not busy and ctx.can(Permission.NEED_REFUSE),
        "may_ask": is_open and refusal is None and ctx.can(Permission.QUESTION_ASK),
        "questions": answer_queries.questions(need.id),
        "answers": given,
        "papers": {key: paper_rows(rows) for key, rows in answer_queries.papers([one.id for one in given]).items()},
        "papers_wanted": PAPERS,
        "refusals": REFUSALS,
        "question_text": question_text,
    }


def _may_bid(ctx: Any, need: Need, bid: Bid | None) -> bool:
    fresh = bid is None or bid.state == BidState.WITHDRAWN
    return fresh and need.state == NeedState.OPEN and ctx.can(Permission.BID_DRAFT)
