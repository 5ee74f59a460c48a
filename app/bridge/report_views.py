"""Monthly reports of transfer loans: per bank, partner and district; every figure opens to its cases."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.bridge import report_queries
from app.bridge.display import state_chip, state_text
from app.bridge.door import room
from app.bridge.models import Bridge
from app.bridge.report_queries import NOBODY
from app.bridge.report_rules import DIMENSIONS, FIGURES, Line, month_of, months_back
from app.core import pages
from app.core.calendar import today
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_parts
from app.core.permissions import Permission
from app.core.tables import EXPORT_LIMIT, Column, Table, wants_export
from app.core.use_case import reading
from app.core.web import context, send_list
from app.core.working import percent_text
from app.enterprises.words import district_name
from app.market import policy

pages.menu.add(_l("转贷月报"), "bridge.reports", Permission.BRIDGE_REPORT, 56, pages.Group.BRIDGE)

MONTHS_SHOWN = 24


def name_of(line: Line) -> str:
    """What a line is about."""
    if line.by == "district":
        return str(district_name(line.key))
    if line.by == "partner" and line.key == NOBODY:
        return gettext("尚未选定资金方")
    return line.name or gettext("全部")


def rate_of(line: Line) -> str:
    """The average daily rate, four places of a per cent: 0.0660%."""
    return f"{line.daily_rate * 100:.4f}%" if line.daily_rate is not None else "—"


def share_of(line: Line) -> str:
    """The share of first-time users in whole per cent."""
    return f"{line.first_share * 100:.0f}%" if line.first_share is not None else "—"


REPORT = Table(
    "bridge_report",
    columns=[
        Column("by", _l("口径"), export=lambda line: gettext(DIMENSIONS[line.by])), Column("name", _l("名称"), export=name_of),
        Column("applied", _l("申请笔数"), kind="count"), Column("approved", _l("批准笔数"), kind="count"),
        Column("paid", _l("放款笔数"), kind="count"), Column("paid_fen", _l("放款金额"), kind="money"),
        Column("average_days", _l("平均天数"), kind="count"), Column("longest_days", _l("最长天数"), kind="count"),
        Column("settled", _l("结清笔数"), kind="count"), Column("fee_fen", _l("费用合计"), kind="money"),
        Column("daily_rate", _l("平均日费率"), export=rate_of), Column("saving_fen", _l("比市场节省"), kind="money"),
        Column("refused", _l("放款后未续贷"), kind="count"), Column("overdue", _l("逾期"), kind="count"),
        Column("first", _l("首次使用"), kind="count"), Column("first_share", _l("首次使用占比"), export=share_of),
    ],
)  # fmt: skip

CASES = Table(
    "bridge_report_cases",
    columns=[
        Column("firm_name", _l("企业"), Bridge.firm_name, sub=lambda row: gettext("借据 %(note)s", note=row.old_note_no)),
        Column("amount_fen", _l("金额"), Bridge.amount_fen, kind="money", export=lambda row: row.amount_fen or row.requested_fen,
               render=lambda row: str(money_parts(row.amount_fen or row.requested_fen))),
        Column("bank", _l("续贷银行"), hide_small=True), Column("partner", _l("资金方"), hide_small=True),
        Column("district", _l("区"), hide_small=True, render=lambda row: str(district_name(row.district)),
               export=lambda row: str(district_name(row.district))),
        Column("applied_at", _l("申请"), Bridge.applied_at, kind="datetime", hide_small=True),
        Column("days", _l("使用天数"), kind="count"),
        Column("fee_fen", _l("费用"), Bridge.fee_fen, kind="money", hide_small=True),
        Column("state", _l("状态"), sortable=False, render=lambda row: state_chip(row.state),
               export=lambda row: state_text(row.state)),
    ],
    default_sort="applied_at",
    row_url=lambda row: url_for("bridge.show", bridge_id=row.id),
    empty_title=_l("这个数字下没有转贷"),
)  # fmt: skip


@room.page("/bridges/reports", Permission.BRIDGE_REPORT)
def reports() -> Any:
    """A month's figures, in one statement; the month is remembered."""
    ctx = context()
    month = month_of(request.args.get("month", session.get("bridge_month", "")), today())
    session["bridge_month"] = f"{month:%Y-%m}"
    with reading(ctx, Permission.BRIDGE_REPORT):
        lines = report_queries.report(month)
        if wants_export(request.args):
            return send_list(REPORT, lines, gettext("转贷月报 %(month)s", month=f"{month:%Y-%m}"), f"bridges-{month:%Y-%m}.xlsx")
        whole = next((line for line in lines if line.by == "all"), None)
        return render_template(
            "bridge/reports.html", month=f"{month:%Y-%m}", months=[f"{one:%Y-%m}" for one in _months(month)],
            groups=[(gettext(DIMENSIONS[by]), [line for line in lines if line.by == by]) for by in DIMENSIONS],
            empty=whole is None or not any(getattr(whole, name) for name in FIGURES), name=name_of, rate=rate_of, share=share_of,
            market=percent_text(policy.transfer().market_daily_rate),
        )


def _months(shown: date) -> list[date]:
    found = months_back(today().replace(day=1), MONTHS_SHOWN)
    return found if shown in found else [*found, shown]


@room.page("/bridges/reports/<month>/<figure>/<by>/", Permission.BRIDGE_REPORT, endpoint="report_cases_all")
@room.page("/bridges/reports/<month>/<figure>/<by>/<key>", Permission.BRIDGE_REPORT)
def report_cases(month: str, figure: str, by: str, key: str = "") -> Any:
    """The bridges behind a figure."""
    ctx, first = context(), month_of(month, today())
    if figure not in FIGURES or by not in DIMENSIONS:
        raise Refusal(ErrorCode.NOT_FOUND)
    try:
        stmt = report_queries.cases(first, figure, by, key)
    except ValueError:
        raise Refusal(ErrorCode.NOT_FOUND) from None
    with reading(ctx, Permission.BRIDGE_REPORT) as db:
        if wants_export(request.args):
            rows = CASES.load_all(db, stmt, request.args, EXPORT_LIMIT)
            return send_list(CASES, rows, gettext(FIGURES[figure]), f"bridges-{first:%Y-%m}-{figure}.xlsx")
        return render_template("bridge/report_cases.html", page=CASES.load(db, stmt, request.args), month=f"{first:%Y-%m}",
                               figure=gettext(FIGURES[figure]), by=gettext(DIMENSIONS[by]))


