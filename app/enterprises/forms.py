"""Forms of the firm: sign-up, figures, registration, licence."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, HiddenField, IntegerField, PasswordField, SelectField, StringField, ValidationError
from wtforms.validators import EqualTo, InputRequired, Length, NumberRange, Optional, Regexp

from app.core.calendar import today
from app.core.formats import money_text
from app.core.uscc import DISTRICTS, normalise
from app.core.uscc import validate as uscc_problem
from app.enterprises.rules import DataSource, entity_form
from app.enterprises.service import (
    FORMS,
    LARGEST_FEN,
    LARGEST_HEADCOUNT,
    YEARS_BACK,
    Figures,
    Registration,
    SignUp,
)
from app.enterprises.words import industry_choices
from app.identity.forms import LOGIN_SHAPE, PHONE_SHAPE, WanField, fresh_token, offers

TERMS = "2026-11"
"""Version of the notice on personal information that stands on the sign-up page."""
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"


def identity_number_is_valid(text: str) -> bool:
    """A resident identity number (GB 11643): 17 digits with a real day of birth, and the right check symbol."""
    number = text.strip().upper()
    if len(number) != 18 or not (number[:17].isascii() and number[:17].isdigit()):
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _ID_WEIGHTS, strict=True))
    return date(1900, 1, 1) <= born <= today() and _ID_CHECKS[total % 11] == number[17]


def _sensible(form: FlaskForm, field: Any) -> None:
    """Not negative, and no slip of the keyboard."""
    if field.data is not None and not 0 <= field.data <= LARGEST_FEN:
        raise ValidationError(gettext("应在 0 到 %(limit)s 之间，请核对单位是不是万元。", limit=money_text(LARGEST_FEN)))


class FiguresForm(FlaskForm):
    """What decides the size class. Money is typed in 万元."""

    industry_code = SelectField(_l("行业"), [InputRequired(_l("请选择行业。"))],
                                description=_l("国民经济行业分类（GB/T 4754-2017）的大类；房地产业请选到小类。"))
    year = SelectField(_l("数据年度"), coerce=int, description=_l("以上一个完整年度为准。"))
    headcount = IntegerField(_l("从业人员"), [
        Optional(), NumberRange(0, LARGEST_HEADCOUNT, _l("人数应在 0 到 1000 万之间。")),
    ])
    revenue = WanField(_l("营业收入"), [Optional(), _sensible])
    assets = WanField(_l("资产总额"), [Optional(), _sensible], description=_l("年末数。"))
    idempotency_token = HiddenField(default=fresh_token)

    def offer(self) -> None:
        """Choices that depend on the language and the day."""
        self.industry_code.choices = offers([("", gettext("请选择"))])
        for section, industries in industry_choices().items():
            self.industry_code.choices += offers(industries, section)
        self.year.choices = offers(
            (str(year), str(year)) for year in range(today().year - 1, today().year - 1 - YEARS_BACK, -1)
        )

    def figures(self) -> Figures:
        """The typed figures; money in 分."""
        return Figures(
            self.industry_code.data, self.headcount.data, self.revenue.data, self.assets.data, self.year.data,
            DataSource.SELF_STATED,
        )


class RegistrationForm(FlaskForm):
    """What the licence shows."""

    name = StringField(_l("企业名称"), [InputRequired(_l("请填写营业执照上的名称。")), Length(min=2, max=200)])
    district = SelectField(_l("所在区"), choices=offers((code, _l(name)) for code, name in DISTRICTS.items()))
    representative_name = StringField(_l("法定代表人（经营者）姓名"), [
        InputRequired(_l("请填写姓名。")), Length(min=2, max=60),
    ])
    representative_id_no = StringField(_l("法定代表人（经营者）身份证号"), [InputRequired(_l("请填写 18 位身份证号。"))],
                                       description=_l("只用于核验身份，加密保存，页面上只显示前三后四位。"))
    idempotency_token = HiddenField(default=fresh_token)

    def validate_representative_id_no(self, field: StringField) -> None:
        """Check symbol and day of birth."""
        if not identity_number_is_valid(field.data or ""):
            raise ValidationError(gettext("身份证号不正确，请逐位核对 18 位号码。"))

    def registration(self) -> Registration:
        """The typed registration."""
        return Registration(
            self.name.data or "", self.district.data, self.representative_name.data or "",
            self.representative_id_no.data or "",
        )


PAGE_ORDER = (
    "uscc", "name", "district", "representative_name", "representative_id_no", "industry_code", "year", "headcount",
    "revenue", "assets", "login", "phone", "password", "repeat", "accept",
)


class SignUpForm(RegistrationForm, FiguresForm):
    """A firm signs up by itself."""

    uscc = StringField(_l("统一社会信用代码"), [InputRequired(_l("请填写统一社会信用代码。")), Length(max=60)],
                       description=_l("18 位，见营业执照。空格和大小写不影响。"))
    login = StringField(_l("登录名"), [
        InputRequired(_l("请填写登录名。")),
        Regexp(LOGIN_SHAPE, message=_l("登录名用 4–40 位字母、数字、点、横线，以字母开头。")),
    ], description=_l("4–40 位字母、数字、点或横线，以字母开头；不分大小写。"))
    phone = StringField(_l("手机"), [
        InputRequired(_l("请填写手机号，服务台核验时可能与您联系。")),
        Regexp(PHONE_SHAPE, message=_l("请填写 11 位手机号，或带区号的座机号。")),
    ])
    password = PasswordField(_l("口令"), [InputRequired(_l("请设置口令。")), Length(max=200)])
    repeat = PasswordField(_l("再输一次"), [EqualTo("password", _l("两次输入的口令不一致。"))])
    accept = BooleanField(_l("我代表本单位注册，已阅读并同意上面的个人信息说明"), [
        InputRequired(_l("请阅读说明并勾选。")),
    ])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The list of errors follows the page from top to bottom.
        fields: dict[str, Any] = self.__dict__["_fields"]
        for name in PAGE_ORDER:
            fields[name] = fields.pop(name)

    def validate_uscc(self, field: StringField) -> None:
        """Says which symbol is wrong and which one was expected."""
        problem = uscc_problem(field.data or "")
        if problem is not None:
            raise ValidationError(gettext(problem.message, **problem.shown))
        if entity_form(normalise(field.data or "")) not in FORMS:
            raise ValidationError(gettext("这不是企业、个体工商户或农民专业合作社的代码，本平台只受理这三类单位。"))

    def application(self) -> SignUp:
        """The application; its ``repr`` carries neither password nor personal data."""
        return SignUp(
            self.uscc.data or "", self.registration(), self.figures(), self.login.data or "", TERMS,
            self.password.data or "", self.phone.data,
        )


class LicenceForm(FlaskForm):
    """The business licence as a file."""

    file = FileField(_l("营业执照"), [FileRequired(_l("请选择执照的照片或 PDF。"))])
    idempotency_token = HiddenField(default=fresh_token)


