"""Pages of sign-in. Staff and organisations are in ``staff_views``, the own account in ``account_views``."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pyotp
import segno
from flask import current_app, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_login import login_user, logout_user

from app.core.permissions import Permission
from app.core.views import inner_path
from app.core.web import PUBLIC, Room, context, say
from app.identity import service
from app.identity.forms import CodeForm, SignInForm
from app.identity.login import COOKIE_KEY, SignedIn, load_user

room = Room("identity", __name__, template_folder="templates")


@room.page("/sign-in", PUBLIC, methods=["GET", "POST"])
def sign_in() -> Any:
    """Login name and password; a generic sentence when they do not fit."""
    form = SignInForm(next=request.args.get("next", ""))
    if form.validate_on_submit():
        result = service.sign_in(form.login.data or "", form.password.data or "", request.user_agent.string)
        if result.refusal is not None:
            form.form_errors.append(say(result.refusal))
        else:
            language = session.get("language")
            session.clear()  # a session is renewed at sign-in
            if language:
                session["language"] = language
            session[COOKIE_KEY] = result.token
            if result.needs_code:
                return redirect(url_for("identity.code", next=form.next.data))
            return _enter(form.next.data)
    return render_template("identity/sign_in.html", form=form, accounts=current_app.config["DEMO_ACCOUNTS"])


def _demo() -> bool:
    return bool(current_app.config["HUIQIAO"].demo)


def _enter(target: str | None) -> Any:
    token = session.pop(COOKIE_KEY, None)
    user = load_user(token) if token else None
    if user is None:
        return redirect(url_for("identity.sign_in"))
    login_user(user)
    session.permanent = False
    return redirect(inner_path(target))


@room.page("/sign-in/code", PUBLIC, methods=["GET", "POST"])
def code() -> Any:
    """Time-based code; at the first time a picture to enrol a phone. Demo mode may skip."""
    token = session.get(COOKIE_KEY)
    if not token:
        return redirect(url_for("identity.sign_in"))
    form = CodeForm(next=request.args.get("next", ""))
    if request.method == "POST" and request.form.get("skip") and _demo():
        service.skip_code(service.DOOR, token)
        return _enter(form.next.data)
    if form.validate_on_submit():
        if service.verify_code(token, form.code.data or ""):
            return _enter(form.next.data)
        form.code.errors = [gettext("动态码不正确或已过期，请输入手机上最新的六位数字。")]
    enrol = service.enrolment_secret(service.DOOR, token)
    return render_template(
        "identity/code.html", form=form, enrol=enrol, has_picture=enrol is not None,
    )


@room.page("/sign-in/code.svg", PUBLIC)
def code_picture() -> Any:
    """The picture of the secret to be enrolled, for the holder of the pending session alone."""
    token = session.get(COOKIE_KEY)
    enrol = service.enrolment_secret(service.DOOR, token) if token else None
    if enrol is None:
        return "", 404
    login, secret = enrol
    out = BytesIO()
    uri = pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=gettext("惠桥"))
    segno.make(uri).save(out, kind="svg", scale=5, xmldecl=False)
    return out.getvalue(), {"Content-Type": "image/svg+xml"}


@room.page("/sign-out", Permission.ACCOUNT_USE, methods=["POST"])
def sign_out() -> Any:
    """Ends this session at once."""
    user: Any = _user()
    service.sign_out(context(), user.visitor.session_id)
    logout_user()
    session.clear()
    flash(gettext("您已退出。"), "success")
    return redirect(url_for("identity.sign_in"))


def _user() -> SignedIn:
    from flask_login import current_user

    user: SignedIn = current_user
    return user


from app.identity import (  # noqa: E402  they hang their pages on the room
    account_views,  # noqa: F401
    audit_views,  # noqa: F401
    organisation_views,  # noqa: F401
    reset_views,  # noqa: F401
    staff_views,  # noqa: F401
)
