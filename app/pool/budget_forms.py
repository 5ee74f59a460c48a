"""Forms of the budget."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import IntegerField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from app.core.calendar import today
from app.core.money import WAN
from app.market.fields import MoneyField, TokenField
from app.pool.forms import not_negative


class FundForm(FlaskForm):
    """Money for the year's budget."""

    year = IntegerField(_l("年度"), [InputRequired(_l("请填写年度。")), NumberRange(
        min=2025, max=2100, message=_l("请填写四位数的年度。"))], default=lambda: today().year)
    amount = MoneyField(_l("拨入金额"), [InputRequired(_l("请填写拨入金额。"))], unit=WAN)
    guarantee = MoneyField(_l("其中留给政担模式"), [Optional(), not_negative], unit=WAN)
    document_no = StringField(_l("文号"), [InputRequired(_l("请填写文号。")), Length(max=80)])
    reason = TextAreaField(_l("说明"), [Optional(), Length(max=1000)])
    idempotency_token = TokenField()


class ClosingForm(FlaskForm):
    """The closing of a budget year."""

    year = IntegerField(_l("年度"), [InputRequired(_l("请填写年度。")), NumberRange(
        min=2020, max=2100, message=_l("请填写四位数的年度。"))], default=lambda: today().year - 1)
    reason = TextAreaField(_l("说明"), [InputRequired(_l("请写明结账的依据。")), Length(max=1000)])
    idempotency_token = TokenField()
