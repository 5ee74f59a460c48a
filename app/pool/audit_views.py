"""Pages of the audit: samples drawn by a recorded seed, and the work sheet of a claim that was drawn."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext

from app.core.database import get_or_404
from app.core.errors import Refusal
from app.core.permissions import OrgKind, Permission
from app.core.queries import organisation_names
from app.core.use_case import reading
from app.core.web import attempt, context, say
from app.core.working import shown
from app.loans.models import Loan
from app.pool import audit_queries, audit_service, queries
from app.pool.audit_models import AuditSample, Question, Scope
from app.pool.door import room
from app.pool.flag_queries import flags_of
from app.pool.flag_rules import FLAG_NAMES, raised
from app.pool.forms import SampleForm
from app.pool.models import Claim
from app.pool.sample_rules import SampleMethod
from app.pool.service import rules_of


def _city_only() -> Any:
    """The context of a visitor of the city; a bank does not learn which claims are drawn. Raises ``Refusal(NOT_FOUND)``."""
    ctx = context()
    if ctx.org_kind is not OrgKind.BUREAU:
        raise Refusal(audit_queries.HIDDEN)
    return ctx


@room.page("/claims/samples", Permission.CLAIM_READ, methods=["GET", "POST"])
def samples() -> Any:
    """Draws so far, the claims that may be drawn now, and the draw itself."""
    ctx, form = _city_only(), SampleForm()
    if form.validate_on_submit():
        made = attempt(form, lambda: audit_service.draw_sample(
            ctx, SampleMethod(form.method.data), form.size.data, form.reason.data or ""))
        if made is not None:
            flash(gettext("已抽取 %(size)s 件，转为全面审核。", size=made.size), "success")
            return redirect(url_for("pool.sample", sample_id=made.id))
    with reading(ctx, Permission.CLAIM_READ):
        drawn = audit_queries.samples()
        return render_template(
            "pool/samples.html", form=form, rows=drawn, waiting=audit_queries.waiting_count(),
            names=queries.people({one.drawn_by for one in drawn if one.drawn_by is not None}),
            methods={one.value: one.label for one in SampleMethod}, can_draw=ctx.can(Permission.CLAIM_AUDIT),
        )


@room.page("/claims/samples/<uuid:sample_id>", Permission.CLAIM_READ)
def sample(sample_id: UUID) -> Any:
    """One draw: its seed, everybody in its list with weight and key, and whether it repeats."""
    ctx = _city_only()
    with reading(ctx, Permission.CLAIM_READ):
        found, rows = get_or_404(AuditSample, sample_id), audit_queries.entries(sample_id)
        return render_template(
            "pool/sample.html", sample=found, rows=rows, flag_names=FLAG_NAMES,
            repeats=audit_service.repeats(found, [row.SampleEntry for row in rows]), method=SampleMethod(found.method).label,
            drawer=queries.people({found.drawn_by} - {None}).get(found.drawn_by, "—"),  # type: ignore[arg-type]
        )


@room.page("/claims/<uuid:claim_id>/audit-sheet", Permission.CLAIM_AUDIT, methods=["GET", "POST"])
def audit_sheet(claim_id: UUID) -> Any:
    """The work sheet: a word on every raised flag, an answer to every question, the opinion."""
    ctx, trouble = context(), ""
    if request.method == "POST":
        try:
            audit_service.audit_claim(ctx, claim_id, request.form.get("reason", ""), _answers(), {
                code: request.form.get(f"flag-{code}", "") for code in FLAG_NAMES
            })
        except Refusal as refused:
            trouble = say(refused)
        else:
            flash(gettext("已完成审核，等待审定。"), "success")
            return redirect(url_for("pool.claim", claim_id=claim_id))
    with reading(ctx, Permission.CLAIM_AUDIT):
        claim = get_or_404(Claim, claim_id)
        flags = raised(flags_of(ctx, claim, rules_of(claim.rule_set_id)))
        return render_template(
            "pool/audit_sheet.html", claim=claim, loan=get_or_404(Loan, claim.loan_id), trouble=trouble, typed=request.form,
            firm=organisation_names({claim.firm_id}).get(claim.firm_id, ""), questions=list(Question),
            full=claim.audit_scope == Scope.FULL,
            flags=[(one.code, FLAG_NAMES[one.code], gettext(one.message, **shown(one.params, gettext))) for one in flags],
        )


def _answers() -> dict[Question, audit_service.Answer]:
    return {
        one: audit_service.Answer(request.form[f"answer-{one}"], request.form.get(f"note-{one}", ""))
        for one in Question if request.form.get(f"answer-{one}")
    }
