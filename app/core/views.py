"""The kernel's own pages: home, case, notices, papers, language, health."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from flask import redirect, render_template, request, session, url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import text

from app.core import notices, pages, storage
from app.core.cases import case_by_number
from app.core.context import Context
from app.core.database import transaction
from app.core.errors import NotFound
from app.core.formats import title_text
from app.core.models import Case
from app.core.permissions import OrgKind, Permission
from app.core.queries import cases_query, organisation_names, own_cases, timeline
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import PUBLIC, Room, act, context, may_open, send_paper

HOME_LINES = 3
"""How many of a firm's cases its home draws, the newest first."""

room = Room("core", __name__, template_folder="templates")

pages.menu.add(_l("今天"), "core.home", Permission.ACCOUNT_USE, 0)
pages.menu.add(_l("业务"), "core.cases", Permission.CASE_READ, 80)
pages.menu.add(_l("消息"), "core.notice_list", Permission.NOTICE_READ, 85)

CASE_KINDS = {"need": _l("融资"), "bridge": _l("转贷"), "offline": _l("线下贷款")}
CASES = Table(
    "cases",
    columns=[
        Column("number", _l("业务编号"), Case.number, sub=lambda row: title_text(row.title)),
        Column("kind", _l("类别"), sortable=False, render=lambda row: str(CASE_KINDS.get(row.kind, row.kind))),
        Column("opened_at", _l("开始"), Case.opened_at, kind="datetime"),
    ],
    filters=[
        Filter("q", _l("编号或事项"), kind="text",
               apply=lambda stmt, value: stmt.where(Case.number.icontains(value, autoescape=True) |
                                                   Case.title.icontains(value, autoescape=True))),
    ],
    default_sort="-opened_at",
    row_url=lambda row: url_for("core.case", number=row.number),
    empty_title=_l("还没有业务"),
    empty_hint=_l("提交融资需求或转贷申请后，业务会出现在这里。"),
)


@room.page("/", Permission.ACCOUNT_USE)
def home() -> Any:
    """What waits for me today?"""
    ctx = context()
    with reading(ctx, Permission.ACCOUNT_USE) as db:
        own = list(db.scalars(own_cases(ctx, HOME_LINES))) if ctx.org_kind is OrgKind.ENTERPRISE else []
        return render_template(
            "core/home.html", figures=pages.home.figures(ctx), waits=pages.home.waits(ctx), unread=notices.unread_count(ctx),
            lines=[(found, pages.build_line(ctx, found)) for found in own],
        )


@room.page("/cases", Permission.CASE_READ)
def cases() -> Any:
    """Every case the visitor's organisation takes part in."""
    ctx = context()
    with reading(ctx, Permission.CASE_READ) as db:
        page = CASES.load(db, cases_query(), remembered(CASES, request.args, session))
    return render_template("core/cases.html", page=page)


@room.page("/cases/<number>", Permission.CASE_READ)
def case(number: str) -> Any:
    """One case: where it stands, what happens next, who did what, its objects and papers."""
    ctx = context()
    with reading(ctx, Permission.CASE_READ) as db:
        found = case_by_number(number)
        if found is None:
            raise NotFound
        papers = list(db.scalars(storage.papers_of_case(found.id)))
        return render_template(
            "core/case.html", case=found, line=pages.build_line(ctx, found), entries=timeline(ctx, found.id),
            links=pages.case_links.of(ctx, found), papers=paper_rows(papers),
            firm=organisation_names({found.subject_org_id}).get(found.subject_org_id, ""),
        )


def paper_rows(papers: list[Any]) -> list[pages.Paper]:
    """Stored papers as the list macro shows them."""
    names = organisation_names({paper.org_id for paper in papers})
    return [
        pages.Paper(
            name=paper.filename, url=url_for("core.paper", paper_id=paper.id), size=paper.size, at=paper.stored_at,
            who=names.get(paper.org_id, ""),
        )
        for paper in papers
    ]


@room.page("/papers/<uuid:paper_id>", Permission.PAPER_READ)
def paper(paper_id: UUID) -> Any:
    """Sends a paper; the look is recorded."""
    return send_paper(storage.fetch_paper(context(), paper_id))


@room.page("/notices", Permission.NOTICE_READ)
def notice_list() -> Any:
    """The visitor's messages, newest first."""
    ctx = context()
    with reading(ctx, Permission.NOTICE_READ):
        rows = notices.recent(ctx)
        return render_template("core/notices.html", notices=rows, opens=lambda path: may_open(ctx, path))


@room.page("/notices/read", Permission.NOTICE_READ, methods=["POST"])
def read_notices() -> Any:
    """Marks all messages as read."""
    return act(lambda: notices.mark_all_read(context()), done=str(_l("已全部标为已读。")), to=url_for("core.notice_list"))


@room.page("/language", PUBLIC, methods=["POST"])
def set_language() -> Any:
    """Chinese or English, remembered for this browser."""
    language = request.form.get("language", "")
    session["language"] = "en" if language.startswith("en") else "zh_Hans_CN"
    return redirect(inner_path(request.form.get("next")))


def inner_path(target: str | None) -> str:
    """An address inside the portal, or the home: never somebody else's site."""
    parts = urlsplit(target or "")
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or parts.path.startswith("//") or "\\" in (target or ""):
        return url_for("core.home")
    # Put together anew: a browser reads "///elsewhere" as another host, which the parser takes for a path.
    return urlunsplit(("", "", parts.path, parts.query, parts.fragment))


@room.page("/healthz", PUBLIC)
def healthz() -> Any:
    """For the load balancer: the database answers."""
    with transaction(Context.anonymous(), read_only=True) as unit:
        unit.session.execute(text("select 1"))
    return {"status": "ok"}
