"""Pages of consents: what the firm gave, giving, taking back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext

from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.formats import title_text
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import act, attempt, context
from app.enterprises.models import Enterprise
from app.evidence import consent_queries, queries, service
from app.evidence.display import CATEGORIES, CONSENT_STATES, PORTAL, PURPOSES, chip, item_name, purpose_text, reference
from app.evidence.door import room
from app.evidence.forms import PORTAL_CHOICE, ConsentForm, offers, receiver_of
from app.evidence.models import DataItem
from app.evidence.rules import INVOICES, SOLE_TRADER, Purpose, choices_of


@room.page("/my-consents", Permission.CONSENT_READ)
def consents() -> Any:
    """The firm's consents: those in force by receiver, each with its button, then the past."""
    ctx = context()
    assert ctx.org_id is not None
    with reading(ctx, Permission.CONSENT_READ) as db:
        rows = db.execute(consent_queries.consents_of_firm(ctx.org_id).order_by("given_at", DataItem.position.desc())).all()[::-1]
        active: dict[Any, list[Any]] = {}
        for row in rows:
            if row.state == "ACTIVE":
                active.setdefault(row.receiver_org_id, []).append(row)
        return render_template(
            "evidence/consents.html", active=active, past=[row for row in rows if row.state != "ACTIVE"],
            words=CONSENT_STATES, purpose_text=purpose_text, portal=PORTAL, portal_choice=PORTAL_CHOICE, item_name=item_name,
            chip=chip, reference=reference, verified=get_or_404(Enterprise, ctx.org_id).state == "verified",
            may_give=ctx.can(Permission.CONSENT_GIVE),
        )


@room.page("/my-consents/new", Permission.CONSENT_GIVE, methods=["GET", "POST"])
def give() -> Any:
    """Choose; read the texts; sign. What is signed is exactly what was read."""
    ctx = context()
    form = ConsentForm()
    with reading(ctx, Permission.CONSENT_GIVE):
        shown = _offer(ctx, form)
    if request.method == "GET":
        _preselect(form)
    texts = None
    if form.validate_on_submit() and request.form.get("step") in ("read", "sign"):
        if request.form["step"] == "sign" and _sign(ctx, form):
            flash(gettext("授权已生效。您可以随时在这里撤回。"), "success")
            return redirect(url_for("evidence.consents"))
        texts = _texts(ctx, form)
    return render_template("evidence/give.html", form=form, texts=texts, purposes=PURPOSES, **shown)


def _offer(ctx: Context, form: ConsentForm) -> dict[str, Any]:
    """Fills the form with what may be chosen, and tells what each item contains."""
    items = consent_queries.consentable()
    receivers = [(PORTAL_CHOICE, str(PORTAL)), *((str(key), name) for key, name in queries.banks())]
    form.choices.choices = offers(
        (f"{receiver}:{item.code}", f"{name} · {item_name(item)}") for receiver, name in receivers for item in items
    )
    form.personal.choices = offers(receivers)
    cases = consent_queries.cases_for_consent(ctx.org_id) if ctx.org_id else []
    form.purpose.choices = offers([
        ("", PURPOSES[Purpose.PRE_APPROVAL]), *((str(key), f"{number} {title_text(title)}") for key, number, title in cases),
    ])
    firm = get_or_404(Enterprise, ctx.org_id)
    return {
        "items": items, "receivers": receivers, "contents": _contents(items, queries.catalogue(active=True)),
        "item_name": item_name, "categories": CATEGORIES,
        "personal": consent_queries.personal_items() if firm.form == SOLE_TRADER else frozenset(),
    }


def _contents(items: list[DataItem], catalogue: list[DataItem]) -> dict[str, list[DataItem]]:
    """Which items the consent for each one covers."""
    return {item.code: [one for one in catalogue if one.consent_item == item.code] for item in items}


def _preselect(form: ConsentForm) -> None:
    """The usual choice: invoices for the profile, and for the banks that the link names."""
    asked = request.args.getlist("item") or [INVOICES]
    form.choices.data = [f"{who}:{item}" for who in (PORTAL_CHOICE, *request.args.getlist("bank")) for item in asked]
    case = request.args.get("case", "")
    form.purpose.data = case if case in [str(choice.value) for choice in form.purpose.iter_choices()] else ""


def _sign(ctx: Context, form: ConsentForm) -> bool:
    """Signs. A refusal stands at its field, and the texts are shown again."""
    choices, personal = choices_of(form.pairs()), tuple(receiver_of(value) for value in form.personal.data or [])
    done = attempt(form, lambda: (service.give_consents(
        ctx, choices, days=form.days.data or 0, purpose=_purpose(form), case_id=form.case_id, personal=personal,
        read=form.read.data or "",
    ), True))
    return done is not None


def _texts(ctx: Context, form: ConsentForm) -> service.Reading | None:
    with reading(ctx, Permission.CONSENT_GIVE):
        texts = attempt(form, lambda: service.consent_texts(
            ctx, choices_of(form.pairs()), days=form.days.data or 0, purpose=_purpose(form), case_id=form.case_id,
        ))
    if texts is not None:
        form.read.data = texts.digest
    return texts


def _purpose(form: ConsentForm) -> Purpose:
    return Purpose.CASE if form.purpose.data else Purpose.PRE_APPROVAL


@room.page("/my-consents/<uuid:consent_id>/revoke", Permission.CONSENT_GIVE, methods=["POST"])
def revoke(consent_id: UUID) -> Any:
    """One click ends a consent."""
    return act(lambda: service.revoke_consent(context(), consent_id), done=gettext("授权已撤回，即刻生效。"),
               to=url_for("evidence.consents"))


@room.page("/my-consents/revoke-all", Permission.CONSENT_GIVE, methods=["POST"])
def revoke_all() -> Any:
    """Ends everything that one receiver was given."""
    try:
        receiver = receiver_of(request.form.get("receiver", ""))
    except ValueError:
        raise Refusal(ErrorCode.NOT_FOUND) from None
    return act(lambda: service.revoke_all(context(), receiver), done=gettext("对这一接收方的授权已全部撤回，即刻生效。"),
               to=url_for("evidence.consents"))
