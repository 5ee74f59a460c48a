"""The form of a debt outside the portal."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from app.core.money import WAN
from app.market.debt_service import DebtFields
from app.market.fields import MoneyField, PercentField, TokenField

MOST_FEN = 10_000_000_000_000
"""As the database allows (migration 0030)."""


class DebtForm(FlaskForm):
    """One debt: who lent, what is still owed, at what rate, until when."""

    idempotency_token = TokenField()
    lender = StringField(_l("出借方"), [InputRequired(_l("请填写出借方。")), Length(2, 60, _l("请写 2 到 60 个字。"))])
    amount = MoneyField(
        _l("尚欠本金"), [InputRequired(_l("请填写尚欠的本金。")), NumberRange(1, MOST_FEN, _l("请核对金额。"))], unit=WAN
    )
    annual_rate = PercentField(_l("年利率"), [Optional(), NumberRange(0.000001, 1, _l("年利率应大于 0%，不超过 100%。"))])
    due_on = DateField(_l("到期日"), [Optional()])
    secured = BooleanField(_l("有抵押、质押或担保"))

    def fields(self) -> DebtFields:
        """What was typed."""
        return DebtFields(
            self.lender.data or "", self.amount.data or 0, self.annual_rate.data, self.due_on.data, bool(self.secured.data)
        )
