"""Pages of the firm: what is held about it, its consents, who looked. Providers: delivery_views, banks: bank_views."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.context import Context
from app.core.database import get_or_404
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.permissions import Permission
from app.core.queries import ROLE_NAMES
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import act, attempt, context, send_list
from app.enterprises.models import Enterprise
from app.evidence import (
    bank_views,
    delivery_views,
    disclosure_views,
    dispute_views,
    facts,
    push_key_views,
    push_views,
    quality_views,
    queries,
    registers,
    retention_service,
    service,
)
from app.evidence.display import CONSENT_STATES, MODES, PORTAL, PURPOSES, RESULTS, chip, item_name, monthly_chart
from app.evidence.door import room
from app.evidence.forms import ConsentForm, offers
from app.evidence.models import EvidenceLook
from app.evidence.rules import INVOICES

__all__ = [
    "bank_views", "delivery_views", "disclosure_views", "dispute_views", "facts", "push_key_views", "push_views",
    "quality_views", "registers", "retention_service", "room",
]

PORTAL_CHOICE = "portal"

LOOKS = Table(
    "looks",
    columns=[
        Column("bank", _l("谁"), sortable=False, sub=lambda row: gettext(ROLE_NAMES.get(row.actor_role, row.actor_role))),
        Column("at", _l("什么时候"), EvidenceLook.at, kind="datetime"),
        Column("item", _l("哪项资料"), sortable=False, render=item_name, export=item_name),
        Column("purpose", _l("用途"), sortable=False, render=lambda row: str(PURPOSES.get(row.purpose, row.purpose)),
               export=lambda row: str(PURPOSES.get(row.purpose, row.purpose)), hide_small=True),
        Column("result", _l("结果"), sortable=False, render=lambda row: chip(RESULTS[row.result]),
               export=lambda row: str(RESULTS[row.result][0])),
    ],
    filters=[
        Filter("result", _l("结果"), choices=[(key, words[0]) for key, words in RESULTS.items()],
               apply=lambda stmt, value: stmt.where(EvidenceLook.result == value)),
    ],
    default_sort="-at",
    empty_title=_l("还没有人看过您的资料"),
    empty_hint=_l("银行每一次查看（包括被拒绝的）都会记在这里：谁、什么时候、看了什么、为了什么。"),
)


@room.page("/my-data", Permission.EVIDENCE_READ)
def my_data() -> Any:
    """What the portal holds about the firm, item by item."""
    ctx = context()
    with reading(ctx, Permission.EVIDENCE_READ):
        firm = get_or_404(Enterprise, ctx.org_id)
        verified = firm.state == "verified"
        summary = queries.invoice_summary(firm.firm_no) if verified else None
        return render_template(
            "evidence/my_data.html", firm=firm, verified=verified, items=queries.catalogue(), summary=summary, modes=MODES,
            chart=monthly_chart(summary.months) if summary and summary.lines else None, item_name=item_name,
        )


@room.page("/my-data/looks", Permission.CONSENT_READ)
def looks() -> Any:
    """Who looked at the firm's evidence."""
    ctx = context()
    with reading(ctx, Permission.CONSENT_READ) as db:
        stmt, args = queries.looks_at_firm(_own(ctx)), remembered(LOOKS, request.args, session)
        if wants_export(request.args):
            rows = LOOKS.load_all(db, stmt, args, EXPORT_LIMIT)
            return send_list(LOOKS, rows, gettext("谁看过我的资料"), "looks.xlsx")
        return render_template("evidence/looks.html", page=LOOKS.load(db, stmt, args))


def _own(ctx: Context) -> UUID:
    assert ctx.org_id is not None
    return ctx.org_id


@room.page("/my-consents", Permission.CONSENT_READ)
def consents() -> Any:
    """The firm's consents: those in force first, each with its button, then the past."""
    ctx = context()
    with reading(ctx, Permission.CONSENT_READ) as db:
        rows = db.execute(queries.consents_of_firm(_own(ctx)).order_by("given_at")).all()[::-1]
        return render_template(
            "evidence/consents.html", active=[row for row in rows if row.state == "ACTIVE"],
            past=[row for row in rows if row.state != "ACTIVE"], words=CONSENT_STATES, purposes=PURPOSES, portal=PORTAL,
            item_name=item_name, chip=chip, verified=get_or_404(Enterprise, ctx.org_id).state == "verified",
            may_give=ctx.can(Permission.CONSENT_GIVE),
        )


@room.page("/my-consents/new", Permission.CONSENT_GIVE, methods=["GET", "POST"])
def give() -> Any:
    """Choose; read the text; sign. What is signed is exactly what was read."""
    ctx = context()
    form = ConsentForm()
    with reading(ctx, Permission.CONSENT_GIVE):
        form.items.choices = offers((item.code, item_name(item)) for item in queries.catalogue(active=True))
        form.receivers.choices = offers([(PORTAL_CHOICE, PORTAL), *((str(key), name) for key, name in queries.banks())])
    if request.method == "GET":
        form.items.data = [INVOICES]
        form.receivers.data = [PORTAL_CHOICE, *request.args.getlist("bank")]
    words = None
    if form.validate_on_submit():
        items, receivers = form.items.data or [], _receivers(form)
        if request.form.get("step") == "sign":
            done = attempt(form, lambda: (service.give_consent(ctx, items, receivers, days=form.days.data), True))
            if done is not None:
                flash(gettext("授权已生效。您可以随时在这里撤回。"), "success")
                return redirect(url_for("evidence.consents"))
        elif request.form.get("step") == "read":
            with reading(ctx, Permission.CONSENT_GIVE):
                shown = attempt(form, lambda: service.consent_text_for(ctx, items, receivers, days=form.days.data))
            words = shown[1] if shown is not None else None
    return render_template("evidence/give.html", form=form, words=words)


def _receivers(form: ConsentForm) -> list[UUID | None]:
    return [None if value == PORTAL_CHOICE else UUID(value) for value in form.receivers.data or []]


@room.page("/my-consents/<uuid:consent_id>/revoke", Permission.CONSENT_GIVE, methods=["POST"])
def revoke(consent_id: UUID) -> Any:
    """One click ends a consent."""
    return act(lambda: service.revoke_consent(context(), consent_id), done=gettext("授权已撤回，即刻生效。"),
               to=url_for("evidence.consents"))
