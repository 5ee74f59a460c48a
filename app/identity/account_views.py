"""The visitor's own account, and the two doors for those who cannot sign in: recovery code and one-time link."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import abort, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.core import mail as carrier
from app.core import pages
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import TWO_FACTOR_KINDS, Permission
from app.core.use_case import reading
from app.core.web import PUBLIC, act, attempt, context, say
from app.identity import mail_service, queries, service
from app.identity.forms import ChangePasswordForm, MailForm, NewPasswordForm, RecoverForm
from app.identity.rules import RULES, password_is_strong
from app.identity.views import room

pages.menu.add(_l("账号"), "identity.account", Permission.ACCOUNT_USE, 95, pages.Group.HOUSE)

STILL_OPEN = frozenset({
    "identity.password", "identity.sign_out", "identity.sign_in", "identity.recover", "identity.ticket",
    "core.set_language", "core.healthz", "static", "bootstrap.static", None,
})
"""What somebody whose password is too old may still open."""


BROWSERS = (
    ("MicroMessenger", _l("微信")), ("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@room.app_template_filter("device_text")
def device_text(agent: str) -> str:
    """What a browser says of itself, in two words: Chrome · Windows."""
    words = [next((str(name) for mark, name in marks if mark in agent), "") for marks in (BROWSERS, SYSTEMS)]
    return " · ".join(word for word in words if word) or gettext("未知设备")


def _here() -> UUID:
    user: Any = current_user
    session_id: UUID = user.visitor.session_id
    return session_id


@room.before_app_request
def lead_to_password() -> Any:
    """A password older than the rule allows is changed before anything else (compliance.md §6)."""
    user: Any = current_user
    if request.endpoint in STILL_OPEN or not user.is_authenticated or not user.visitor.must_change_password:
        return None
    return redirect(url_for("identity.password"))


@room.page("/account", Permission.ACCOUNT_USE)
def account() -> Any:
    """Who I am here, where I am signed in, and how I get back in when I lose something."""
    ctx = context()
    assert ctx.actor_id is not None
    with reading(ctx, Permission.ACCOUNT_USE):
        return render_template(
            "identity/account.html", person=queries.colleague(ctx, ctx.actor_id), here=_here(),
            sessions=queries.open_sessions(ctx.actor_id), codes=queries.recovery_codes_left(ctx), rules=RULES,
            two_factors=ctx.org_kind in TWO_FACTOR_KINDS, mails=carrier.transport() is not None, mail_rules=mail_service.MAIL,
            mail_form=MailForm(formdata=None, way=mail_service.wish_of(ctx.actor_id).value),
        )


@room.page("/account/mail", Permission.ACCOUNT_USE, methods=["POST"])
def mail_wish() -> Any:
    """How I wish to hear of what is new."""
    form = MailForm()
    if not form.validate_on_submit():
        abort(400)
    return act(lambda: mail_service.wish_mail(context(), mail_service.MailWay(form.way.data)),
               done=gettext("邮件提醒的方式已保存。"), to=url_for("identity.account"))


@room.page("/account/password", Permission.ACCOUNT_USE, methods=["GET", "POST"])
def password() -> Any:
    """A new password for oneself; every other session ends."""
    form = ChangePasswordForm()
    ctx = context().with_token(None)
    if form.validate_on_submit():
        attempt(form, lambda: service.change_password(
            ctx, form.current.data or "", form.password.data or "", _here(),
        ))
        if not form.errors:
            flash(gettext("口令已更换，其他设备上的登录都已退出。"), "success")
            return redirect(url_for("identity.account"))
    user: Any = current_user
    return render_template(
        "identity/password.html", form=form, forced=user.visitor.must_change_password, rules=RULES,
    )


@room.page("/account/recovery-codes", Permission.ACCOUNT_USE, methods=["POST"])
def recovery_codes() -> Any:
    """Fresh recovery codes, shown this once."""
    return render_template("identity/recovery_codes.html", codes=service.new_recovery_codes(context().with_token(None)))


@room.page("/account/sessions/<uuid:session_id>/end", Permission.ACCOUNT_USE, methods=["POST"])
def end_session(session_id: UUID) -> Any:
    """Ends one of my sessions elsewhere."""
    return act(lambda: service.sign_out(context(), session_id), done=gettext("那台设备上的登录已退出。"),
               to=url_for("identity.account"))


@room.page("/recover", PUBLIC, methods=["GET", "POST"])
def recover() -> Any:
    """A new password with a recovery code. The answer never says which part did not fit."""
    form = RecoverForm()
    if form.validate_on_submit() and _strong(form, form.login.data or ""):
        done = attempt(form, lambda: service.recover(
            form.login.data or "", form.code.data or "", form.password.data or "",
        ))
        if done:
            session.clear()
            flash(gettext("口令已重新设置，请登录。需要动态码的账号会请您重新绑定手机。"), "success")
            return redirect(url_for("identity.sign_in"))
        if not form.errors:
            form.form_errors.append(gettext("登录名或恢复码不正确，或账号已暂时锁定。恢复码每个只能用一次。"))
    return render_template("identity/recover.html", form=form, rules=RULES)


def _strong(form: NewPasswordForm, login: str) -> bool:
    """Judged before anything else, so that the answer tells nothing about the account."""
    if password_is_strong(form.password.data or "", login.strip().lower()):
        return True
    form.password.errors = [say(Refusal(ErrorCode.PASSWORD_WEAK, length=RULES.password_length))]
    return False


@room.page("/invitation/<token>", PUBLIC, methods=["GET", "POST"])
def ticket(token: str) -> Any:
    """The one-time link of an invitation or a reset: whoever holds it sets the password, once."""
    person = service.person_of_ticket(token)
    if person is None:
        refusal = Refusal(ErrorCode.INVITATION_INVALID)
        return render_template("error.html", code=410, title=gettext("链接已失效"), message=say(refusal)), 410
    form = NewPasswordForm()
    if form.validate_on_submit():
        done = attempt(form, lambda: service.redeem_ticket(token, form.password.data or ""))
        if done is not None:
            session.clear()
            flash(gettext("口令已设置，请登录。"), "success")
            return redirect(url_for("identity.sign_in"))
    return render_template("identity/ticket.html", form=form, person=person, rules=RULES)
