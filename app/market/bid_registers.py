"""What bids and choices tell the shared pages: menu, the bank's home, words of the timeline."""

from __future__ import annotations

from datetime import datetime, time

from flask import url_for
from flask_babel import lazy_gettext as _l

from app.core.calendar import SHANGHAI, today
from app.core.context import Context
from app.core.formats import money_text
from app.core.pages import Figure, Group, NextStep, Wait, event_texts, home, menu
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.market import bid_queries
from app.market.bid_words import AwardState, BidState
from app.market.display import card_title
from app.market.models import Need

menu.add(_l("我的报价"), "market.bids", Permission.BID_READ, 20, Group.FINANCING)

for _event, _text in {
    "create": _l("起草报价"),
    "edit": _l("修改报价"),
    "propose": _l("提请审批"),
    "discard": _l("删除报价草稿"),
    "return": _l("退回起草人"),
    "submit": _l("密封提交报价"),
    "withdraw": _l("撤回报价"),
    "choose": _l("报价被选定"),
    "replace": _l("由新的报价替换"),
    "open": _l("报价开启"),
    "lose": _l("企业选定了另一家"),
    "undo": _l("企业取消选定"),
    "recall": _l("重新参加选择"),
    "lapse": _l("报价失效"),
    "reinstate": _l("银行撤销婉拒，报价重新参加选择"),
}.items():
    event_texts.add("bid", _event, _text)
for _event, _text in {
    "make": _l("选定一份报价"),
    "approve": _l("银行批准"),
    "sign": _l("签订合同"),
    "meet": _l("一项条件成立"),
    "keep": _l("银行放款，承诺兑现"),
    "refuse": _l("银行以条件不成立为由拒绝放款"),
    "break": _l("承诺未兑现"),
    "undo": _l("选定被取消"),
}.items():
    event_texts.add("choice", _event, _text)
for _event, _text in {
    "make": _l("选定开始公示"),
    "undo": _l("企业取消选定"),
    "uphold": _l("异议成立，选定取消"),
    "stand": _l("选定生效，银行进入审批"),
    "done": _l("贷款已发放"),
    "fall": _l("选定落空"),
}.items():
    event_texts.add("award", _event, _text)
for _event, _text in {"object": _l("提出异议"), "dismiss": _l("异议不成立"), "uphold": _l("异议成立")}.items():
    event_texts.add("objection", _event, _text)
event_texts.add("need", "fall_back", _l("回到选择：选定没有成立"))
event_texts.add("need", "settle", _l("不再补选，按已选定的份额办理"))


def after_choice(need: Need) -> NextStep:
    """Whose turn it is once the firm has chosen: time's while it stands still, the desk's over an objection, the bank's then."""
    still = [award for award in bid_queries.live_awards(need.id) if award.state == AwardState.STANDSTILL]
    if not still:
        return NextStep(_l("银行"), _l("正在审批，结果和放款会出现在这里。"), mine=False)
    if any(award.next_check_at is None for award in still):
        return NextStep(_l("服务台"), _l("有银行提出异议，答复之前选定不生效。"), mine=False)
    text = _l("选定正在公示，没有异议即生效，银行随后开始审批。")
    return NextStep(_l("公示"), text, by=still[0].standstill_until, mine=False)


def _day_ends() -> datetime:
    return datetime.combine(today(), time.max, SHANGHAI)


def bank_figures(ctx: Context) -> list[Figure]:
    """The bank's day in figures."""
    desk = bid_queries.bank_desk(ctx, _day_ends())
    return [
        Figure(
            _l("今天截止，尚未报价"),
            str(desk.due_today),
            tone="wait" if desk.due_today else "plain",
            url=url_for("market.queue_list", f="1", unanswered="1", sort="closes_at", dir="asc"),
        ),
        Figure(_l("开放中的需求"), f"{desk.open_needs:,}", url=url_for("market.queue_list")),
        Figure(
            _l("待审批的报价"),
            str(desk.proposed),
            tone="wait" if desk.proposed else "plain",
            url=url_for("market.bids", f="1", state=BidState.PROPOSED.value),
        ),
    ]


def bank_waits(ctx: Context) -> list[Wait]:
    """An approver: bids to decide on. An officer: drafts to finish, those sent back first."""
    wanted = [BidState.PROPOSED] if ctx.can(Permission.BID_SUBMIT) else [BidState.DRAFT]
    rows = bid_queries.waiting_bids(ctx, wanted)
    names = organisation_names({row.firm_id for row in rows})
    text = _l("审批报价") if ctx.can(Permission.BID_SUBMIT) else _l("完成报价草稿")
    drafts = [
        Wait(
            text,
            f"{names.get(row.firm_id) or card_title(row)} · {money_text(row.amount_fen)}",
            url_for("market.bid", bid_id=row.id),
            due=row.closes_at,
            tone="wait",
            order=20,
        )
        for row in rows
    ]
    if not ctx.can(Permission.BID_DRAFT):
        return drafts
    return drafts + [
        Wait(
            _l("需求今天截止，尚未报价"),
            f"{card_title(need)} · {money_text(need.amount_fen)}",
            url_for("market.queue_need", need_id=need.id),
            due=need.closes_at,
            tone="wait",
            order=30,
        )
        for need in bid_queries.due_without_bid(ctx, _day_ends())
    ]


home.add_figures(Permission.QUEUE_READ, bank_figures)
home.add_waits(Permission.BID_READ, bank_waits)
