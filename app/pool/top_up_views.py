"""Pages of district pools, and of a district's payment on a claim."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext
from sqlalchemy import select

from app.core.calendar import today
from app.core.permissions import Permission
from app.core.uscc import DISTRICTS
from app.core.use_case import reading
from app.core.web import attempt, context, filled
from app.pool import top_up_service
from app.pool.claim_views import claim_page
from app.pool.door import room
from app.pool.forms import DistrictForm, PayForm
from app.pool.top_up_models import DistrictPool


@room.page("/pool/districts", Permission.POOL_READ)
def districts() -> Any:
    """Districts that top up."""
    with reading(context(), Permission.POOL_READ) as db:
        rows = list(db.scalars(select(DistrictPool).order_by(DistrictPool.district, DistrictPool.valid_from.desc())))
        return render_template("pool/districts.html", rows=rows, today=today(), names=DISTRICTS)


@room.page("/pool/districts/new", Permission.POOL_FUND, methods=["GET", "POST"])
def new_district() -> Any:
    """Registers a district's rule."""
    ctx, form = context(), DistrictForm()
    form.district.choices = [(code, gettext(name)) for code, name in DISTRICTS.items()]
    if form.validate_on_submit():
        done = attempt(form, lambda: top_up_service.register_district(
            ctx, form.district.data, form.name.data or "", form.document_no.data or "", form.ratio.data,
            filled(form.valid_from.data), filled(form.valid_to.data), form.guarantee_ratio.data))
        if done is not None:
            flash(gettext("已登记区级叠加补偿。"), "success")
            return redirect(url_for("pool.districts"))
    return render_template("pool/district.html", form=form)


@room.page("/claims/<uuid:claim_id>/top-up", Permission.CLAIM_PAY, methods=["GET", "POST"])
def top_up(claim_id: UUID) -> Any:
    """The cashier records what the district paid."""
    ctx, form = context(), PayForm()
    if form.validate_on_submit():
        paid = attempt(form, lambda: top_up_service.record_top_up(
            ctx, claim_id, form.voucher_no.data or "", filled(form.paid_on.data)))
        if paid is not None:
            flash(gettext("已登记区级叠加补偿的支付。"), "success")
            return redirect(url_for("pool.claim", claim_id=claim_id))
    return claim_page(claim_id, "pool/district_payment.html", form=form)
