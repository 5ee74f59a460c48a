"""The page of scoring runs: how far they are, and the button that scores everybody again."""

from __future__ import annotations

from math import ceil
from typing import Any

from flask import render_template, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.formats import count_text
from app.core.pages import Text
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import act, context
from app.credit import run_queries, run_service
from app.credit.door import room
from app.credit.run_queries import Run
from app.credit.run_service import Cause

pages.menu.add(_l("评分批次"), "credit.scoring_runs", Permission.SCORING_RUN, 46, pages.Group.DATA)

CAUSES: dict[str, Text] = {
    Cause.ASKED.value: _l("全部重新评分"), Cause.MODEL.value: _l("启用了另一个模型"),
    Cause.DELIVERY.value: _l("收到新数据"), Cause.TAKE_BACK.value: _l("数据被撤回"),
}


@room.page("/scoring-runs", Permission.SCORING_RUN)
def scoring_runs() -> Any:
    """The latest runs; those on their way refresh themselves."""
    with reading(context(), Permission.SCORING_RUN):
        runs = run_queries.latest()
    return render_template(
        "credit/scoring_runs.html", runs=runs, causes=CAUSES, running=any(not run.finished for run in runs), pace=pace,
    )


@room.page("/scoring-runs", Permission.SCORING_RUN, methods=["POST"])
def start_scoring_run() -> Any:
    """Scores everybody again; where that is on its way already, it goes on."""
    ctx = context()
    done = gettext("正在重新评分，本页会显示进度。")
    return act(lambda: run_service.score_everybody(ctx), done=done, to=url_for("credit.scoring_runs"))


def pace(run: Run) -> str:
    """Speed and time left, in words."""
    parts = []
    if run.per_second is not None:
        speed = run.per_second
        parts.append(gettext("每秒 %(firms)s 家", firms=count_text(round(speed)) if speed >= 10 else f"{speed:.1f}"))
    if run.seconds_left is not None:
        parts.append(
            gettext("约还需 %(minutes)s 分钟", minutes=ceil(run.seconds_left / 60)) if run.seconds_left >= 60
            else gettext("约还需 %(seconds)s 秒", seconds=run.seconds_left)
        )
    return " · ".join(parts)
