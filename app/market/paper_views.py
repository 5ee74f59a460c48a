"""The step of papers: what data say already, what is handed in; and papers beside a need."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, request, url_for
from flask_babel import gettext

from app.core.context import Context
from app.core.errors import ErrorCode, Refusal
from app.core.models import Paper
from app.core.permissions import Permission
from app.core.storage import ALLOWED, PAPER_LIMIT, take_in
from app.core.use_case import reading
from app.core.views import paper_rows
from app.core.web import act, context
from app.market import paper_service
from app.market.answer_words import PAPERS
from app.market.door import room
from app.market.fields import ids_of
from app.market.models import NeedPaper
from app.market.wizard import draft_of, step_url, steps


@room.page("/needs/<uuid:need_id>/papers", Permission.NEED_DRAFT, methods=["GET", "POST"])
def need_papers(need_id: UUID) -> Any:
    """The step of papers: what data say already, what is still wanted, what was handed in."""
    ctx = context()
    if request.method == "POST":
        to = url_for("market.need_papers", need_id=need_id)
        return act(lambda: _take_paper(ctx, need_id), done=gettext("材料已上传。"), to=to)
    with reading(ctx, Permission.NEED_DRAFT):
        need = draft_of(need_id)
        held = paper_service.papers_of(need_id)
        return render_template(
            "market/step_papers.html", need=need, step="papers", steps=steps(need), lines=paper_service.paper_lines(need),
            names=PAPERS, held={kind: [_paper_row(one) for one in held if one[0].kind == kind] for kind in PAPERS},
            step_url=lambda step: step_url(need, step), most=paper_service.MOST_PAPERS,
        )


def _paper_row(one: tuple[NeedPaper, Paper]) -> Any:
    return one[1].id, paper_rows([one[1]])[0]


def _take_paper(ctx: Context, need_id: UUID) -> Any:
    upload, replaces = request.files.get("file"), ids_of(request.form.getlist("replaces"))
    if upload is None or not upload.filename:
        raise Refusal(ErrorCode.FILE_TYPE, field="file", allowed=ALLOWED)
    stored = take_in(upload.stream, limit=PAPER_LIMIT, limit_text="20 MB")
    kind = request.form.get("kind", "")
    return paper_service.add_paper(ctx, need_id, kind, upload.filename, stored, replaces[0] if replaces else None)


@room.page("/needs/<uuid:need_id>/papers/<uuid:paper_id>/remove", Permission.NEED_DRAFT, methods=["POST"])
def remove_paper(need_id: UUID, paper_id: UUID) -> Any:
    """Takes a paper out again."""
    return act(
        lambda: paper_service.remove_paper(context(), need_id, paper_id), done=gettext("材料已移除。"),
        to=url_for("market.need_papers", need_id=need_id),
    )


def papers_with(need_id: UUID) -> list[tuple[str, Any]]:
    """Kind and paper of what goes with a need, for whoever may read it."""
    return [(held.kind, paper_rows([paper])[0]) for held, paper in paper_service.papers_of(need_id)]
