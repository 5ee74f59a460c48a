"""Forms of sign-in, own account, staff and organisations."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    HiddenField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields import SelectChoice
from wtforms.validators import EqualTo, InputRequired, Length, Optional, Regexp
from wtforms.widgets import CheckboxInput, ListWidget

from app.core.ids import new_id
from app.core.money import MAX_FEN, WAN
from app.core.pages import Text
from app.core.permissions import ROLES_OF_KIND, OrgKind, Role
from app.core.queries import KIND_NAMES, ROLE_NAMES
from app.core.uscc import validate as uscc_problem
from app.identity.rules import APPROVAL_ROLES, FIRST_ROLES

LOGIN_SHAPE = r"^[A-Za-z][A-Za-z0-9._-]{3,39}$"
PHONE_SHAPE = r"^(1\d{10}|0\d{2,3}-?\d{7,8})$"


def fresh_token() -> str:
    """The idempotency token of a form that is shown."""
    return str(new_id())


def offers(pairs: Iterable[tuple[str, Text]], group: str | None = None) -> list[SelectChoice]:
    """Choices of a select from (value, label), under the heading ``group`` if there is one."""
    return [SelectChoice(value, label, optgroup=group) for value, label in pairs]


class WanField(StringField):
    """An amount typed in 万元 and held in 分. What was typed is shown again when it is no amount."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Reads the typed text. Raises ``ValueError`` with a sentence."""
        text = (valuelist[0] if valuelist else "").strip().replace(",", "").replace("，", "")
        self.data: Any = None
        if not text:
            return
        try:
            amount = Decimal(text) * WAN
        except InvalidOperation:
            raise ValueError(gettext("请填写数字，单位是万元，例如 350 或 350.5。")) from None
        if not amount.is_finite() or amount != amount.to_integral_value() or abs(amount) > MAX_FEN:
            raise ValueError(gettext("请填写数字，单位是万元，例如 350 或 350.5。"))
        self.data = int(amount)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        if not isinstance(self.data, int):
            return ""
        text = f"{Decimal(self.data) / WAN:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


class ChecksField(SelectMultipleField):
    """Several of a few, each with a box."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


def _login_field() -> StringField:
    return StringField(_l("登录名"), [
        InputRequired(_l("请填写登录名。")),
        Regexp(LOGIN_SHAPE, message=_l("登录名用 4–40 位字母、数字、点、横线，以字母开头。")),
    ], description=_l("4–40 位字母、数字、点或横线，以字母开头；不分大小写。"))


def _phone_field() -> StringField:
    return StringField(_l("手机或座机"), [
        Optional(), Regexp(PHONE_SHAPE, message=_l("请填写 11 位手机号，或带区号的座机号。")),
    ], description=_l("加密保存，页面上只显示前三后四位。"))


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


class ChangePasswordForm(NewPasswordForm):
    """Own password. It carries no idempotency token, so that no digest of a password is ever stored."""

    current = PasswordField(_l("现在的口令"), [InputRequired(_l("请填写现在的口令。")), Length(max=200)])


class RecoverForm(NewPasswordForm):
    """Self-service with a recovery code."""

    login = StringField(_l("登录名"), [InputRequired(_l("请填写登录名。")), Length(max=80)])
    code = StringField(_l("恢复码"), [InputRequired(_l("请填写恢复码。")), Length(max=40)],
                       description=_l("生成时您保存下来的一次性代码，形如 a1b2c3-d4e5f6。"))


class RolesForm(FlaskForm):
    """What a colleague may do. The choices are the roles of the organisation's kind."""

    roles = ChecksField(_l("角色"), [InputRequired(_l("请至少选一个角色。"))])
    limit = WanField(_l("审批限额"), description=_l("有审批权的角色必填：单笔最多可批准多少。"))
    idempotency_token = HiddenField(default=fresh_token)

    def offer(self, kind: OrgKind) -> None:
        """Offers the roles of a kind; a kind that approves nothing has no limit to fill in."""
        self.roles.choices = offers((role.value, gettext(ROLE_NAMES[role.value])) for role in ROLES_OF_KIND[kind])
        if not APPROVAL_ROLES & set(ROLES_OF_KIND[kind]):
            del self.limit

    def validate_limit(self, field: WanField) -> None:
        """An approving role needs its limit."""
        approves = any(role.value in (self.roles.data or []) for role in APPROVAL_ROLES)
        if approves and not (field.data or 0) > 0:
            raise ValidationError(gettext("请填写审批限额，要大于零。"))

    def chosen(self) -> dict[Role, int | None]:
        """Roles with the limit (分) of those that approve."""
        limit = getattr(self, "limit", None)
        return {
            role: limit.data if role in APPROVAL_ROLES and limit is not None else None
            for role in (Role(value) for value in self.roles.data or [])
        }


class InviteForm(RolesForm):
    """A new colleague."""

    name = StringField(_l("姓名"), [InputRequired(_l("请填写姓名。")), Length(min=2, max=60)])
    login = _login_field()
    branch = SelectField(_l("网点"), validators=[Optional()], choices=[])
    phone = _phone_field()
    email = StringField(_l("电子邮箱"), [
        Optional(), Length(max=120), Regexp(r"^[^@\s]+@[^@\s]+\.[^@\s]+$", message=_l("请填写完整的邮箱地址。")),
    ])


class BranchChoiceForm(FlaskForm):
    """Where a colleague works."""

    branch = SelectField(_l("网点"), validators=[Optional()], choices=[])
    idempotency_token = HiddenField(default=fresh_token)


class BranchForm(FlaskForm):
    """A branch's name."""

    name = StringField(_l("网点名称"), [InputRequired(_l("请填写网点名称。")), Length(min=2, max=80)])
    idempotency_token = HiddenField(default=fresh_token)


class LeaveForm(FlaskForm):
    """Somebody leaves: who takes over, and why."""

    successor = SelectField(_l("业务交给"), validators=[Optional()], choices=[])
    reason = TextAreaField(_l("理由"), [InputRequired(_l("请写明理由。")), Length(max=500)])
    idempotency_token = HiddenField(default=fresh_token)


class FirstPersonForm(FlaskForm):
    """The first administrator of an organisation."""

    person = StringField(_l("首位管理员姓名"), [InputRequired(_l("请填写姓名。")), Length(min=2, max=60)])
    login = _login_field()
    phone = _phone_field()
    idempotency_token = HiddenField(default=fresh_token)


class OrganisationForm(FirstPersonForm):
    """A new organisation with its first administrator."""

    kind = SelectField(_l("机构类别"), choices=offers(
        (kind.value, _l(KIND_NAMES[kind.value])) for kind in FIRST_ROLES
    ))
    name = StringField(_l("机构名称"), [InputRequired(_l("请填写机构名称。")), Length(min=2, max=200)])
    uscc = StringField(_l("统一社会信用代码"), [Optional(), Length(max=40)])

    def validate_uscc(self, field: StringField) -> None:
        """Says which symbol is wrong and what was expected."""
        problem = uscc_problem(field.data or "")
        if problem is not None:
            raise ValidationError(gettext(problem.message, **problem.shown))


class MailForm(FlaskForm):
    """How a person wishes to hear of notices."""

    idempotency_token = HiddenField(default=fresh_token)
    way = SelectField(_l("有新消息时"), choices=offers([
        ("none", _l("不发邮件")), ("digest", _l("每个工作日汇总一封")), ("each", _l("有新消息就发")),
    ]))
