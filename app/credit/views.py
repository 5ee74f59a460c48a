"""Pages of credit profiles: the firm's own, a bank's look, the desk's answers to requests for a human look."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time
from io import BytesIO
from typing import Any
from uuid import UUID

from flask import flash, g, redirect, render_template, request, send_file, url_for
from flask import session as cookie
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.calendar import SHANGHAI, today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import NotFound
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.ids import new_id
from app.core.lifecycle import can_fire
from app.core.models import Case
from app.core.permissions import OrgKind, Permission
from app.core.sheets import NO_FONT, NoFont
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import attempt, context, send_list
from app.credit import correction_service as correction_service  # its handler and check register on import
from app.credit import disclosing as disclosing
from app.credit import explaining, look_service, peers, profile_paper, queries, review_service, sources
from app.credit import model_views as model_views
from app.credit import run_views as run_views
from app.credit import score_counts as score_counts
from app.credit import service as service  # its handlers register on import
from app.credit import threshold_views as threshold_views
from app.credit import warning_views as warning_views
from app.credit.door import room
from app.credit.forms import AnswerReviewForm, AskReviewForm
from app.credit.models import CreditProfile, ProfileReview, ScoringModel
from app.credit.rules import PARAMETERS, ProfileState, ReviewState
from app.credit.states import REVIEW_LIFE
from app.credit.what_helps_views import advice_of
from app.evidence import queries as evidence
from app.evidence.consent_queries import trace_of
from app.evidence.display import PURPOSES, item_name, monthly_chart, reference
from app.evidence.queries import MonthlyInvoices
from app.identity.models import Organisation
from scoring.features.registry import MONTHLY
from scoring.features.window import WINDOW

pages.menu.add(_l("信用画像"), "credit.profile", Permission.PROFILE_READ, 15, pages.Group.DATA)
pages.menu.add(_l("画像复核"), "credit.reviews", Permission.ENTERPRISE_DESK, 40, pages.Group.DATA)
pages.event_texts.add("profile_review", "ask", _l("企业请求人工复核信用画像"))
pages.event_texts.add("profile_review", "answer", _l("服务台答复了复核请求"))

REVIEW_STATES = {ReviewState.ASKED.value: _l("待答复"), ReviewState.ANSWERED.value: _l("已答复")}


def stage_of(glance: queries.Glance | None, has_model: bool) -> str:
    """Which of its states the firm's page is in; the consent is asked anew, so a revoked one hides the score at once."""
    if glance is None or not glance.verified:
        return "unverified"
    if not glance.consented:
        return "no_consent"
    if glance.profile in (None, ProfileState.NO_CONSENT.value):
        return "computing" if has_model else "no_model"
    return str(glance.profile)


@room.page("/profile", Permission.PROFILE_READ, methods=["GET", "POST"])
def profile() -> Any:
    """The firm's own profile, and its request for a human look."""
    ctx = context()
    form = AskReviewForm()
    if form.validate_on_submit():
        review = attempt(form, lambda: review_service.ask_review(ctx, form.message.data or ""))
        if review is not None:
            flash(gettext("已收到您的请求，我们会在 %(day)s 前书面答复。", day=review.due_on.isoformat()), "success")
            return redirect(url_for("credit.profile", _anchor="review"))
    fresh_token(form)
    if ctx.org_id is None:
        raise NotFound
    with reading(ctx, Permission.PROFILE_READ):
        return render_template("credit/profile.html", form=form, **_own_profile(ctx.org_id))


def _own_profile(firm_id: UUID) -> dict[str, Any]:
    """All that the firm's page shows, by the state it is in."""
    glance = queries.glance(firm_id)
    model = queries.active_model()
    stage = stage_of(glance, model is not None)
    found = queries.current_profile(firm_id) if stage in ("scored", "insufficient") else None
    history = queries.profile_history(firm_id) if stage != "unverified" else []
    models = queries.models_by_id({row.model_id for row in history if row.model_id is not None})
    scored_by = models.get(found.model_id) if found is not None and found.model_id else None
    months = _months(firm_id) if found is not None else []
    return {
        "stage": stage, "profile": found, "place": glance.place if glance else None,
        "synthetic": is_synthetic(scored_by or model),
        **(_score_of(found, scored_by) if found is not None and scored_by is not None else {}),
        "sources": sources.sources_of(firm_id, found.coverage) if found else [],
        "source_names": source_names(), "monthly": MONTHLY,
        "model_facts": explaining.model_facts(scored_by) if scored_by else [],
        "chart": monthly_chart(months) if months else None,
        "history": explaining.history_rows(history, models), "history_chart": explaining.history_chart(history),
        "bank_sees": explaining.BANK_SEES[queries.visible_now()], "window": WINDOW,
        "reviews": queries.reviews_of(firm_id), "review_days": PARAMETERS.review_days,
        "meanings": explaining.GRADE_MEANINGS, "tones": explaining.GRADE_TONES,
        "consents_url": url_for("evidence.consents"), "give_url": url_for("evidence.give"),
    }


def _score_of(profile: CreditProfile, model: ScoringModel) -> dict[str, Any]:
    """What a page shows of a score that is the firm's own."""
    assert profile.score is not None and profile.grade is not None
    beside = peers.peers()
    return {
        "reasons": explaining.reasons(profile), "dial": explaining.dial(profile.score, profile.grade, model),
        "account": explaining.account(profile), "probability": explaining.probability_rows(profile, model),
        "chances": explaining.chances(profile), "confidence": explaining.confidence(profile), "law": explaining.LAW,
        "web": peers.web(beside) if beside else None, "least_peers": peers.COMPARING.least, "advice": advice_of(profile),
    }


def source_names() -> dict[str, str]:
    """The names of the sources of a score, in the language of the page."""
    return {code: item_name(item) for code, item in sources.catalogue().items()}


@room.page("/profile/paper", Permission.PROFILE_READ)
def paper() -> Any:
    """The firm's own profile as a PDF, in the language of the page."""
    ctx = context()
    if ctx.org_id is None:
        raise NotFound
    with reading(ctx, Permission.PROFILE_READ):
        shown = _own_profile(ctx.org_id)
        if shown["stage"] not in ("scored", "insufficient"):
            raise NotFound
        try:
            data = profile_paper.draw(ctx.org_name, shown)
        except NoFont:
            flash(gettext(NO_FONT), "warning")
            return redirect(url_for("credit.profile"))
        g.exported = ("profile", 1)
    return send_file(BytesIO(data), as_attachment=True, download_name="profile.pdf", mimetype="application/pdf")


@room.page("/profile/trace/<uuid:profile_id>", Permission.PROFILE_READ)
def trace(profile_id: UUID) -> Any:
    """Which consent let which data into which feature of one of the firm's own profiles."""
    ctx = context()
    with reading(ctx, Permission.PROFILE_READ):
        found = get_or_404(CreditProfile, profile_id)
        firm_no = queries.firm_no_of(found.firm_id)
        if found.firm_id != ctx.org_id or firm_no is None:
            raise NotFound
        consents = trace_of(firm_no, [UUID(one) for one in found.consent_ids], found.at)
        return render_template(
            "credit/trace.html", profile=found, traced=sources.traced(found, consents, firm_no) if consents else [],
            item_name=item_name, reference=reference, purposes=PURPOSES,
        )


def _months(firm_id: UUID) -> list[MonthlyInvoices]:
    firm_no = queries.firm_no_of(firm_id)
    return evidence.monthly_invoices(firm_no, PARAMETERS.chart_months) if firm_no is not None else []


def is_synthetic(model: ScoringModel | None) -> bool:
    """Whether the model learned on made-up firms, which the page must say."""
    return model is not None and model.trained_on == "synthetic"


def fresh_token(form: AskReviewForm | AnswerReviewForm) -> None:
    """A new token for a form that is shown: a corrected form is another form."""
    form.idempotency_token.data = str(new_id())


@room.page("/profiles/<uuid:firm_id>", Permission.PROFILE_LOOK)
def look(firm_id: UUID) -> Any:
    """A bank looks at a firm; what the page shows follows the consent and the switch, and the look is recorded."""
    ctx = context()
    shown, summary = look_service.bank_profile(ctx, firm_id, request.args.get("case", type=UUID))
    with reading(ctx, Permission.PROFILE_LOOK):
        return render_template(
            "credit/look.html", profile=shown, summary=summary, reasons=explaining.shown_reasons(shown.reasons),
            chart=monthly_chart(summary.months) if summary.lines else None, sources=sources.shown_sources(shown.coverage),
            source_names=source_names(), tones=explaining.GRADE_TONES, meanings=explaining.GRADE_MEANINGS, window=WINDOW,
        )


# --- the desk
# ---------------------------------------------------------------------------------------------------

REVIEWS = Table(
    "profile_reviews",
    columns=[
        Column("firm", _l("企业"), Organisation.name),
        Column("asked_at", _l("请求时间"), ProfileReview.asked_at, kind="datetime"),
        Column("due_on", _l("答复期限"), ProfileReview.due_on, kind="date"),
        Column("state", _l("状态"), ProfileReview.state, render=lambda row: str(REVIEW_STATES[row.state])),
    ],
    filters=[
        Filter("state", _l("状态"), kind="choice", choices=list(REVIEW_STATES.items()),
               apply=lambda stmt, value: stmt.where(ProfileReview.state == value)),
        Filter("q", _l("企业名称"), kind="text",
               apply=lambda stmt, value: stmt.where(Organisation.name.icontains(value, autoescape=True))),
    ],
    default_sort="due_on",
    row_url=lambda row: url_for("credit.review", review_id=row.id),
    empty_title=_l("没有复核请求"),
    empty_hint=_l("企业不认同信用画像时，可以请求人工复核，请求会出现在这里。"),
)


@room.page("/profile-reviews", Permission.ENTERPRISE_DESK)
def reviews() -> Any:
    """Requests for a human look, the most urgent first."""
    ctx = context()
    with reading(ctx, Permission.ENTERPRISE_DESK) as db:
        arguments = remembered(REVIEWS, request.args, cookie)
        if wants_export(request.args):
            rows = REVIEWS.load_all(db, queries.reviews_query(), arguments, EXPORT_LIMIT)
            return send_list(REVIEWS, rows, gettext("画像复核"), "profile-reviews.xlsx")
        page = REVIEWS.load(db, queries.reviews_query(), arguments)
        return render_template("credit/reviews.html", page=page)


@room.page("/profile-reviews/<uuid:review_id>", Permission.ENTERPRISE_DESK, methods=["GET", "POST"])
def review(review_id: UUID) -> Any:
    """One request with the profile it is about; the desk answers in writing. Opening it is recorded."""
    ctx = context()
    form = AnswerReviewForm()
    if form.validate_on_submit():
        answered = attempt(form, lambda: review_service.answer_review(ctx, review_id, form.answer.data or ""))
        if answered is not None:
            flash(gettext("答复已送达企业。"), "success")
            return redirect(url_for("credit.review", review_id=review_id))
    fresh_token(form)
    found, profile = review_service.look_at_review(ctx.with_token(None), review_id)
    with reading(ctx, Permission.ENTERPRISE_DESK):
        model = queries.model_by_id(profile.model_id)
        return render_template(
            "credit/review.html", review=found, profile=profile, firm=queries.firm_name(found.firm_id), form=form,
            reasons=explaining.reasons(profile), sources=sources.shown_sources(profile.coverage), source_names=source_names(),
            account=explaining.account(profile), probability=explaining.probability_rows(profile, model) if model else [],
            chances=explaining.chances(profile), tones=explaining.GRADE_TONES, law=explaining.LAW,
            state=REVIEW_STATES[found.state], may_answer=can_fire(ctx, REVIEW_LIFE, found, "answer"),
            synthetic=is_synthetic(model), window=WINDOW,
        )


# --- what other pages show of this room
# --------------------------------------------------------------------------


def firm_figures(ctx: Context) -> Iterable[pages.Figure]:
    """Grade and place on the firm's home, while its consent is in force."""
    glance = queries.glance(ctx.org_id) if ctx.org_id else None
    if glance is None or not glance.scored or glance.grade is None:
        return
    url = url_for("credit.profile")
    label = _l("信用等级（演示模型，由合成企业学得）") if glance.synthetic_model else _l("信用等级")
    yield pages.Figure(label, glance.grade, tone=explaining.GRADE_TONES[glance.grade], url=url)
    if glance.place is not None:
        yield pages.Figure(_l("评分在已评分企业中的位置"), gettext("前 %(percent)d%%", percent=glance.place.percent), url=url)


def firm_waits(ctx: Context) -> Iterable[pages.Wait]:
    """A firm that let banks in and not the portal has no profile; where it gave no consent at all, evidence says so."""
    glance = queries.glance(ctx.org_id) if ctx.org_id else None
    if glance is not None and glance.verified and not glance.consented and glance.consented_to_others:
        yield pages.Wait(
            _l("授权平台读取发票后，才有信用画像"), _l("您已授权银行查看资料，还没有授权平台计算画像"),
            url_for("credit.profile"), order=60,
        )


def desk_waits(ctx: Context) -> Iterable[pages.Wait]:
    """Requests for a human look that the desk has to answer."""
    for row in queries.open_reviews():
        due = datetime.combine(row.due_on, time(18), SHANGHAI)
        near = (row.due_on - today()).days <= PARAMETERS.review_due_soon_days
        yield pages.Wait(
            _l("答复信用画像复核请求"), row.firm, url_for("credit.review", review_id=row.id), due=due,
            tone="wait" if near else "plain", order=30,
        )


def station(ctx: Context, case: Case) -> Iterable[pages.Station]:
    """画像 on the line of a need: reached when the firm has its first profile."""
    if case.kind != "need":
        return
    since = queries.profile_since(case.subject_org_id)
    url = url_for("credit.profile") if ctx.org_id == case.subject_org_id else None
    yield pages.Station("profile", _l("画像"), "done" if since else "todo", at=since, url=url)


def case_link(ctx: Context, case: Case) -> Iterable[pages.CaseLink]:
    """The profile beside the objects of a case, for the firm and for a bank that its consent names."""
    if ctx.org_id == case.subject_org_id:
        yield pages.CaseLink(_l("信用画像"), _l("本企业"), url_for("credit.profile"))
    elif ctx.org_kind is OrgKind.BANK and ctx.can(Permission.PROFILE_LOOK):
        card = queries.card_profiles([case.subject_org_id]).get(case.subject_org_id)
        if card is not None and card.consented:
            url = url_for("credit.look", firm_id=case.subject_org_id, case=case.id)
            yield pages.CaseLink(_l("信用画像"), _l("企业已授权"), url, "good")


pages.home.add_figures(Permission.PROFILE_READ, firm_figures)
pages.home.add_waits(Permission.PROFILE_READ, firm_waits)
pages.home.add_waits(Permission.ENTERPRISE_DESK, desk_waits)
pages.stations.add(10, station)
pages.case_links.add(10, case_link)
