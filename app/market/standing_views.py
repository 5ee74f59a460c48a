"""How banks stand: for firms, banks and the bureau."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from app.core import pages
from app.core.database import get_or_404
from app.core.errors import NotFound
from app.core.formats import NOTHING, count_text, rate_text
from app.core.permissions import OrgKind, Permission
from app.core.tables import Column, Table, remembered, wants_export
from app.core.use_case import reading
from app.core.web import context, send_list
from app.identity.models import Organisation
from app.market import policy
from app.market import standing_service as standing_service
from app.market.audience_models import BankStanding
from app.market.door import room

pages.menu.add(_l("银行统计"), "market.bank_list", Permission.STANDING_READ, 72, pages.Group.FINANCING)

YARDSTICKS = {"answer_rate": _l("同类平台：95% 以上"), "offer_rate": _l("同类平台：约一半")}
"""Published figures of peers (peer-platforms paper §4)."""


def minutes_text(minutes: int | None) -> str:
    """Working minutes as working hours."""
    return NOTHING if minutes is None else gettext("%(hours)s 工作小时", hours=f"{Decimal(minutes) / 60:.1f}")


def percent(value: Decimal | None) -> str:
    """A share in whole per cent."""
    return NOTHING if value is None else f"{value * 100:.0f}%"


def _share(key: str, title: Any, column: Any) -> Column:
    def told(row: Any) -> str:
        return percent(getattr(row, key))

    return Column(key, title, column, align="right", render=told, export=told)


BANKS = Table(
    "bank_standings",
    columns=[
        Column("name", _l("银行"), Organisation.name),
        Column("median_minutes", _l("首次答复中位用时"), BankStanding.median_minutes, align="right",
               render=lambda row: minutes_text(row.median_minutes), export=lambda row: minutes_text(row.median_minutes)),
        _share("answer_rate", _l("答复率"), BankStanding.answer_rate),
        _share("offer_rate", _l("授信率"), BankStanding.offer_rate),
        _share("kept_rate", _l("履约率"), BankStanding.kept_rate),
        Column("all_in_median", _l("综合年化成本中位数"), BankStanding.all_in_median, kind="rate"),
    ],
    default_sort="name",
    row_url=lambda row: url_for("market.bank_standing", org_id=row.id),
    empty_title=_l("还没有合作银行"),
)  # fmt: skip


def standings_query() -> Any:
    """Banks with how they last stood."""
    latest = select(func.max(BankStanding.as_of)).scalar_subquery()
    return (
        select(Organisation.id, Organisation.name, BankStanding.median_minutes, BankStanding.answer_rate, BankStanding.offer_rate,
               BankStanding.kept_rate, BankStanding.all_in_median)
        .outerjoin(BankStanding, (BankStanding.org_id == Organisation.id) & (BankStanding.as_of == latest))
        .where(Organisation.kind == OrgKind.BANK.value, Organisation.state == "active")
    )  # fmt: skip


@room.page("/banks", Permission.STANDING_READ)
def bank_list() -> Any:
    """Every bank with what it keeps."""
    ctx = context()
    with reading(ctx, Permission.STANDING_READ) as db:
        args = remembered(BANKS, request.args, session)
        if wants_export(request.args):
            return send_list(BANKS, BANKS.load_all(db, standings_query(), args, 1_000), gettext("银行统计"), "banks.xlsx")
        page = BANKS.load(db, standings_query(), args)
        return render_template("market/bank_list.html", page=page, rules=policy.standing())


@room.page("/banks/<uuid:org_id>", Permission.STANDING_READ)
def bank_standing(org_id: UUID) -> Any:
    """One bank: each figure with the number of cases behind it, and the days before."""
    ctx = context()
    with reading(ctx, Permission.STANDING_READ) as db:
        bank = get_or_404(Organisation, org_id)
        if bank.kind != OrgKind.BANK:
            raise NotFound
        days = db.scalars(
            select(BankStanding).where(BankStanding.org_id == org_id).order_by(BankStanding.as_of.desc()).limit(30)
        ).all()
        return render_template("market/bank_standing.html", bank=bank, days=days, rows=_rows(days[0]) if days else [],
                               rules=policy.standing(), minutes=minutes_text, percent=percent)  # fmt: skip


def _rows(found: BankStanding) -> list[tuple[Any, str, str, Any]]:
    """Name, value, cases, yard-stick."""
    return [
        (_l("首次答复中位用时"), minutes_text(found.median_minutes), count_or_nothing(found.answers), ""),
        (_l("答复率"), percent(found.answer_rate), count_or_nothing(found.invited), YARDSTICKS["answer_rate"]),
        (_l("授信率"), percent(found.offer_rate), count_or_nothing(found.invited), YARDSTICKS["offer_rate"]),
        (_l("履约率"), percent(found.kept_rate), count_or_nothing(found.promises), ""),
        (_l("综合年化成本中位数"), rate_text(found.all_in_median), count_or_nothing(found.bids), ""),
        (_l("综合年化成本，按金额加权"), rate_text(found.all_in_weighted), count_or_nothing(found.bids), ""),
    ]  # fmt: skip


def count_or_nothing(count: int | None) -> str:
    """A number of cases; a dash where there were too few."""
    return NOTHING if count is None else count_text(count)
