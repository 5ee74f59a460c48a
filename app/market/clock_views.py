"""The page of running limits: a bank's and a firm's own, everybody's for desk and bureau."""

from __future__ import annotations

from typing import Any, cast

from flask import render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import case, func, select

from app.core import pages
from app.core.context import Context
from app.core.pages import Tone
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.tables import Column, Filter, Table, remembered, wants_export
from app.core.use_case import reading
from app.core.web import context, may_open, send_list
from app.identity.models import Organisation
from app.market import clock_service as clock_service
from app.market.clock_models import Clock
from app.market.door import room
from app.market.level_rules import STEPS

pages.menu.add(_l("时限"), "market.clocks", Permission.CLOCK_READ, 45, pages.Group.FINANCING)
OUTCOMES = {"KEPT": (_l("按时"), "good"), "LATE": (_l("超时办结"), "bad"), "CANCELLED": (_l("不再需要"), "plain")}
STATE = case(
    (Clock.ended_at.is_not(None), Clock.outcome), (Clock.limit_at <= func.now(), "OVER"),
    (Clock.target_at <= func.now(), "TARGET"), else_="RUNS",
)  # fmt: skip
RUNNING = {"RUNS": (_l("进行中"), "info"), "TARGET": (_l("已过目标时间"), "wait"), "OVER": (_l("已超时"), "bad")}
WORDS = {**RUNNING, **OUTCOMES}


def _chip(row: Any) -> Any:
    words, tone = WORDS[row.state]
    return chip(words, cast(Tone, tone))


CLOCKS = Table(
    "clocks",
    columns=[
        Column("step", _l("步骤"), Clock.step, render=lambda row: gettext(STEPS[row.step]), sub=lambda row: row.name,
               export=lambda row: f"{gettext(STEPS[row.step])} · {row.name}"),
        Column("state", _l("情况"), STATE, render=_chip, export=lambda row: str(WORDS[row.state][0])),
        Column("target_at", _l("目标"), Clock.target_at, kind="datetime", hide_small=True),
        Column("limit_at", _l("最晚"), Clock.limit_at, kind="datetime"),
        Column("told", _l("已提醒"), Clock.told, render=lambda row: f"{row.told}%" if row.told else "—", hide_small=True),
        Column("ended_at", _l("办结"), Clock.ended_at, kind="datetime", hide_small=True),
    ],
    filters=[
        Filter("state", _l("情况"), kind="choice", choices=tuple((key, words) for key, (words, _) in WORDS.items()),
               apply=lambda stmt, value: stmt.where(value == STATE)),
        Filter("step", _l("步骤"), kind="choice", choices=tuple((key, _l(words)) for key, words in STEPS.items()),
               apply=lambda stmt, value: stmt.where(Clock.step == value)),
    ],
    default_sort="limit_at",
    row_url=lambda row: row.path if row.mine and may_open(context(), row.path) else None,
    empty_title=_l("没有正在计时的步骤"),
    empty_hint=_l("需要在时限内办的事，会从开始起列在这里，到一半、八成和到时各提醒一次。"),
)  # fmt: skip


def clocks_query(ctx: Context) -> Any:
    """Clocks the actor may see, with the organisation that must act; running ones come first by their limit."""
    return select(
        Clock.id, Clock.step, STATE.label("state"), Clock.target_at, Clock.limit_at, Clock.told, Clock.ended_at, Clock.path,
        Organisation.name, (Clock.org_id == ctx.org_id).label("mine"),
    ).join(Organisation, Organisation.id == Clock.org_id)  # fmt: skip


@room.page("/clocks", Permission.CLOCK_READ)
def clocks() -> Any:
    """What runs out, and what ran over."""
    ctx = context()
    with reading(ctx, Permission.CLOCK_READ) as db:
        args = remembered(CLOCKS, request.args, session)
        if wants_export(request.args):
            return send_list(CLOCKS, CLOCKS.load_all(db, clocks_query(ctx), args, 10_000), gettext("时限"), "clocks.xlsx")
        page = CLOCKS.load(db, clocks_query(ctx), args)
        over = db.scalar(select(func.count()).where(Clock.ended_at.is_(None), Clock.limit_at <= func.now())) or 0
        runs = db.scalar(select(func.count()).where(Clock.ended_at.is_(None), Clock.limit_at > func.now())) or 0
    watches = ctx.org_kind in (OrgKind.BUREAU, OrgKind.PLATFORM)
    return render_template("market/clocks.html", page=page, over=over, runs=runs, watches=watches)
