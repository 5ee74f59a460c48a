"""Pages of the model register: the list, one model with its decisions, training, comparison, card, fairness, drift."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask import Response, current_app, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.database import session as db_session
from app.core.errors import NotFound
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.formats import is_english
from app.core.ids import new_id
from app.core.lifecycle import can_fire, refusal
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.queries import timeline_entries
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import act, attempt, context, send_list
from app.credit import fairness_display as display
from app.credit import model_queries, model_service, report_service, training_service
from app.credit.door import room
from app.credit.model_card import HOW_TO_READ, MEASURES, card, figure_text, learned_on, measures, period
from app.credit.model_forms import DATA_NAMES, TrainForm, UploadModelForm
from app.credit.model_states import DECISIONS, MODEL_LIFE, ModelState
from app.credit.model_training import TrainingData, real_folder
from app.credit.models import ScoringModel
from app.credit.queries import active_model
from app.credit.register_models import ModelReport
from app.evidence.display import item_name
from app.evidence.models import DataItem
from scoring import document

P = Permission
pages.menu.add(_l("评分模型"), "credit.models", P.MODEL_READ, 46, pages.Group.DATA)
pages.menu.add(_l("模型说明书"), "credit.model_card_now", P.MODEL_CARD, 49, pages.Group.DATA)
for _event, _words in {
    "first_start": _l("首次启动：平台还没有模型，由系统直接启用"), "propose": _l("登记为候选模型"), "approve": _l("批准"),
    "refuse": _l("不予批准"), "activate": _l("启用"), "retire": _l("被另一个模型接替，停用"),
    "recall": _l("提出回退到这个模型"),
    "restore": _l("同意回退，重新启用"), "drop": _l("放弃回退"),
}.items():
    pages.event_texts.add(ScoringModel.__tablename__, _event, _words)

BUTTONS: dict[str, tuple[Any, Any, str]] = {
    "approve": (_l("批准"), _l("批准后由另一个人启用。请写明批准的依据，会一直保留。"), "primary"),
    "activate": (_l("启用"), _l("启用后，现在的模型停用，所有已授权企业用这个模型重新评分。"), "primary"),
    "restore": (_l("同意回退"), _l("回退后，现在的模型停用，所有已授权企业用这个模型重新评分。"), "primary"),
    "recall": (_l("提出回退"), _l("由另一个人同意后才会回退。请写明为什么要回到这个模型。"), "outline-primary"),
    "drop": (_l("放弃回退"), _l("这个模型保持停用。"), "quiet"),
    "refuse": (_l("不予批准"), _l("这个模型不会用于评分。"), "outline-danger"),
}
DONE: dict[str, Any] = {
    "approve": _l("已批准，请由另一个人启用。"), "activate": _l("已启用，正在重新评分。"),
    "restore": _l("已回退，正在重新评分。"),
    "recall": _l("已提出回退，请由另一个人同意。"), "drop": _l("已放弃回退。"), "refuse": _l("已记录不予批准。"),
}
ORIGINS: dict[str, Any] = {"trained": _l("平台训练"), "uploaded": _l("上传"), "file": _l("服务器命令登记")}


def state_chip(row: Any) -> Any:
    """Where a model stands."""
    return chip(gettext(ModelState(row.state).label), ModelState(row.state).tone)


def _auc(row: Any) -> str:
    return figure_text(measures(row.metrics).get("auc"))


MODELS = Table(
    "models",
    columns=[
        Column("version", _l("模型版本"), ScoringModel.version, sub=lambda row: str(ORIGINS[row.origin])),
        Column("state", _l("状态"), ScoringModel.state, render=state_chip,
               export=lambda row: gettext(ModelState(row.state).label)),
        Column("trained_on", _l("学习用的数据"), ScoringModel.trained_on, render=learned_on, export=learned_on),
        Column("firms", _l("企业"), ScoringModel.firms, kind="count"),
        Column("auc", _l("AUC（95% 区间）"), sortable=False, render=_auc, export=_auc, align="right"),
        Column("registered_at", _l("登记"), ScoringModel.registered_at, kind="datetime", hide_small=True),
        Column("activated_at", _l("最近启用"), ScoringModel.activated_at, kind="datetime", hide_small=True),
    ],
    filters=[
        Filter("state", _l("状态"), choices=[(state.value, _l(state.label)) for state in ModelState],
               apply=lambda stmt, value: stmt.where(ScoringModel.state == value)),
    ],
    default_sort="-registered_at",
    row_url=lambda row: url_for("credit.model", model_id=row.id),
    empty_title=_l("还没有模型"),
    empty_hint=_l("训练或上传第一个模型后，企业才有信用画像。"),
)


@room.page("/models", P.MODEL_READ)
def models() -> Any:
    """The register, with what is being trained."""
    ctx = context()
    with reading(ctx, P.MODEL_READ) as db:
        args = remembered(MODELS, request.args, session)
        if wants_export(request.args):
            rows = MODELS.load_all(db, model_queries.models_query(), args, EXPORT_LIMIT)
            return send_list(MODELS, rows, gettext("评分模型"), "models.xlsx")
        trainings = model_queries.trainings()
        return render_template(
            "credit/models.html", page=MODELS.load(db, model_queries.models_query(), args), trainings=trainings,
            running=any(one.state == "asked" for one in trainings), at_work=model_queries.running_trainings(),
            may_propose=ctx.can(P.MODEL_PROPOSE), data_names=DATA_NAMES,
        )


@room.page("/models/new", P.MODEL_PROPOSE, methods=["GET", "POST"])
def new_model() -> Any:
    """Asks for a training; only what this machine has may be chosen."""
    ctx, form = context(), TrainForm()
    if not real_folder(current_app.config["HUIQIAO"]).is_dir():
        form.data.choices = [pair for pair in DATA_NAMES.items() if pair[0] != TrainingData.REAL.value]
    if form.validate_on_submit():
        note = form.note.data or ""
        if attempt(form, lambda: training_service.ask_training(ctx, TrainingData(form.data.data), note)) is not None:
            flash(gettext("训练已开始，完成后会作为候选模型出现在列表里。"), "success")
            return redirect(url_for("credit.models"))
    form.idempotency_token.data = str(new_id())
    return render_template("credit/model_new.html", form=form, upload=False, title=gettext("训练模型"))


@room.page("/models/upload", P.MODEL_PROPOSE, methods=["GET", "POST"])
def upload_model() -> Any:
    """Takes a model file from elsewhere."""
    ctx, form = context(), UploadModelForm()
    if form.validate_on_submit():
        content = form.file.data.stream.read(model_service.UPLOAD_LIMIT + 1)
        made = attempt(form, lambda: model_service.upload_model(ctx, content, form.note.data or ""))
        if made is not None:
            flash(gettext("已登记为候选模型，请由另一个人批准。"), "success")
            return redirect(url_for("credit.model", model_id=made.id))
    form.idempotency_token.data = str(new_id())
    return render_template("credit/model_new.html", form=form, upload=True, title=gettext("上传模型"))


@room.page("/models/<uuid:model_id>", P.MODEL_READ)
def model(model_id: UUID) -> Any:
    """One model: what it is, who decided what, and what the visitor may decide."""
    ctx = context()
    with reading(ctx, P.MODEL_READ):
        found = get_or_404(ScoringModel, model_id)
        told = measures(found.metrics)
        return render_template(
            "credit/model.html", model=found, state=state_chip(found), learned=learned_on(found), period=period(found),
            origin=ORIGINS[found.origin],
            figures=[(MEASURES[name], figure_text(one), HOW_TO_READ[name]) for name, one in told.items()],
            buttons=[(event, *BUTTONS[event]) for event in DECISIONS if can_fire(ctx, MODEL_LIFE, found, event)],
            same_person=any(_only_another(ctx, found, event) for event in DECISIONS),
            others=model_queries.others_than(model_id), entries=timeline_entries(model_queries.steps_of(model_id)),
            state_name=lambda row: gettext(ModelState(row.state).label),
        )


def _only_another(ctx: Context, found: ScoringModel, event: str) -> bool:
    code = refusal(ctx, MODEL_LIFE, found, event)
    return code is not None and code.value == "same_person"


@room.page("/models/<uuid:model_id>/decide", P.MODEL_READ, methods=["POST"])
def decide_model(model_id: UUID) -> Any:
    """A decision with its reason."""
    ctx, event = context(), request.form.get("event", "")
    return act(
        lambda: model_service.decide(ctx, model_id, event, request.form.get("reason", "")),
        done=str(DONE.get(event, "")), to=url_for("credit.model", model_id=model_id),
    )


# --- comparison ------------------------------------------------------------------------------------------------------------


@room.page("/models/<uuid:model_id>/compare", P.MODEL_READ)
def compare_models(model_id: UUID) -> Any:
    """Two models side by side: what their files say, and what they say of the portal's own firms."""
    ctx = context()
    other_id = request.args.get("with", type=UUID)
    with reading(ctx, P.MODEL_READ):
        found = get_or_404(ScoringModel, model_id)
        others = model_queries.others_than(model_id)
        other = next((row for row in others if row.id == other_id), None)
        if other is None and other_id is not None:
            raise NotFound
        report = model_queries.report_of("comparison", other.id, found.id) if other is not None else None
        told = [measures(row.metrics) for row in (other, found) if row is not None]
        shown = [name for name in MEASURES if any(name in one for one in told)]
        rows = [(MEASURES[name], [figure_text(one.get(name)) for one in told]) for name in shown]
        return render_template(
            "credit/model_compare.html", model=found, other=other, others=others, report=report, rows=rows, display=display,
            state_chip=state_chip, learned=learned_on, period=period, state_name=lambda row: gettext(ModelState(row.state).label),
        )


@room.page("/model-reports", P.MODEL_READ, methods=["POST"])
def ask_model_report() -> Any:
    """Asks for a report to be computed anew."""
    ctx, kind = context(), request.form.get("kind", "")
    model_id, other_id = request.form.get("model", type=UUID), request.form.get("other", type=UUID)
    if model_id is None:
        raise NotFound
    to = {
        "fairness": lambda: url_for("credit.fairness"), "drift": lambda: url_for("credit.drift"),
        "comparison": lambda: url_for("credit.compare_models", model_id=other_id) + f"?with={model_id}",
    }.get(kind, lambda: url_for("credit.models"))
    return act(
        lambda: report_service.ask_report(ctx, kind, model_id, other_id), done=gettext("已开始计算，完成后本页会显示结果。"),
        to=to() if kind != "comparison" or other_id else url_for("credit.models"),
    )


# --- card ------------------------------------------------------------------------------------------------------------------


@room.page("/model-card", P.MODEL_CARD)
def model_card_now() -> Any:
    """The card of the model that scores now."""
    with reading(context(), P.MODEL_CARD):
        active = active_model()
    if active is None:
        return render_template("credit/model_card.html", model=None)
    return redirect(url_for("credit.model_card", model_id=active.id))


@room.page("/models/<uuid:model_id>/card", P.MODEL_CARD)
def model_card(model_id: UUID) -> Any:
    """What those who validate a model need; ``?format=md`` or ``html``: as a file."""
    ctx = context()
    with reading(ctx, P.MODEL_CARD):
        found = get_or_404(ScoringModel, model_id)
        if ctx.org_kind is OrgKind.BANK and not model_queries.ever_scored(found):
            raise NotFound
        names = {row.code: item_name(row) for row in db_session().scalars(select(DataItem))}
        try:
            parsed = model_service.scorer_of(model_id)
        except model_service.ModelUnusable:
            parsed = None  # of an earlier format: the register keeps it for what it said
        sections = card(found, parsed, model_queries.done_report("fairness", model_id), names)
        wanted = request.args.get("format")
        if wanted in ("md", "html"):
            title = f"{gettext('模型说明书')} {found.version}"
            language = "en" if is_english() else "zh-CN"
            text = document.markdown(title, sections) if wanted == "md" else document.html(title, sections, language)
            return Response(text, content_type=f"text/{'markdown' if wanted == 'md' else 'html'}; charset=utf-8", headers={
                "Content-Disposition": f"attachment; filename=model-card-{found.version}.{wanted}"})
        return render_template(
            "credit/model_card.html", model=found, sections=sections, state=state_chip(found),
            synthetic=found.trained_on == "synthetic", may_read=ctx.can(P.MODEL_READ),
        )


# --- fairness and drift ----------------------------------------------------------------------------------------------------


@room.page("/models/fairness", P.MODEL_READ)
def fairness() -> Any:
    """How groups of firms fare, aggregates of ten firms and more."""
    with reading(context(), P.MODEL_READ):
        shown, newest = _reports("fairness")
        return render_template("credit/fairness.html", model=active_model(), report=shown, newest=newest, display=display)


@room.page("/models/drift", P.MODEL_READ)
def drift() -> Any:
    """Whether the firms scored now are like those the model began with, and whether what it expected came true."""
    with reading(context(), P.MODEL_READ):
        shown, newest = _reports("drift")
        return render_template("credit/drift.html", model=active_model(), report=shown, newest=newest, display=display)


def _reports(kind: str) -> tuple[ModelReport | None, ModelReport | None]:
    """The latest finished report about the model that scores, and the latest of all."""
    active = active_model()
    if active is None:
        return None, None
    return model_queries.done_report(kind, active.id), model_queries.report_of(kind, active.id)


# --- what waits ------------------------------------------------------------------------------------------------------------


def waits(ctx: Context) -> Iterable[pages.Wait]:
    """Models on which this very person may decide."""
    for row in model_queries.waiting_for_approval():
        for event in ("approve", "activate", "restore"):
            if can_fire(ctx, MODEL_LIFE, row, event):
                words = {"approve": _l("审批候选模型"), "activate": _l("启用已批准的模型"), "restore": _l("同意或放弃模型回退")}
                yield pages.Wait(words[event], row.version, url_for("credit.model", model_id=row.id), tone="wait", order=40)


pages.home.add_waits(P.MODEL_READ, waits)

