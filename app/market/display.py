"""How needs and offers are put in words on the pages of the market."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from app.core.calendar import today
from app.core.formats import date_text, datetime_text, is_english, is_past, money_text, rate_text
from app.core.languages import gettext
from app.core.pages import Tone
from app.core.pieces import bar, chip
from app.core.uscc import DISTRICTS
from app.core.working import N_
from app.market.match_rules import PARTS, REASON_TEXTS, MatchWeights
from app.market.queries import industry_name
from app.market.queue import QueueRow
from app.market.words import (
    BID_STATES,
    BID_TONES,
    FORMS,
    NEED_STATES,
    NEED_TONES,
    PURPOSES,
    SIZES,
    WANTED_KINDS,
    BidState,
    NeedState,
)

SENT = {"targeted": N_("定向"), "assigned": N_("派单"), "list": N_("清单")}


def months_text(months: int | None) -> str:
    """A term in months."""
    return gettext("%(count)s 个月", count=months) if months else "—"


def need_title(need: Any) -> str:
    """What a need is called: 采购原料或商品 300 万元，12 个月."""
    if need.amount_fen is None or need.term_months is None or need.purpose_kind is None:
        return gettext("还没有填完的需求")
    return gettext(
        "%(purpose)s %(amount)s，%(term)s",
        purpose=gettext(PURPOSES[need.purpose_kind]),
        amount=money_text(need.amount_fen),
        term=months_text(need.term_months),
    )


def card_title(need: Any) -> str:
    """A firm without its name: 制造业 · 小型 · 黄埔区."""
    parts = [
        gettext(industry_name(need.industry_code)) if need.industry_code else gettext("行业未填"),
        size_text(need),
        gettext(DISTRICTS.get(need.district or "", "")) if need.district in DISTRICTS else "",
    ]
    return " · ".join(part for part in parts if part)


def size_text(need: Any) -> str:
    """Size class, or the legal form of those who have none."""
    if need.firm_form == "sole_trader":
        return gettext(FORMS["sole_trader"])
    return gettext(SIZES.get(need.size_class or "unknown", SIZES["unknown"]))


def kind_text(kind: str | None) -> str:
    """Security wanted; what the firm leaves open is said shortly."""
    if not kind or kind == "ANY":
        return gettext("担保方式不限")
    return gettext(WANTED_KINDS[kind])


def _tone(tone: str) -> Tone:
    """The words of the room know no page, so their tones are plain text."""
    return cast(Tone, tone)


def need_chip(state: str) -> Markup:
    """State of a need."""
    return chip(gettext(NEED_STATES[state]), _tone(NEED_TONES[NeedState(state)]))


def bid_chip(state: str) -> Markup:
    """State of a bid."""
    return chip(gettext(BID_STATES[state]), _tone(BID_TONES[BidState(state)]))


def profile_chips(row: Any) -> Markup:
    """What the card may say of the credit profile: rank, grade, or why there is none."""
    profile = row.profile
    if profile is None:
        return chip(gettext("未评级"))
    if profile.insufficient:
        return chip(gettext("数据不足"), "wait")
    shown = []
    if profile.grade:
        tone: Tone = "good" if profile.grade == "A" else "info" if profile.grade == "B" else "plain"
        shown.append(chip(gettext("%(grade)s 级", grade=profile.grade), tone))
    elif profile.rank_percent is not None:
        place: Tone = "good" if profile.rank_percent <= 33 else "info" if profile.rank_percent <= 67 else "plain"
        shown.append(chip(gettext("前 %(percent)s%%", percent=profile.rank_percent), place))
    else:
        shown.append(chip(gettext("有画像，未授权本行")))
    if profile.partial:
        shown.append(chip(gettext("部分数据"), "wait"))
    return Markup(" ").join(shown)


def marks(row: QueueRow) -> Markup:
    """Marks of a need: may enter the pool, first loan, sent to us alone, our own bid."""
    shown = []
    if row.bid_state:
        shown.append(bid_chip(row.bid_state))
    if row.claimed_by:
        shown.append(chip(gettext("%(name)s 已认领", name=row.claimed_by), "info"))
    if row.bookable:
        shown.append(chip(gettext("可入库"), "info"))
    if row.first_loan:
        shown.append(chip(gettext("首贷户"), "good"))
    if row.distribution in SENT:
        shown.append(chip(gettext(SENT[row.distribution]), "info"))
    return Markup(" ").join(shown)


def deadline(row: Any) -> Markup:
    """When bidding closes; today stands out."""
    if is_past(row.closes_at):
        return chip(gettext("已截止"), "plain")
    text = datetime_text(row.closes_at, relative=True)
    return chip(text, "wait") if date_text(row.closes_at) == date_text(today()) else escape(text)


PART_WORDS = {
    "profile": _l("信用画像"), "price": _l("价格与风险"), "amount": _l("金额"), "term": _l("期限"), "industry": _l("行业"),
    "district": _l("地区"), "time": _l("时间"),
}  # fmt: skip


@lru_cache(maxsize=4096)
def _reasons(english: bool, reasons: tuple[str, ...]) -> Markup:
    """Reasons as list items; ``english`` is the language of the page, by which they are kept."""
    return Markup("").join(Markup("<li>{}</li>").format(gettext(REASON_TEXTS[reason])) for reason in reasons)


@lru_cache(maxsize=4096)
def _points(english: bool, points: tuple[int, ...]) -> Markup:
    """Points of each part in one line, kept by language."""
    weights = MatchWeights()
    return Markup(" · ").join(
        Markup("{} {}/{}").format(PART_WORDS[part], got, getattr(weights, part))
        for part, got in zip(PARTS, points, strict=False)
    )


def score_text(row: QueueRow) -> Markup:
    """Points with a bar, and opened on demand the points of each part and the reasons."""
    notes = [gettext("按本行产品“%(name)s”计算", name=row.product)] if row.product else []
    if row.margin_bp is not None:
        left = rate_text(Decimal(row.margin_bp) / 10_000)
        notes.append(gettext("产品利率减去资金成本和预期损失，余 %(left)s", left=left))
    drawn = bar(row.score, gettext("匹配度 %(score)s 分", score=row.score))
    why, each = escape(gettext("为什么排在这里")), escape(gettext("各项得分") + gettext("："))
    working = "".join([f"<li>{escape(note)}</li>" for note in notes])
    return Markup(
        f'{drawn} <span class="num">{row.score}</span><details class="working"><summary>{why}</summary>'
        f'<ul class="reasons">{_reasons(is_english(), row.reasons)}{working}</ul>'
        f'<p class="sm">{each}{_points(is_english(), row.points)}</p></details>'
    )
