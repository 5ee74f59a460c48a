"""Forms of the market: shape and plausibility of what is typed; the rules judge the rest."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from app.core.money import WAN
from app.market import policy
from app.market.fields import MoneyField, TokenField
from app.market.need_rules import NeedLimits
from app.market.service import AudiencePart, PurposePart, TermsPart
from app.market.words import DISTRIBUTIONS, PURPOSES, WANTED_KINDS, WANTED_METHODS, Distribution

PURPOSE_LENGTH = NeedLimits().purpose_text_length
"""Not among the numbers that change: the database has it too."""


def named(words: dict[str, str]) -> list[tuple[str, str]]:
    """Choices of a field in the language of the page."""
    return [(key, gettext(text)) for key, text in words.items()]


class CheckboxesField(SelectMultipleField):
    """Several of a list, as boxes to tick."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class PurposeForm(FlaskForm):
    """Step 1: how much, what for. The steps carry no token: saving twice is no harm, and people go back."""

    amount = MoneyField(_l("需要多少"), [InputRequired(_l("请填写金额。"))], unit=WAN)
    purpose_kind = RadioField(_l("用来做什么"), [InputRequired(_l("请选择资金用途。"))], validate_choice=True)
    purpose_text = TextAreaField(
        _l("具体说明"),
        [Optional(), Length(max=PURPOSE_LENGTH)],
        description=_l("例如采购哪一类货物、何时付款。银行会看到这段话，请不要写企业名称和个人信息。"),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.purpose_kind.choices = named(PURPOSES)

    def part(self) -> PurposePart:
        """What was typed, as far as it can be read."""
        kind = self.purpose_kind.data if self.purpose_kind.data in PURPOSES else None
        limits, amount = policy.need_limits(), self.amount.data
        if not amount or not limits.min_amount_fen <= amount <= limits.max_amount_fen:
            amount = None
        return PurposePart(amount, kind, self.purpose_text.data or "")


class TermsForm(FlaskForm):
    """Step 2: how long, which security, how to pay back."""

    term_months = IntegerField(_l("需要多久"), [InputRequired(_l("请填写期限，用整数月。"))])
    product_kind = SelectField(_l("可以提供的担保"), [InputRequired(_l("请选择担保方式。"))])
    repayment = RadioField(_l("希望怎样还款"), [InputRequired(_l("请选择希望的还款方式。"))])
    first_loan = BooleanField(_l("这是企业第一次向银行贷款（首贷户）"))
    allows_parts = BooleanField(_l("可以由几家银行各承担一部分（联合贷款）"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.product_kind.choices = [("", gettext("请选择")), *named(WANTED_KINDS)]
        self.repayment.choices = named(WANTED_METHODS)

    def part(self) -> TermsPart:
        """What was typed, as far as it can be read."""
        limits, months = policy.need_limits(), self.term_months.data
        fits = months is not None and limits.min_term_months <= months <= limits.max_term_months
        return TermsPart(
            months if fits else None,
            self.product_kind.data if self.product_kind.data in WANTED_KINDS else None,
            self.repayment.data if self.repayment.data in WANTED_METHODS else None,
            bool(self.first_loan.data),
            bool(self.allows_parts.data),
        )


class CorrectionForm(PurposeForm, TermsForm):  # type: ignore[misc]  # two steps on one page, each read by its own part()
    """Both steps at once, with the reason that banks read."""

    idempotency_token = TokenField()
    reason = StringField(_l("为什么更正"), [InputRequired(_l("请写明更正的理由。")), Length(max=200)])

    def purpose(self) -> PurposePart:
        """Amount and purpose as typed."""
        return PurposeForm.part(self)

    def terms(self) -> TermsPart:
        """Term, security and repayment as typed."""
        return TermsForm.part(self)


class AudienceForm(FlaskForm):
    """Step 3: every bank, or the banks named."""

    distribution = RadioField(_l("发给哪些银行"), [InputRequired(_l("请选择发给哪些银行。"))])
    invited = CheckboxesField(_l("指定的银行"), description=_l("选择“定向”时请勾选，最多 5 家。"))

    def __init__(self, banks: list[tuple[UUID, str]], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.distribution.choices = named(DISTRIBUTIONS)
        self.invited.choices = [(str(bank), name) for bank, name in banks]

    def part(self) -> AudiencePart:
        """What was ticked; named banks count only for a targeted need."""
        way = self.distribution.data if self.distribution.data in DISTRIBUTIONS else None
        offered = {value for value, _ in self.invited.choices or []}
        banks = tuple(UUID(bank) for bank in self.invited.data or [] if bank in offered)
        return AudiencePart(way, banks if way == Distribution.TARGETED else ())


class SendForm(FlaskForm):
    """A form that only sends: the last look before publishing."""

    idempotency_token = TokenField()
