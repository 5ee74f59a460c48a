"""What the market tells the shared pages: menu, homes, stations of the line, next step, words of the timeline, links."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import now
from app.core.context import Context
from app.core.formats import datetime_text, money_text
from app.core.models import Case
from app.core.pages import CaseLink, Group, NextStep, Station, Wait, case_links, event_texts, home, menu, next_steps, stations
from app.core.permissions import OrgKind, Permission
from app.market import bid_queries, queries
from app.market.bid_registers import after_choice
from app.market.display import need_title
from app.market.next_best import standing
from app.market.policy import choice_asked_by
from app.market.words import NEED_STATES, NEED_TONES, NeedState

menu.add(_l("融资"), "market.needs", Permission.NEED_READ, 10, Group.FINANCING)
menu.add(_l("需求"), "market.queue_list", Permission.QUEUE_READ, 10, Group.FINANCING)
menu.add(_l("产品"), "market.products", Permission.PRODUCT_EDIT, 70, Group.FINANCING)

for _event, _text in {
    "create": _l("开始填写融资需求"),
    "submit": _l("提交融资需求，等待服务台核对"),
    "release": _l("核对通过，开始密封报价"),
    "return": _l("退回修改"),
    "correct": _l("更正融资需求"),
    "discard": _l("删除草稿"),
    "extend": _l("延长报价时间"),
    "close": _l("报价截止，报价开启"),
    "withdraw": _l("撤回融资需求"),
    "choose": _l("选定一家银行"),
    "lapse": _l("融资需求失效"),
}.items():
    event_texts.add("need", _event, _text)
for _event, _text in {"create": _l("新增产品"), "edit": _l("修改产品"), "retire": _l("停用产品")}.items():
    event_texts.add("product", _event, _text)


def line_stations(ctx: Context, case: Case) -> list[Station]:
    """提交, 报价, 选定: one statement for the three."""
    need = queries.need_of_case(case.id)
    if need is None:
        return []
    url = url_for("market.need", need_id=need.id) if ctx.org_kind is OrgKind.ENTERPRISE else None
    over = need.state in (NeedState.WITHDRAWN, NeedState.LAPSED)
    if need.published_at is None:
        waits = need.state == NeedState.CHECKING
        due = need.check_due_at if waits else None
        stage = Station("submit", _l("提交"), "stopped" if over else "here", at=need.ended_at, due=due, url=url)
        return [stage, Station("bids", _l("报价")), Station("choice", _l("选定"))]
    sent = Station("submit", _l("提交"), "done", at=need.published_at, url=url)
    if need.closed_at is None:
        bidding = Station("bids", _l("报价"), "stopped" if over else "here", at=need.ended_at, due=need.closes_at, url=url)
        return [sent, bidding, Station("choice", _l("选定"))]
    offers = url_for("market.offers", need_id=need.id) if url else None
    bidding = Station("bids", _l("报价"), "done", at=need.closed_at, url=offers)
    if over:
        return [sent, bidding, Station("choice", _l("选定"), "stopped", at=need.ended_at)]
    if need.state == NeedState.CHOSEN:
        return [sent, bidding, Station("choice", _l("选定"), "done", at=need.ended_at, url=offers)]
    return [sent, bidding, Station("choice", _l("选定"), "here", due=asked_by(need), url=offers)]


def asked_by(need: Any) -> datetime:
    """By when the firm is asked to choose; after that, when the offers expire."""
    target = choice_asked_by(need.closed_at)
    return target if target > now() else need.choose_by


def next_step(ctx: Context, case: Case) -> NextStep | None:
    """Whose turn it is between publishing and choice."""
    need = queries.need_of_case(case.id)
    if need is None:
        return None
    firm = ctx.org_kind is OrgKind.ENTERPRISE
    if need.state == NeedState.CHECKING:
        last = datetime_text(need.check_due_at, relative=True)
        text = _l("服务台正在核对；%(time)s 前没有答复就自动放行，开始报价。", time=last)
        return NextStep(_l("服务台"), text, mine=False)
    if need.state == NeedState.RETURNED:
        return NextStep(
            _l("轮到您了") if firm else _l("企业"), _l("服务台退回了需求，请按说明修改后重新提交。"),
            by=need.next_check_at, otherwise=_l("到期没有提交，这份需求失效。"), mine=firm,
        )
    if need.state == NeedState.OPEN:
        text = _l(
            "正在密封报价，%(time)s 截止时一起开启；在那之前谁也看不到报价，也看不到有几家。",
            time=datetime_text(need.closes_at, relative=True),
        )
        return NextStep(_l("银行"), text, mine=False)
    if need.state == NeedState.CLOSED:
        last = datetime_text(need.choose_by)
        return NextStep(
            _l("轮到您了") if firm else _l("企业"),
            _l("有一部分没有着落，请补选，或就此为止。") if standing(need) else _l("银行的报价已开启，请选定一家。"),
            by=asked_by(need),
            otherwise=_l("最晚 %(time)s，超过时间报价失效，可重新发起。", time=last),
            mine=firm,
        )
    if need.state == NeedState.CHOSEN:
        return after_choice(need)
    return NextStep(_l("已结束"), _l("这一轮没有成交，可以照原来的内容重新发起一轮。"), mine=False)


stations.add(20, line_stations)
next_steps.add(20, next_step)


def choosing_again(ctx: Context, case: Case) -> NextStep | None:
    """A need that came back to the choice waits for its firm, whatever stands of the loans that it led to."""
    need = queries.need_of_case(case.id)
    return next_step(ctx, case) if need is not None and need.state == NeedState.CLOSED else None


next_steps.add(60, choosing_again)


def links(ctx: Context, case: Case) -> list[CaseLink]:
    """The need of the case, for the firm; the bid, for its bank."""
    need = queries.need_of_case(case.id)
    if need is None:
        return []
    if ctx.org_kind is OrgKind.BANK:
        bid = bid_queries.own_live_bid(ctx, need.id) if ctx.can(Permission.BID_READ) else None
        return [CaseLink(_l("本行报价"), money_text(bid.amount_fen), url_for("market.bid", bid_id=bid.id), "info")] if bid else []
    if ctx.org_kind is not OrgKind.ENTERPRISE:
        return []
    tone: Any = NEED_TONES[NeedState(need.state)]
    return [CaseLink(_l("融资需求"), gettext(NEED_STATES[need.state]), url_for("market.need", need_id=need.id), tone)]


case_links.add(20, links)


def firm_waits(ctx: Context) -> list[Wait]:
    """Drafts to finish, offers to choose from."""
    waits = []
    for need in queries.firm_waits():
        if need.state == NeedState.DRAFT:
            waits.append(Wait(_l("继续填写融资需求"), need_title(need), url_for("market.need", need_id=need.id), order=60))
        elif need.state == NeedState.RETURNED:
            waits.append(
                Wait(
                    _l("服务台退回了需求，请修改后重新提交"),
                    need_title(need),
                    url_for("market.need", need_id=need.id),
                    due=need.next_check_at,
                    tone="wait",
                    order=12,
                )
            )
        elif need.state == NeedState.CLOSED:
            waits.append(
                Wait(
                    _l("报价已开启，请选定一家银行"),
                    need_title(need),
                    url_for("market.offers", need_id=need.id),
                    due=asked_by(need),
                    tone="wait",
                    order=10,
                )
            )
    return waits


home.add_waits(Permission.NEED_READ, firm_waits)
