"""Pages of the firm: its needs, the wizard, the offers compared, the choice. Bank pages are in ``bank_views``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404
from app.core.lifecycle import can_fire
from app.core.permissions import Permission
from app.core.queries import timeline
from app.core.tables import Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, send_list
from app.credit.queries import current_profile
from app.market import (
    answer_queries,
    answer_views,
    appeal_views,
    award_registers,
    award_service,
    award_views,
    bank_views,
    batch_views,
    bid_queries,
    bid_registers,
    claim_views,
    clock_views,
    consult_queries,
    consult_views,
    debt_views,
    desk_views,
    fit_views,
    invite_service,
    level_views,
    need_rules,
    next_best,
    offer_views,
    paper_service,
    paper_views,
    part_views,
    policy,
    product_views,
    queries,
    queue_views,
    registers,
    service,
    sheet_views,
    standing_views,
)
from app.market import disclosing as disclosing
from app.market.answer_words import PAPERS, REFUSALS
from app.market.display import kind_text, need_chip, need_title
from app.market.door import room
from app.market.exposure import exposure_of
from app.market.exposure_rules import Exposure
from app.market.fields import put_problems
from app.market.forms import AudienceForm, CorrectionForm, PurposeForm, SendForm, TermsForm
from app.market.lifecycles import NEED
from app.market.models import Need
from app.market.paper_views import papers_with
from app.market.screening_words import RETURN_HELP, RETURN_REASONS
from app.market.wizard import EDITABLE, STEPS, draft_of, step_url, steps
from app.market.words import NEED_STATES, NeedState

__all__ = [
    "answer_views", "appeal_views", "award_registers", "award_service", "award_views", "bank_views", "batch_views",
    "bid_registers", "claim_views", "clock_views", "consult_views", "debt_views", "desk_views", "fit_views", "level_views",
    "offer_views", "paper_views", "part_views", "product_views", "queue_views", "registers", "room", "sheet_views",
    "standing_views",
]  # fmt: skip

NEEDS = Table(
    "needs",
    columns=[
        Column(
            "title",
            _l("需求"),
            sortable=False,
            render=need_title,
            export=need_title,
            sub=lambda row: row.number or gettext("还没有编号"),
        ),
        Column("amount_fen", _l("金额"), Need.amount_fen, kind="money"),
        Column("product_kind", _l("担保方式"), sortable=False, render=lambda row: kind_text(row.product_kind), hide_small=True),
        Column("created_at", _l("建立"), Need.created_at, kind="datetime", hide_small=True),
        Column("closes_at", _l("报价截止"), Need.closes_at, kind="datetime"),
        Column(
            "state",
            _l("状态"),
            sortable=False,
            render=lambda row: need_chip(row.state),
            export=lambda row: gettext(NEED_STATES[row.state]),
        ),
    ],
    filters=[
        Filter(
            "state",
            _l("状态"),
            choices=fixed(lambda: [(key, gettext(text)) for key, text in NEED_STATES.items()]),
            apply=lambda stmt, value: stmt.where(Need.state == value),
        )
    ],
    default_sort="-created_at",
    row_url=lambda row: url_for("market.need", need_id=row.id),
    empty_title=_l("还没有融资需求"),
    empty_hint=_l("填好金额、用途和期限，银行会在三个工作日内密封报价；截止前任何人都看不到报价，截止后由您比较选定。"),
)


@room.page("/needs", Permission.NEED_READ)
def needs() -> Any:
    """The firm's needs."""
    ctx = context()
    with reading(ctx, Permission.NEED_READ) as db:
        args = remembered(NEEDS, request.args, session)
        if wants_export(request.args):
            rows = NEEDS.load_all(db, queries.needs_query(), args, 10_000)
            return send_list(NEEDS, rows, gettext("融资需求"), "needs.xlsx")
        assert ctx.org_id is not None
        page = NEEDS.load(db, queries.needs_query(), args)
        return render_template("market/needs.html", page=page, form=SendForm(), exposure=exposure_of(ctx.org_id))


@room.page("/needs/new", Permission.NEED_DRAFT, methods=["POST"])
def new_need() -> Any:
    """Begins a draft, or takes up the one that lies there."""
    need = service.start_need(context())
    return redirect(url_for("market.need_step", need_id=need.id, step=STEPS[min(need.step, 3) - 1]))


def _form(step: str, need: Need, banks: list[tuple[UUID, str]], invited: list[UUID]) -> Any:
    if step == "purpose":
        return PurposeForm(data={"amount": need.amount_fen, "purpose_kind": need.purpose_kind, "purpose_text": need.purpose_text})
    if step == "terms":
        return TermsForm(
            data={
                "term_months": need.term_months,
                "product_kind": need.product_kind,
                "repayment": need.repayment,
                "first_loan": need.first_loan, "allows_parts": need.allows_parts,
            }
        )
    return AudienceForm(banks, data={"distribution": need.distribution, "invited": [str(bank) for bank in invited]})


@room.page("/needs/<uuid:need_id>/edit/<any(purpose, terms, audience):step>", Permission.NEED_DRAFT, methods=["GET", "POST"])
def need_step(need_id: UUID, step: str) -> Any:
    """One step of the wizard; what is typed is kept, also when going back."""
    ctx = context()
    with reading(ctx, Permission.NEED_DRAFT):
        need = draft_of(need_id)
        form = _form(step, need, queries.banks(), service.invited_banks(need_id))
        profile = current_profile(need.org_id)
    if request.method == "POST":
        back = "back" in request.form
        fine = all([form.validate_on_submit(), _fits(step, need, form)]) or back  # everything that is wrong, at one go
        if fine and attempt(form, lambda: service.save_need(ctx, need_id, form.part())) is not None:
            at = STEPS.index(step) + (-1 if back else 1)
            if at < 0:
                return redirect(url_for("market.needs"))
            return redirect(step_url(need, STEPS[at]))
    return render_template(f"market/step_{step}.html", need=need, form=form, step=step, steps=steps(need), profile=profile)


def _fits(step: str, need: Need, form: Any) -> bool:
    """The rule's sentences for this step alone, so that nothing impossible is carried on to the next."""
    part = form.part()
    wanted = {"purpose": ("amount",), "terms": ("term_months",), "audience": ("invited",)}[step]
    terms = need_rules.NeedTerms(
        form.amount.data if step == "purpose" else 1,
        form.term_months.data if step == "terms" else 1,
        "",
        "",
        "",
        "",
        part.distribution if step == "audience" else "open",
        len(part.banks) if step == "audience" else 0,
    )
    problems = need_rules.check_need(terms)
    return put_problems(form, [one for one in problems if one.field in wanted and not form.errors.get(one.field)])


@room.page("/needs/<uuid:need_id>/keep/<any(purpose, terms, audience):step>", Permission.NEED_DRAFT, methods=["POST"])
def keep_step(need_id: UUID, step: str) -> Any:
    """Keeps what is typed while it is typed; unfinished answers count as none."""
    ctx = context()
    with reading(ctx, Permission.NEED_DRAFT):
        form = _form(step, draft_of(need_id), queries.banks(), [])
    service.save_need(ctx, need_id, form.part())
    return "", 204


@room.page("/needs/<uuid:need_id>/check", Permission.NEED_DRAFT, methods=["GET", "POST"])
def need_check(need_id: UUID) -> Any:
    """Check your answers, then publish."""
    ctx = context()
    form = SendForm()
    if form.validate_on_submit() and attempt(form, lambda: service.submit_need(ctx, need_id)) is not None:
        return redirect(url_for("market.need", need_id=need_id))
    with reading(ctx, Permission.NEED_DRAFT):
        need = get_or_404(Need, need_id)
        if need.state not in EDITABLE:  # the same form sent twice lands on what it made
            return redirect(url_for("market.need", need_id=need_id))
        invited = queries.invited(need_id)
        problems = need_rules.check_need(service.terms_of(need, len(invited)), policy.need_limits(), policy.levels())
        return render_template(
            "market/check.html",
            need=need,
            form=form,
            invited=invited,
            problems=problems,
            steps=steps(need),
            profile=current_profile(need.org_id),
            exposure=exposure_of(need.org_id, need),
            papers=papers_with(need_id),
            paper_names=PAPERS,
            replaced=[line for line in paper_service.paper_lines(need) if line.replaced],
            check_due_at=policy.check_due_at(now()),
            step_of=_step_of,
            step_url=lambda step: step_url(need, step),
        )


def _step_of(field: str) -> str:
    return {
        "amount": "purpose",
        "purpose_kind": "purpose",
        "term_months": "terms",
        "product_kind": "terms",
        "repayment": "terms",
    }.get(field, "audience")


@room.page("/needs/<uuid:need_id>", Permission.NEED_READ)
def need(need_id: UUID) -> Any:
    """One need: where it stands, what comes next, what was asked, who did what."""
    ctx = context()
    with reading(ctx, Permission.NEED_READ):
        found = get_or_404(Need, need_id)
        if found.state == NeedState.DRAFT:
            return redirect(step_url(found, STEPS[min(found.step, 4) - 1]))
        case = queries.case_of(found)
        rows = bid_queries.offers(found) if found.closed_at is not None else []
        choices = bid_queries.live_choices(found.id)
        return render_template(
            "market/need.html",
            need=found,
            case=case,
            line=pages.build_line(ctx, case) if case else None,
            entries=timeline(ctx, found.case_id)[:6] if found.case_id else [],
            offers=rows,
            choices=choices,
            open_fen=next_best.open_fen(found) if choices else 0,
            invited=invite_service.invitations(need_id) if found.distribution != "open" else [],
            can=_buttons(ctx, found),
            title=need_title(found),
            exposure=Exposure.read(found.exposure) if found.exposure else None,
            kind_text=kind_text,
            as_rate=Decimal,
            latest=policy.bids_close_at_latest(found.corrected_at or found.published_at) if found.published_at else None,
            returned=[(RETURN_REASONS[code], RETURN_HELP[code]) for code in found.returned_reasons],
            versions=queries.versions(found),
            papers=papers_with(need_id),
            paper_names=PAPERS,
            refused=answer_queries.refusals(need_id) if found.closed_at is not None else [],
            refusal_words=REFUSALS,
            consultations=consult_queries.of_need(need_id) if found.closed_at is not None else [],
            edit_url=step_url(found, STEPS[0]),
        )


def _buttons(ctx: Context, need: Need) -> dict[str, bool]:
    can = {event: can_fire(ctx, NEED, need, event) for event in ("extend", "close", "withdraw", "choose", "correct")}
    can["extend"] = can["extend"] and need.extended_at is None
    can["settle"] = can_fire(ctx, NEED, need, "settle") and bool(next_best.standing(need))
    can["withdraw"] = can["withdraw"] and not can["settle"]
    can["correct"] = can["correct"] and need.version <= need_rules.CORRECTIONS
    can["edit"] = need.state == NeedState.RETURNED and ctx.can(Permission.NEED_DRAFT)
    can["again"] = need.state in (NeedState.LAPSED, NeedState.WITHDRAWN) and ctx.can(Permission.NEED_DRAFT)
    return can




def _need_button(name: str, call: Any, done: Any) -> None:
    """A button of the need page: one use case, then back to the page."""

    def view(need_id: UUID) -> Any:
        return act(lambda: call(context(), need_id), done=str(done), to=url_for("market.need", need_id=need_id))

    room.page(f"/needs/<uuid:need_id>/{name}", Permission.NEED_CLOSE, methods=["POST"], endpoint=f"{name}_need")(view)


_need_button("close", service.close_need, _l("报价已截止，已收到的报价现在开启。"))
_need_button("extend", service.extend_need, _l("已延长报价时间。"))
_need_button("settle", next_best.go_on_with_less, _l("已按选定的份额办理，不再补选。"))
_need_button(
    "withdraw", lambda ctx, need_id: service.withdraw_need(ctx, need_id, request.form.get("reason", "")), _l("已撤回融资需求。")
)


@room.page("/needs/<uuid:need_id>/correct", Permission.NEED_SUBMIT, methods=["GET", "POST"])
def correct_need(need_id: UUID) -> Any:
    """Corrects the terms of an open need, once; its window starts anew."""
    ctx = context()
    with reading(ctx, Permission.NEED_SUBMIT):
        need = get_or_404(Need, need_id)
        form = CorrectionForm(data={
            "amount": need.amount_fen, "purpose_kind": need.purpose_kind, "purpose_text": need.purpose_text,
            "term_months": need.term_months, "product_kind": need.product_kind, "repayment": need.repayment,
            "first_loan": need.first_loan, "allows_parts": need.allows_parts,
        })  # fmt: skip
    back = url_for("market.need", need_id=need_id)
    if need.state != NeedState.OPEN:
        return redirect(back)
    if form.validate_on_submit():
        reason = form.reason.data or ""
        if attempt(form, lambda: service.correct_need(ctx, need_id, form.purpose(), form.terms(), reason)) is not None:
            return redirect(back)
    closes_at = policy.bids_close_at(now(), need.distribution)
    return render_template("market/correct.html", need=need, form=form, title=need_title(need), closes_at=closes_at)


@room.page("/needs/<uuid:need_id>/discard", Permission.NEED_DRAFT, methods=["POST"])
def discard_need(need_id: UUID) -> Any:
    """Puts a draft away."""
    return act(lambda: service.discard_need(context(), need_id), done=gettext("草稿已删除。"), to=url_for("market.needs"))


@room.page("/needs/<uuid:need_id>/again", Permission.NEED_DRAFT, methods=["POST"])
def again(need_id: UUID) -> Any:
    """A second round: the answers of the first, ready to be changed."""
    made: list[UUID] = []
    response = act(
        lambda: made.append(service.second_round(context(), need_id).id),
        done=gettext("已照原来的内容建好草稿，请检查后提交。"),
        to=url_for("market.need", need_id=need_id),
    )
    return redirect(url_for("market.need_check", need_id=made[0])) if made else response
