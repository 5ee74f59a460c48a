"""The public list of approved claims, the objection to one, its answer by code; the city's answer; the certificate."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, send_file, url_for
from flask_babel import gettext

from app.core.calendar import today
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Permission
from app.core.sheets import NO_FONT, NoFont
from app.core.use_case import reading
from app.core.web import PUBLIC, act, attempt, context
from app.pool import certificate, objection_service, queries
from app.pool.decision_models import ObjectionState, Publicity
from app.pool.door import room
from app.pool.forms import ObjectionCodeForm, ObjectionForm
from app.pool.models import Claim


@room.page("/publicity", PUBLIC)
def publicity() -> Any:
    """What is published today; anybody may read it."""
    ctx = context()
    with reading(ctx, Permission.CLAIM_OBJECT):
        return render_template(
            "pool/publicity.html", rows=queries.published(today()), reads_claims=ctx.can(Permission.CLAIM_READ))


@room.page("/publicity/<uuid:publicity_id>", PUBLIC, methods=["GET", "POST"])
def publicity_entry(publicity_id: UUID) -> Any:
    """One published compensation, and the form for an objection while it is published."""
    ctx, form, code = context(), ObjectionForm(), None
    if form.validate_on_submit():
        grounds = objection_service.Grounds(form.objector.data or "", form.contact.data or "", form.grounds.data or "")
        code = attempt(form, lambda: objection_service.object_to(ctx, publicity_id, grounds))
    with reading(ctx, Permission.CLAIM_OBJECT):
        shown = get_or_404(Publicity, publicity_id)
        running = shown.ended_at is None and shown.from_on <= today() <= shown.until_on
        if not running and code is None:
            raise Refusal(ErrorCode.NOT_FOUND)  # public for its days and no longer
        return render_template("pool/publicity_entry.html", shown=shown, form=form, code=code)


@room.page("/publicity/objection", PUBLIC, methods=["GET", "POST"])
def objection() -> Any:
    """The answer to an objection, for whoever has its code."""
    ctx, form, found = context(), ObjectionCodeForm(), None
    if form.validate_on_submit():
        with reading(ctx, Permission.CLAIM_OBJECT):
            try:
                found = objection_service.objection_by_code(ctx, form.code.data or "")
            except Refusal:
                form.code.errors = [gettext("没有这个查询码，请核对。")]
    return render_template(
        "pool/objection.html", form=form, found=found, state=ObjectionState(found[0].state).label if found else "")


@room.page(
    "/claims/<uuid:claim_id>/objections/<uuid:objection_id>/<any(uphold, dismiss):step>", Permission.CLAIM_CHECK,
    methods=["POST"],
)
def answer_objection(claim_id: UUID, objection_id: UUID, step: str) -> Any:
    """The city answers an objection in writing."""
    done = gettext("异议成立，已撤销审定。") if step == "uphold" else gettext("已答复异议。")
    return act(
        lambda: objection_service.answer_objection(context(), objection_id, step == "uphold", request.form.get("reason", "")),
        done=done, to=url_for("pool.claim", claim_id=claim_id),
    )


@room.page("/claims/<uuid:claim_id>/decision.pdf", Permission.CLAIM_READ)
def decision(claim_id: UUID) -> Any:
    """The certificate of the decision a claim stands on."""
    ctx = context()
    with reading(ctx, Permission.CLAIM_READ):
        claim = get_or_404(Claim, claim_id)
        made = queries.decision_of(claim)
        if made is None:
            raise Refusal(ErrorCode.NOT_FOUND)
        try:
            drawn = certificate.draw(claim, made)
        except NoFont:
            flash(gettext(NO_FONT), "warning")
            return redirect(url_for("pool.claim", claim_id=claim_id))
    return send_file(BytesIO(drawn), as_attachment=True, download_name=f"decision-{made.number}.pdf", mimetype="application/pdf")
