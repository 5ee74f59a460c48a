"""Pages of the firm: sign-up, 企业资料, figures, registration, licence. The desk's pages are in ``desk_views``."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.context import Context
from app.core.pages import Wait
from app.core.permissions import OrgKind, Permission
from app.core.storage import ALLOWED, PAPER_LIMIT, take_in
from app.core.use_case import reading
from app.core.views import paper_rows
from app.core.web import PUBLIC, Room, attempt, context
from app.enterprises import queries, service, words
from app.enterprises.forms import FiguresForm, LicenceForm, RegistrationForm, SignUpForm
from app.enterprises.models import Enterprise
from app.enterprises.rules import RULE_VERSION
from app.enterprises.states import EnterpriseState
from app.identity.rules import RULES

room = Room("enterprises", __name__, template_folder="templates")
P = Permission
LIMIT_TEXT = f"{PAPER_LIMIT // (1024 * 1024)} MB"

pages.menu.add(_l("企业资料"), "enterprises.mine", P.ENTERPRISE_READ, 60, pages.Group.HOUSE)

for _event, _text in {
    "register": _l("数据批次中出现，建立企业"), "sign_up": _l("企业注册"), "claim": _l("企业注册，接续已有的企业"),
    "verify": _l("执照与法定代表人核验通过"), "refuse": _l("核验未通过"), "reapply": _l("企业改正后重新提交"),
    "release": _l("冒名注册已注销，代码退回"),
}.items():
    pages.event_texts.add(Enterprise.__tablename__, _event, _text)


@room.page("/sign-up", PUBLIC, methods=["GET", "POST"])
def sign_up() -> Any:
    """A firm signs up by itself. On an error nothing is saved and everything typed but the password is kept."""
    form = SignUpForm()
    form.offer()
    if form.validate_on_submit():
        attempt(form, lambda: service.sign_up(context(), form.application()))
        if not form.errors:
            return redirect(url_for("enterprises.signed_up"))
    return render_template("enterprises/sign_up.html", form=form, rules=RULES), 422 if form.errors else 200


@room.page("/sign-up/done", PUBLIC)
def signed_up() -> Any:
    """What happens next."""
    return render_template("enterprises/signed_up.html")


def size_facts(firm: Enterprise) -> dict[str, Any]:
    """The size class of a firm with its working, as the templates show it."""
    return {
        "size": words.SIZES[firm.size_class], "working": words.working_rows(firm.size_working),
        "working_note": words.working_note(firm.size_working), "rule": firm.size_rule or RULE_VERSION,
    }


@room.page("/enterprise", P.ENTERPRISE_READ)
def mine() -> Any:
    """企业资料: what the portal knows about the firm from itself, its size class with the working, its verification."""
    ctx = context()
    with reading(ctx, P.ENTERPRISE_READ):
        firm = queries.own_firm(ctx)
        return render_template(
            "enterprises/mine.html", firm=firm, name=queries.firm_name(firm.id), words=words,
            papers=paper_rows(queries.licences(firm.id)), history=queries.figures_history(firm.id),
            open_for_licence=firm.state in (EnterpriseState.UNVERIFIED, EnterpriseState.REFUSED), **size_facts(firm),
        )


@room.page("/enterprise/figures", P.ENTERPRISE_EDIT, methods=["GET", "POST"])
def figures() -> Any:
    """New figures: the size class is computed anew, the earlier version is kept."""
    ctx = context()
    with reading(ctx, P.ENTERPRISE_EDIT):
        firm = queries.own_firm(ctx)
    form = FiguresForm(
        industry_code=firm.industry_code, headcount=firm.headcount, revenue=firm.revenue_fen, assets=firm.assets_fen,
        year=firm.figures_year,
    )
    form.offer()
    if form.validate_on_submit():
        changed = attempt(form, lambda: service.edit_figures(ctx, form.figures()))
        if not form.errors and changed is not None:
            flash(gettext("数据已保存，规模重新判定为：%(size)s。", size=words.SIZES[changed.size_class]), "success")
            return redirect(url_for("enterprises.mine"))
    return render_template("enterprises/figures.html", form=form), 422 if form.errors else 200


@room.page("/enterprise/registration", P.ENTERPRISE_EDIT, methods=["GET", "POST"])
def registration() -> Any:
    """Corrects what the desk compares with the licence; after a refusal this applies again."""
    ctx = context()
    with reading(ctx, P.ENTERPRISE_EDIT):
        firm = queries.own_firm(ctx)
        name = queries.firm_name(firm.id)
    form = RegistrationForm(name=name, district=firm.district, representative_name=firm.representative_name)
    if form.validate_on_submit():
        attempt(form, lambda: service.edit_registration(ctx, form.registration()))
        if not form.errors:
            flash(gettext("登记资料已提交，请等待服务台核验。"), "success")
            return redirect(url_for("enterprises.mine"))
    return render_template("enterprises/registration.html", form=form, firm=firm), 422 if form.errors else 200


@room.page("/enterprise/licence", P.ENTERPRISE_EDIT, methods=["GET", "POST"])
def licence() -> Any:
    """Uploads the business licence."""
    ctx = context()
    form = LicenceForm()
    if request.method == "POST" and form.validate_on_submit():
        file = form.file.data

        def keep() -> Any:
            stored = take_in(file.stream, limit=PAPER_LIMIT, limit_text=LIMIT_TEXT)
            return service.upload_licence(ctx, file.filename or "", stored)

        attempt(form, keep)
        if not form.errors:
            flash(gettext("营业执照已上传，服务台会尽快核验。"), "success")
            return redirect(url_for("enterprises.mine"))
    return render_template(
        "enterprises/licence.html", form=form, allowed=ALLOWED, limit=LIMIT_TEXT,
    ), 422 if form.errors else 200


def _waits(ctx: Context) -> list[Wait]:
    if ctx.org_kind is not OrgKind.ENTERPRISE:
        return []
    firm = queries.own_firm(ctx)
    if firm.state == EnterpriseState.REFUSED:
        return [Wait(gettext("企业核验未通过，请改正后重新提交"), firm.refusal_reason or "", url_for("enterprises.mine"),
                     tone="bad", order=5)]
    if firm.state == EnterpriseState.UNVERIFIED and firm.licence_sha256 is None:
        return [Wait(gettext("请上传营业执照"), gettext("核验通过后才能授权数据、查看信用画像和发布融资需求。"),
                     url_for("enterprises.licence"), tone="wait", order=5)]
    if firm.state == EnterpriseState.UNVERIFIED:
        return [Wait(gettext("服务台正在核验您的执照"), gettext("核验通过或需要补充时，会在“消息”里告诉您。"),
                     url_for("enterprises.mine"), order=60)]
    return []


pages.home.add_waits(P.ENTERPRISE_READ, _waits)

from app.enterprises import desk_views  # noqa: E402,F401  it hangs its pages on the room
