"""The audit administrator's page: who did what, when, about what. What lies under a seal is not shown (row-level security)."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from flask import render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import Select, func, select

from app.core import pages
from app.core.calendar import SHANGHAI, today
from app.core.context import Context
from app.core.database import session as database_session
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.models import AuditEvent
from app.core.pages import Figure
from app.core.permissions import Permission
from app.core.tables import Column, Filter, Range, Table, remembered
from app.core.use_case import reading
from app.core.web import context, send_list
from app.identity import queries
from app.identity.models import Organisation, Person
from app.identity.views import room

P = Permission
pages.menu.add(_l("审计"), "identity.audit", P.AUDIT_READ, 84, pages.Group.HOUSE)


def facts_text(facts: dict[str, Any]) -> str:
    """Facts of an event as one line."""
    return "; ".join(f"{key}={value}" for key, value in sorted(facts.items()))


def _between(stmt: Select[*tuple[Any, ...]], value: Range) -> Select[*tuple[Any, ...]]:
    if value.low is not None:
        stmt = stmt.where(AuditEvent.at >= datetime.combine(value.low, time.min, SHANGHAI))
    if value.high is not None:
        stmt = stmt.where(AuditEvent.at < datetime.combine(value.high + timedelta(days=1), time.min, SHANGHAI))
    return stmt


def _who(row: Any) -> str:
    return row.person or gettext("系统")


def _when(row: Any) -> Markup:
    return Markup('<span class="text-nowrap">{}</span>').format(f"{row.at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}")


def _broken(text: str) -> Markup:
    return Markup('<span class="text-break">{}</span>').format(text)


def _short(row: Any) -> str:
    """The end of an id tells rows of one page apart; the file carries it whole."""
    return f"…{row.subject_id.hex[-8:]}" if row.subject_id else ""


def _subject(row: Any) -> str:
    return f"{row.subject_type} {row.subject_id}" if row.subject_type else ""


AUDIT = Table(
    "audit",
    columns=[
        Column("at", _l("时间"), AuditEvent.at, render=_when, export=lambda row: row.at, kind="datetime"),
        Column("person", _l("谁"), Person.name, render=_who, export=_who),
        Column("organisation", _l("机构"), Organisation.name),
        Column("action", _l("动作"), AuditEvent.action, render=lambda row: _broken(row.action), export=lambda row: row.action),
        Column("subject_type", _l("对象"), AuditEvent.subject_type, sub=_short, export=_subject),
        Column("facts", _l("事实"), sortable=False, render=lambda row: _broken(facts_text(row.facts)),
               export=lambda row: facts_text(row.facts)),
    ],
    filters=[
        Filter("days", _l("日期"), kind="dates", apply=_between),
        Filter("action", _l("动作"), kind="text",
               apply=lambda stmt, value: stmt.where(AuditEvent.action.icontains(value, autoescape=True))),
        Filter("person", _l("谁"), kind="text",
               apply=lambda stmt, value: stmt.where(Person.name.icontains(value, autoescape=True) |
                                                   Person.login.icontains(value, autoescape=True))),
        Filter("organisation", _l("机构"), kind="text",
               apply=lambda stmt, value: stmt.where(Organisation.name.icontains(value, autoescape=True))),
    ],
    default_sort="-at",
    page_size=50,
    empty_title=_l("还没有审计记录"),
)


@room.page("/audit", P.AUDIT_READ)
def audit() -> Any:
    """The audit log, newest first. Taking it away as a file is an event of its own."""
    ctx = context()
    args = remembered(AUDIT, request.args, session)
    with reading(ctx, P.AUDIT_READ) as db:
        if not wants_export(request.args):
            return render_template("identity/audit.html", page=AUDIT.load(db, queries.audit_query(), args))
        rows = AUDIT.load_all(db, queries.audit_query(), args, EXPORT_LIMIT)
    return send_list(AUDIT, rows, gettext("审计记录"), "audit.xlsx")


def _figures(ctx: Context) -> list[Figure]:
    since = datetime.combine(today(), time.min, SHANGHAI)
    db = database_session()
    count = db.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.at >= since)) or 0
    refused = db.scalar(
        select(func.count()).select_from(AuditEvent).where(
            AuditEvent.at >= since, AuditEvent.action == "identity.sign_in",
            AuditEvent.facts["result"].astext.in_(["refused", "locked"]),
        )
    ) or 0
    return [
        Figure(_l("今天的审计记录"), f"{count:,}", _l("条")),
        Figure(_l("今天失败的登录"), f"{refused:,}", _l("次"), tone="wait" if refused else "plain"),
    ]


pages.home.add_figures(P.AUDIT_READ, _figures)
