"""Page of the firm's debts: what the portal knows, what the firm declares, and what it comes to with its needs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import redirect, render_template, url_for
from flask_babel import gettext

from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import act, attempt, context
from app.market import debt_service, exposure
from app.market.debt_forms import DebtForm
from app.market.door import room


@room.page("/needs/debts", Permission.NEED_DRAFT, methods=["GET", "POST"])
def debts() -> Any:
    """What the firm owes already; a form to add what the portal cannot know."""
    ctx = context()
    form = DebtForm()
    if form.validate_on_submit() and attempt(form, lambda: debt_service.declare_debt(ctx, form.fields())) is not None:
        return redirect(url_for("market.debts"))
    with reading(ctx, Permission.NEED_DRAFT):
        assert ctx.org_id is not None
        return render_template(
            "market/debts.html", form=form, declared=exposure.declared(ctx.org_id),
            known=exposure.debts_on_the_portal(ctx.org_id), exposure=exposure.exposure_of(ctx.org_id),
        )


@room.page("/needs/debts/<uuid:debt_id>/end", Permission.NEED_DRAFT, methods=["POST"])
def end_debt(debt_id: UUID) -> Any:
    """Paid, or wrongly declared."""
    return act(
        lambda: debt_service.end_debt(context(), debt_id), done=gettext("这笔贷款不再计入。"), to=url_for("market.debts")
    )
