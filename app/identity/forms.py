"""Forms of sign-in and own account."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length


class SignInForm(FlaskForm):
    """First factor."""

    login = StringField(_l("登录名"), [InputRequired(_l("请填写登录名。")), Length(max=80)])
    password = PasswordField(_l("口令"), [InputRequired(_l("请填写口令。")), Length(max=200)])
    next = HiddenField()


class CodeForm(FlaskForm):
    """Second factor."""

    code = StringField(_l("动态码"), [InputRequired(_l("请填写六位动态码。")), Length(min=6, max=8)])
    next = HiddenField()


class NewPasswordForm(FlaskForm):
    """A new password, typed twice."""

    password = PasswordField(_l("新口令"), [InputRequired(_l("请填写新口令。")), Length(max=200)])
    repeat = PasswordField(_l("再输一次"), [EqualTo("password", _l("两次输入的口令不一致。"))])
