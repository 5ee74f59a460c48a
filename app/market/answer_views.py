"""Pages around an open need: a bank refuses or asks; the firm answers many questions at one go."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.pages import Wait
from app.core.permissions import Permission
from app.core.storage import PAPER_LIMIT, store_paper, take_in
from app.core.use_case import reading
from app.core.views import paper_rows
from app.core.web import act, attempt, context
from app.market import answer_queries, answer_service, queries
from app.market.answer_forms import AnswerForm
from app.market.answer_service import QUESTION
from app.market.answer_words import PAPERS, QUESTION_STATES
from app.market.display import card_title, need_title
from app.market.door import room
from app.market.models import Need
from app.market.words import NeedState

pages.menu.add(_l("提问"), "market.bank_questions", Permission.QUESTION_ASK, 25, pages.Group.FINANCING)
for _event, _text in {
    "create": _l("银行提问"), "answer": _l("答复银行提问"), "drop": _l("撤回提问"), "close": _l("提问随截止结束"),
}.items():  # fmt: skip
    pages.event_texts.add(QUESTION.subject, _event, _text)


def question_text(question: Any) -> str:
    """What is asked for, in one line."""
    paper = gettext(PAPERS[question.paper_kind][0]) if question.paper_kind else ""
    return gettext("：").join(part for part in (paper, question.text) if part)


@room.page("/queue/<uuid:need_id>/refuse", Permission.NEED_REFUSE, methods=["POST"])
def refuse(need_id: UUID) -> Any:
    """The bank will not bid, and says why."""
    reasons, text = tuple(request.form.getlist("reasons")), request.form.get("text", "")
    return act(
        lambda: answer_service.refuse_need(context(), need_id, reasons, text),
        done=gettext("已婉拒；截止后企业会看到原因。"), to=url_for("market.queue_need", need_id=need_id),
    )


@room.page("/queue/<uuid:need_id>/ask", Permission.QUESTION_ASK, methods=["POST"])
def ask(need_id: UUID) -> Any:
    """Asks for an answer or a paper."""
    text, paper = request.form.get("text", ""), request.form.get("paper_kind") or None
    return act(
        lambda: answer_service.ask(context(), need_id, text, paper),
        done=gettext("已提问；企业不知道是哪家银行问的。"), to=url_for("market.queue_need", need_id=need_id),
    )


@room.page("/questions", Permission.QUESTION_ASK)
def bank_questions() -> Any:
    """What the bank asked, with the answers."""
    ctx = context()
    with reading(ctx, Permission.QUESTION_ASK):
        rows = answer_queries.read_by_bank(ctx)
        answered = [row.Question.answer_id for row in rows if row.Question.answer_id]
        papers = {key: paper_rows(found) for key, found in answer_queries.papers(answered).items()}
        return render_template(
            "market/bank_questions.html", rows=rows, papers=papers, states=QUESTION_STATES, question_text=question_text,
            card_title=card_title,
        )


@room.page("/questions/<uuid:question_id>/drop", Permission.QUESTION_ASK, methods=["POST"])
def drop_question(question_id: UUID) -> Any:
    """Takes a question back."""
    return act(
        lambda: answer_service.drop_question(context(), question_id), done=gettext("已撤回提问。"),
        to=url_for("market.bank_questions"),
    )


@room.page("/needs/<uuid:need_id>/questions", Permission.QUESTION_ANSWER, methods=["GET", "POST"])
def need_questions(need_id: UUID) -> Any:
    """Questions about a need; several are answered at one go, for all its banks or for those named."""
    ctx = context()
    with reading(ctx, Permission.QUESTION_ANSWER):
        need = get_or_404(Need, need_id)
        asked = answer_queries.questions(need_id)
        waiting = [question for question in asked if question.state == "ASKED"]
        form = AnswerForm([(question.id, question_text(question)) for question in waiting], queries.banks())
    if form.validate_on_submit() and attempt(form, lambda: _answer(ctx, need, form)) is not None:
        return redirect(url_for("market.need_questions", need_id=need_id))
    with reading(ctx, Permission.QUESTION_ANSWER):
        given = answer_queries.answers(need_id)
        keys = [answer.id for answer in given]
        papers = {key: paper_rows(found) for key, found in answer_queries.papers(keys).items()}
        return render_template(
            "market/need_questions.html", need=need, title=need_title(need), form=form, waiting=waiting, asked=asked, given=given,
            named=answer_queries.named_banks(keys), papers=papers, question_text=question_text, states=QUESTION_STATES,
            instead=_instead(waiting),
            is_open=need.state == NeedState.OPEN,
        )


def _instead(waiting: list[Any]) -> list[str]:
    """Papers among what is asked for that data of a consent would replace."""
    kinds = {question.paper_kind for question in waiting if question.paper_kind}
    return sorted(gettext(PAPERS[kind][0]) for kind in kinds if PAPERS[kind][1] is not None)


def _answer(ctx: Context, need: Need, form: AnswerForm) -> Any:
    """The answer, then the paper that goes with it; a paper of a wrong type is refused before anything is written."""
    upload = form.file.data
    stored = take_in(upload.stream, limit=PAPER_LIMIT, limit_text="20 MB") if upload and upload.filename else None
    if stored is not None and not upload.filename.lower().endswith((".pdf", ".png", ".jpg", ".jpeg")):
        raise Refusal(ErrorCode.FILE_TYPE, field="file", allowed="PDF / PNG / JPG")
    given = answer_service.answer(ctx, need.id, form.chosen(), form.text.data or "", form.named())
    if stored is not None:
        kinds = {one.paper_kind for one in answer_kinds(ctx, need.id, form.chosen())} - {None}
        store_paper(
            ctx.with_token(f"{ctx.token}:paper" if ctx.token else None), subject_type="answer", subject_id=given.id,
            case_id=need.case_id, kind=(kinds.pop() or "OTHER").lower() if len(kinds) == 1 else "other",
            filename=upload.filename, stored=stored,
        )
    return given


def answer_kinds(ctx: Context, need_id: UUID, chosen: list[UUID]) -> list[Any]:
    """The questions that were ticked."""
    with reading(ctx, Permission.QUESTION_ANSWER):
        return [question for question in answer_queries.questions(need_id) if question.id in set(chosen)]


def question_waits(ctx: Context) -> list[Wait]:
    """Needs with questions that wait for the firm."""
    return [
        Wait(
            _l("银行的提问等您答复"), "", url_for("market.need_questions", need_id=row.need_id), due=row.due_at, tone="wait",
            order=11,
        )
        for row in answer_queries.open_questions()
    ]


pages.home.add_waits(Permission.QUESTION_ANSWER, question_waits)
