"""贷款明白纸: the cost sheet of one offer for the firm and for its own bank, repaying early, and offers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask_babel import gettext

from app.core.calendar import SHANGHAI
from app.core.database import get_or_404
from app.core.formats import money_text, rate_text
from app.core.money import yuan_text
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.use_case import reading
from app.core.web import context
from app.core.working import WorkingLine
from app.market import bid_queries, queries
from app.market.bid_service import candidate_of, offer_of
from app.market.bid_words import CONDITION_KINDS, TIE_KINDS
from app.market.costs import dated_rate, fee_months
from app.market.display import card_title, months_text, need_title
from app.market.door import room
from app.market.early_rules import early, early_table
from app.market.models import Bid, Need
from app.market.part_rules import PART_FEES, Share
from app.market.product_service import conventions_of
from app.market.statement import StatementRow, statement
from app.market.terms import FEE_NAMES, FeeKind, Offer, PlanRow, plan_of
from app.market.words import METHODS

MOST_PENALTY = Decimal("0.05")
"""Share of what is repaid early that the page lets a visitor try as a penalty [P]."""


@room.page("/offers/<uuid:bid_id>/sheet", Permission.NEED_READ)
def cost_sheet(bid_id: UUID) -> Any:
    """The sheet of one offer, made to be printed."""
    with reading(context(), Permission.NEED_READ):
        return _sheet(bid_id, [(gettext("融资"), url_for("market.needs"))], "market.early_sheet")


@room.page("/bids/<uuid:bid_id>/sheet", Permission.BID_READ)
def bid_sheet(bid_id: UUID) -> Any:
    """The sheet of the bank's own bid."""
    with reading(context(), Permission.BID_READ):
        return _sheet(bid_id, [(gettext("本行报价"), url_for("market.bids"))], None)


@dataclass(frozen=True)
class Sheet:
    """What the sheet of an offer shows, of the whole of it or of a part; ``rows`` are its months."""

    amount_fen: int
    interest_fen: int
    total_extra_fen: int
    all_in_rate: Decimal
    effective_rate: Decimal
    simple_rate: Decimal
    fees: Sequence[Any]
    lines: Sequence[WorkingLine]
    rows: Sequence[StatementRow]


def _sheet_of(bid: Bid, share: Share) -> Sheet:
    """The whole offer as it was stored, a part as it is computed."""
    if share.amount_fen == bid.amount_fen:
        return Sheet(
            bid.amount_fen, bid.interest_fen, bid.total_extra_fen, bid.all_in_rate, bid.effective_rate, bid.simple_rate,
            bid.fees, bid_queries.working_lines(bid.working), statement(share.offer),
        )  # fmt: skip
    cost = share.cost
    return Sheet(
        share.amount_fen, cost.interest_fen, cost.total_extra_fen, cost.nominal12, cost.effective, cost.simple, share.offer.fees,
        cost.working, statement(share.offer),
    )  # fmt: skip


def _asked_share(bid: Bid) -> Share:
    """The part that the address asks for (``amount`` in 分), or the whole, where none or one that the bank does not lend."""
    one, amount = candidate_of(bid), request.args.get("amount", type=int) or bid.amount_fen
    return one.share(amount if one.least_fen <= amount <= bid.amount_fen else bid.amount_fen)


def _sheet(bid_id: UUID, crumbs: list[tuple[str, str]], early_page: str | None) -> Any:
    found = bid_queries.bid_with_fees(bid_id)
    need = get_or_404(Need, found.need_id)
    names = organisation_names({found.org_id, need.org_id})
    share = _asked_share(found)
    part = share.amount_fen if share.amount_fen < found.amount_fen else None
    return render_template(
        "market/sheet.html",
        bid=found,
        sheet=_sheet_of(found, share),
        part=part,
        part_fees=PART_FEES,
        dated=dated_rate(share.offer) if share.offer.plan else None,
        need=need,
        case=queries.case_of(need),
        bank=names.get(found.org_id, ""),
        firm=names.get(need.org_id, "") or card_title(need),
        crumbs=crumbs,
        early_url=url_for(early_page, bid_id=bid_id, amount=part) if early_page else None,
        conventions=conventions_of(found.conventions),
        months_text=months_text,
        submitted=f"{found.submitted_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}" if found.submitted_at else "—",  # paper lasts years
        plan=_plan_text(share.offer.plan) if share.offer.plan else "",
    )


def _asked(offer: Offer) -> tuple[int, Decimal]:
    """The month and the penalty that a visitor tries; what cannot be read is half the term and none."""
    typed = request.args.get("after", "")
    month = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else offer.term_months // 2
    try:
        penalty = Decimal(request.args.get("penalty", "0").strip() or "0") / 100
    except InvalidOperation:
        penalty = Decimal(0)
    penalty = penalty if penalty.is_finite() and 0 <= penalty <= MOST_PENALTY else Decimal(0)
    return min(max(1, month), offer.term_months - 1), penalty


@room.page("/offers/<uuid:bid_id>/early", Permission.NEED_READ)
def early_sheet(bid_id: UUID) -> Any:
    """What if the firm repays early: what it saves, what it does not get back, the all-in rate then."""
    with reading(context(), Permission.NEED_READ):
        found = bid_queries.bid_with_fees(bid_id)
        need = get_or_404(Need, found.need_id)
        share = _asked_share(found)
        offer = share.offer
        if offer.term_months < 2:
            return redirect(url_for("market.cost_sheet", bid_id=bid_id))
        month, penalty = _asked(offer)
        return render_template(
            "market/early.html",
            bid=found,
            part=share.amount_fen if share.amount_fen < found.amount_fen else None,
            full=share.cost,
            need=need,
            title=need_title(need),
            bank=organisation_names({found.org_id}).get(found.org_id, ""),
            month=month,
            penalty=penalty,
            most_penalty=MOST_PENALTY,
            one=early(offer, month, penalty),
            rows=early_table(offer, penalty),
        )


@dataclass(frozen=True, slots=True)
class CompareRow:
    """A line of the comparison: one text an offer; ``differs`` where they are not all the same."""

    label: str
    cells: tuple[str, ...]
    differs: bool


def _compared(rows: list[bid_queries.OfferRow]) -> list[CompareRow]:
    bids = [row.bid for row in rows]

    def line(label: str, texts: list[str]) -> CompareRow:
        return CompareRow(label, tuple(texts), len(set(texts)) > 1)

    kinds = sorted({fee.kind for bid in bids for fee in bid.fees})
    fees = [line(gettext(FEE_NAMES[FeeKind(kind)][0]), [_fee_text(bid, kind) for bid in bids]) for kind in kinds]
    plans = [line(gettext("还本计划"), [_plan_text(plan_of(bid.plan)) for bid in bids])] if any(bid.plan for bid in bids) else []
    return [
        line(gettext("综合年化成本"), [rate_text(bid.all_in_rate) for bid in bids]),
        line(gettext("实际年利率"), [rate_text(bid.effective_rate) for bid in bids]),
        line(gettext("名义年利率"), [rate_text(bid.annual_rate) for bid in bids]),
        line(gettext("本金之外全程多付（元）"), [yuan_text(bid.total_extra_fen) for bid in bids]),
        line(gettext("利息（元）"), [yuan_text(bid.interest_fen) for bid in bids]),
        *fees,
        line(gettext("金额（元）"), [yuan_text(bid.amount_fen) for bid in bids]),
        line(gettext("联合贷款"), [_part_text(bid) for bid in bids]),
        line(gettext("期限"), [months_text(bid.term_months) for bid in bids]),
        line(gettext("还款方式"), [gettext(METHODS.get(bid.method, bid.method)) for bid in bids]),
        *plans,
        line(gettext("产品"), [row.product for row in rows]),
        line(gettext("报价有效至"), [bid.valid_until.isoformat() for bid in bids]),
        line(gettext("搭配的产品或服务"), [_ties_text(bid) for bid in bids]),
        line(gettext("报价的条件"), [_demands_text(bid) for bid in bids]),
        line(gettext("补充说明"), [bid.conditions or gettext("无") for bid in bids]),
    ]


def _ties_text(bid: Bid) -> str:
    """What is sold with the loan; that nobody said anything is not the same as nothing."""
    must, may = gettext("必须"), gettext("可选")
    told = [_words(f"{gettext(TIE_KINDS[tie.kind])} · {must if tie.required else may}", tie.text) for tie in bid.ties]
    return "\n".join(told) or (gettext("银行声明没有搭配") if bid.ties_declared else gettext("没有说明"))


def _demands_text(bid: Bid) -> str:
    """The only grounds on which the bank may refuse after the choice."""
    return "\n".join(_words(gettext(CONDITION_KINDS[one.kind]), one.text) for one in bid.demands) or gettext("无")


def _words(name: str, text: str) -> str:
    return f"{name} · {text}" if text else name


def _plan_text(plan: Sequence[PlanRow]) -> str:
    rows = [f"{gettext('第 %(count)s 个月', count=row.month)} {money_text(row.principal_fen)}" for row in plan]
    return gettext("、").join(rows) or "—"


def _part_text(bid: Bid) -> str:
    if bid.min_part_fen is None:
        return gettext("只整笔放款")
    return gettext("可只承担一部分，最少 %(amount)s", amount=money_text(bid.min_part_fen))


def _fee_text(bid: Bid, kind: str) -> str:
    total = sum(fee.amount_fen * times for fee, times in _times(bid) if fee.kind == kind)
    return yuan_text(total) if total else "—"


def _times(bid: Bid) -> list[tuple[Any, int]]:
    return [(stored, len(fee_months(fee, bid.term_months))) for stored, fee in zip(bid.fees, offer_of(bid).fees, strict=True)]


@room.page("/needs/<uuid:need_id>/compare", Permission.NEED_READ)
def compare(need_id: UUID) -> Any:
    """The opened offers side by side, what differs marked; or what differs alone."""
    with reading(context(), Permission.NEED_READ):
        need = get_or_404(Need, need_id)
        if need.closed_at is None:
            return redirect(url_for("market.need", need_id=need_id))
        rows = bid_queries.offers(need)
        lines = _compared(rows)
        only = request.args.get("only") == "1"
        return render_template(
            "market/compare.html",
            need=need,
            title=need_title(need),
            rows=rows,
            lines=[line for line in lines if line.differs] if only else lines,
            only=only,
        )
