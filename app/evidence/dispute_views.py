"""Pages of disputes: the firm files and follows, the provider answers, the desk sees what is late."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import case

from app.core import pages
from app.core.calendar import SHANGHAI, today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.formats import date_text
from app.core.lifecycle import can_fire
from app.core.pages import Text, Wait
from app.core.permissions import OrgKind, Permission
from app.core.queries import organisation_names
from app.core.storage import PAPER_LIMIT, Stored, papers_of, take_in
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.views import paper_rows
from app.core.web import act, attempt, context, send_list
from app.enterprises.models import Enterprise
from app.evidence import dispute_queries, dispute_service, queries
from app.evidence.correction_models import EvidenceDispute
from app.evidence.display import chip, item_name
from app.evidence.dispute_display import STATES, state_words
from app.evidence.dispute_forms import AnswerForm, DisputeForm
from app.evidence.dispute_rules import DISPUTE, DisputeState, Outcome
from app.evidence.dispute_states import DISPUTE_LIFE
from app.evidence.door import room
from app.evidence.fact_display import row_actions
from app.evidence.forms import offers
from app.evidence.models import DataItem
from app.evidence.shapes import SHAPES
from app.evidence.words import label_of, shown_pairs

P = Permission
pages.menu.add(_l("异议"), "evidence.disputes", P.DISPUTE_READ, 61, pages.Group.DATA)
for _event, _words in {
    "ask": _l("企业提出异议"), "withdraw": _l("企业撤回了异议"),
    "correct": _l("数据单位答复：更正"), "uphold": _l("数据单位答复：维持"),
}.items():
    pages.event_texts.add("evidence_dispute", _event, _words)

_PRESSING = case((EvidenceDispute.state == DisputeState.ASKED.value, EvidenceDispute.due_on))

DISPUTES = Table(
    "disputes",
    columns=[
        Column("label", _l("关于"), EvidenceDispute.label, sub=lambda row: f"{row.firm_name} · {row.firm_uscc}"),
        Column("provider", _l("核查单位"), sortable=False, hide_small=True),
        Column("asked_at", _l("提出"), EvidenceDispute.asked_at, kind="datetime", hide_small=True),
        Column("due", _l("答复期限"), _PRESSING, render=lambda row: date_text(row.due_on), export=lambda row: row.due_on,
               kind="date"),
        Column("state", _l("状态"), EvidenceDispute.state, render=lambda row: chip(state_words(row)),
               export=lambda row: str(state_words(row)[0]),
               sub=lambda row: gettext("%(day)s 前交来更正", day=date_text(row.deliver_by))
               if row.deliver_by and row.corrected_at is None else ""),
    ],
    filters=[
        Filter("state", _l("状态"), choices=[(key, words[0]) for key, words in STATES.items()],
               apply=lambda stmt, value: stmt.where(EvidenceDispute.state == value)),
        Filter("late", _l("已逾期"), kind="flag", apply=lambda stmt, value: stmt.where(
            EvidenceDispute.state == DisputeState.ASKED.value, EvidenceDispute.due_on < today())),
        Filter("q", _l("企业或内容"), kind="text", apply=lambda stmt, value: stmt.where(
            EvidenceDispute.firm_name.icontains(value, autoescape=True)
            | EvidenceDispute.label.icontains(value, autoescape=True))),
    ],
    default_sort="due",
    row_url=lambda row: url_for("evidence.dispute", dispute_id=row.id),
    empty_title=_l("没有异议"),
    empty_hint=_l("企业认为平台上关于自己的资料有误时，可以提出异议；提供资料的单位在 20 天内核查并书面答复。"),
    empty_action=lambda: (_l("提出异议"), url_for("evidence.dispute_new")) if context().can(P.DISPUTE_FILE) else None,
)


@room.page("/disputes", P.DISPUTE_READ)
def disputes() -> Any:
    """A firm's own disputes, those a provider has to answer, all of them for the desk; the most pressing first."""
    ctx = context()
    with reading(ctx, P.DISPUTE_READ) as db:
        stmt, args = dispute_queries.disputes(), remembered(DISPUTES, request.args, session)
        if wants_export(request.args):
            return send_list(DISPUTES, DISPUTES.load_all(db, stmt, args, EXPORT_LIMIT), gettext("异议"), "disputes.xlsx")
        return render_template("evidence/disputes.html", page=DISPUTES.load(db, stmt, args), may_file=ctx.can(P.DISPUTE_FILE))


@room.page("/my-data/disputes/new", P.DISPUTE_FILE, methods=["GET", "POST"])
def dispute_new() -> Any:
    """Which item, which row of it, what is wrong. ``?item=…&fact=…`` lead here from a row."""
    ctx = context()
    code, form = request.values.get("item", ""), DisputeForm()
    with reading(ctx, P.DISPUTE_FILE):
        verified = get_or_404(Enterprise, ctx.org_id).state == "verified"
        items = [item for item in queries.catalogue(active=True) if item.code in SHAPES]
        item = next((one for one in items if one.code == code), None)
        if item is not None:
            _offer(ctx, form, item)
    if item is None:
        return render_template("evidence/dispute_item.html", items=items, item_name=item_name, verified=verified)
    if request.method == "GET":
        form.fact.data = request.args.get("fact", "")
    if form.validate_on_submit():
        found = attempt(form, lambda: dispute_service.file_dispute(
            ctx, item.code, form.claim.data or "", fact=form.fact.data or None, wanted=form.wanted.data or "",
            provider_org_id=UUID(form.provider.data) if form.provider.data else None, proof=_proof(form.file.data),
        ))
        if found is not None:
            flash(gettext("异议已提交，%(day)s 前会有书面答复；在此之前这条资料会标明“有异议”。", day=date_text(found.due_on)),
                  "success")
            return redirect(url_for("evidence.dispute", dispute_id=found.id))
    return render_template("evidence/dispute_new.html", form=form, item=item, name=item_name(item), verified=verified,
                           days=DISPUTE.answer_days)


def _offer(ctx: Context, form: DisputeForm, item: DataItem) -> None:
    shape = SHAPES[item.code]
    rows = [(shape.reference(row), label_of(item, row)) for row in dispute_queries.rows_to_dispute(ctx, shape)]
    wanted = request.values.get("fact", "")
    if wanted and wanted not in {reference for reference, _ in rows}:
        rows.insert(0, (wanted, gettext("刚才选中的那一条")))
    form.fact.choices = offers([("", _l("整项资料，或缺少的内容")), *rows])
    providers = [(str(key), name) for key, name in dispute_queries.providers_of_item(ctx, item.code)]
    form.provider.choices = offers([("", _l("交来这一条的单位")), *providers])


def _proof(data: Any) -> tuple[Stored, str] | None:
    if not data or not data.filename:
        return None
    with closing(data):
        return take_in(data.stream, limit=PAPER_LIMIT, limit_text=f"{PAPER_LIMIT // (1024 * 1024)} MB"), data.filename


@room.page("/disputes/<uuid:dispute_id>", P.DISPUTE_READ, methods=["GET"])
def dispute(dispute_id: UUID) -> Any:
    """One dispute: the fact as it stood, what the firm says, papers, the answer, and for the provider the form."""
    return _page(dispute_id, AnswerForm())


@room.page("/disputes/<uuid:dispute_id>/answer", P.DISPUTE_ANSWER, methods=["POST"])
def answer(dispute_id: UUID) -> Any:
    """The provider's written answer."""
    ctx, form = context(), AnswerForm()
    if form.validate_on_submit():
        done = attempt(form, lambda: dispute_service.answer_dispute(
            ctx, dispute_id, Outcome(form.outcome.data), form.answer.data or "",
            delivery_id=UUID(form.delivery.data) if form.delivery.data else None, deliver_by=form.deliver_by.data,
            proof=_proof(form.file.data),
        ))
        if done is not None:
            flash(gettext("已书面答复，企业已收到消息。"), "success")
            return redirect(url_for("evidence.dispute", dispute_id=dispute_id))
    return _page(dispute_id, form)


def _page(dispute_id: UUID, form: AnswerForm) -> Any:
    ctx = context()
    with reading(ctx, P.DISPUTE_READ) as db:
        found = get_or_404(EvidenceDispute, dispute_id)
        pairs = shown_pairs(found.item_code, found.shown)
        provider = organisation_names({found.provider_org_id}).get(found.provider_org_id, "")
        item = db.get_one(DataItem, found.item_code)
        may_answer = found.provider_org_id == ctx.org_id and can_fire(ctx, DISPUTE_LIFE, found, "uphold")
        if may_answer:
            form.delivery.choices = offers([("", _l("还没有交来")), *(
                (str(one.id), gettext("第 %(number)s 批 · %(name)s", number=one.number, name=one.filename))
                for one in dispute_queries.deliveries_since(found)
            )])
        return render_template(
            "evidence/dispute.html", dispute=found, item=item_name(item), words=state_words(found), form=form,
            pairs=[(gettext(label), gettext(value) if value else value) for label, value in pairs], provider=provider,
            papers=paper_rows(papers_of(found)),
            correction=dispute_queries.correction_of(found.id), may_answer=may_answer, deliver_days=DISPUTE.deliver_days,
            may_withdraw=found.firm_id == ctx.org_id and can_fire(ctx, DISPUTE_LIFE, found, "withdraw"),
            late_by=(found.answered_at.astimezone(SHANGHAI).date() if found.answered_at else today()) - found.due_on,
        )


@room.page("/disputes/<uuid:dispute_id>/withdraw", P.DISPUTE_FILE, methods=["POST"])
def dispute_withdraw(dispute_id: UUID) -> Any:
    """The firm takes its dispute back."""
    return act(lambda: dispute_service.withdraw_dispute(context(), dispute_id), done=gettext("异议已撤回。"),
               to=url_for("evidence.dispute", dispute_id=dispute_id))


def _end_of(day: Any) -> datetime:
    return datetime.combine(day, time(23, 59), SHANGHAI).astimezone(UTC)


def provider_disputes(ctx: Context) -> Iterable[Wait]:
    """What a provider has to check and answer, and the corrections it promised."""
    for row in dispute_queries.waiting_for_provider(ctx.org_id):
        left = (row.due_on - today()).days
        text = gettext("答复异议") if row.state == DisputeState.ASKED else gettext("交来答应的更正")
        yield Wait(text, f"{row.firm_name} · {row.label}", url_for("evidence.dispute", dispute_id=row.id),
                   due=_end_of(row.due_on), order=5 if left < 0 else 15,
                   tone="bad" if left < 0 else "wait" if left <= DISPUTE.soon_days else "plain")


def desk_disputes(ctx: Context) -> Iterable[Wait]:
    """Disputes that nobody answered by their last day, every day until somebody does."""
    if ctx.org_kind is not OrgKind.PLATFORM:
        return
    for row in dispute_queries.overdue():
        yield Wait(gettext("催办逾期的异议"), f"{row.provider} · {row.firm_name} · {row.label}",
                   url_for("evidence.dispute", dispute_id=row.id), due=_end_of(row.due_on), tone="bad", order=12)


def row_to_dispute(item_code: str, row: Any) -> tuple[Text, str] | None:
    """What a firm may do with a row of its own data: dispute it."""
    if item_code not in SHAPES or not context().can(P.DISPUTE_FILE):
        return None
    return _l("提出异议"), url_for("evidence.dispute_new", item=item_code, fact=SHAPES[item_code].reference(row._mapping))


row_actions.append(row_to_dispute)
pages.home.add_waits(P.DISPUTE_ANSWER, provider_disputes)
pages.home.add_waits(P.DISPUTE_READ, desk_disputes)

