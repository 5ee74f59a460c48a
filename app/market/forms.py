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
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from app.core.money import WAN
from app.core.uscc import DISTRICTS
from app.enterprises.industries import SECTIONS
from app.market.costs import Conventions, DayCount, FirstPeriod, HolidayRule
from app.market.fields import MoneyField, TokenField
from app.market.models import Product
from app.market.need_rules import LIMITS
from app.market.product_service import ProductFields
from app.market.service import AudiencePart, PurposePart, TermsPart
from app.market.words import DISTRIBUTIONS, PRODUCT_KINDS, PURPOSES, SIZES, WANTED_KINDS, WANTED_METHODS, Distribution


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
        [Optional(), Length(max=LIMITS.purpose_text_length)],
        description=_l("例如采购哪一类货物、何时付款。银行会看到这段话，请不要写企业名称和个人信息。"),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.purpose_kind.choices = named(PURPOSES)

    def part(self) -> PurposePart:
        """What was typed, as far as it can be read."""
        kind = self.purpose_kind.data if self.purpose_kind.data in PURPOSES else None
        amount = (
            self.amount.data if self.amount.data and LIMITS.min_amount_fen <= self.amount.data <= LIMITS.max_amount_fen else None
        )
        return PurposePart(amount, kind, self.purpose_text.data or "")


class TermsForm(FlaskForm):
    """Step 2: how long, which security, how to pay back."""

    term_months = IntegerField(_l("需要多久"), [InputRequired(_l("请填写期限，用整数月。"))])
    product_kind = SelectField(_l("可以提供的担保"), [InputRequired(_l("请选择担保方式。"))])
    repayment = RadioField(_l("希望怎样还款"), [InputRequired(_l("请选择希望的还款方式。"))])
    first_loan = BooleanField(_l("这是企业第一次向银行贷款（首贷户）"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.product_kind.choices = [("", gettext("请选择")), *named(WANTED_KINDS)]
        self.repayment.choices = named(WANTED_METHODS)

    def part(self) -> TermsPart:
        """What was typed, as far as it can be read."""
        months = self.term_months.data
        fits = months is not None and LIMITS.min_term_months <= months <= LIMITS.max_term_months
        return TermsPart(
            months if fits else None,
            self.product_kind.data if self.product_kind.data in WANTED_KINDS else None,
            self.repayment.data if self.repayment.data in WANTED_METHODS else None,
            bool(self.first_loan.data),
        )


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


class ProductForm(FlaskForm):
    """A bank's product."""

    name = StringField(_l("产品名称"), [InputRequired(_l("请填写产品名称。")), Length(min=2, max=60)])
    kind = SelectField(_l("担保方式"), [InputRequired(_l("请选择担保方式。"))])
    min_amount = MoneyField(_l("最低金额"), [InputRequired(_l("请填写金额。"))], unit=WAN)
    max_amount = MoneyField(_l("最高金额"), [InputRequired(_l("请填写金额。"))], unit=WAN)
    min_term_months = IntegerField(_l("最短期限"), [InputRequired(_l("请填写期限，用整数月。")), NumberRange(1, 360)])
    max_term_months = IntegerField(_l("最长期限"), [InputRequired(_l("请填写期限，用整数月。")), NumberRange(1, 360)])
    industries = CheckboxesField(_l("面向行业"), description=_l("不勾选表示不限。"))
    districts = CheckboxesField(_l("服务地区"), description=_l("不勾选表示不限。"))
    sizes = CheckboxesField(_l("企业规模"), description=_l("不勾选表示不限。"))
    day_count = SelectField(_l("计息天数"))
    interest_day = IntegerField(
        _l("每月结息日"),
        [Optional(), NumberRange(1, 28, _l("结息日应在 1 到 28 日之间。"))],
        description=_l("留空表示按放款日逐月结息。"),
    )
    holiday = SelectField(_l("遇节假日"))
    first_period = SelectField(_l("首期"))
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind.choices = named(PRODUCT_KINDS)
        self.industries.choices = [(section.letter, gettext(section.name_zh)) for section in SECTIONS]
        self.districts.choices = named(DISTRICTS)
        self.sizes.choices = [(key, gettext(text)) for key, text in SIZES.items() if key != "unknown"]
        self.day_count.choices = [(one.value, one.value) for one in DayCount]
        self.holiday.choices = [
            (HolidayRule.NONE.value, gettext("不顺延")),
            (HolidayRule.FOLLOWING.value, gettext("顺延到下一工作日")),
        ]
        self.first_period.choices = [
            (FirstPeriod.SHORT.value, gettext("放款当月结息")),
            (FirstPeriod.LONG.value, gettext("放款次月结息")),
        ]

    def validate_min_amount(self, field: MoneyField) -> None:
        """Nobody lends nothing or less."""
        if field.data is not None and field.data <= 0:
            raise ValidationError(gettext("金额应大于 0。"))

    def validate_max_amount(self, field: MoneyField) -> None:
        """The ceiling lies above the floor and within what the portal handles."""
        if field.data is not None and self.min_amount.data is not None and field.data < self.min_amount.data:
            raise ValidationError(gettext("最高金额不能低于最低金额。"))
        if field.data is not None and field.data > LIMITS.max_amount_fen:
            raise ValidationError(gettext("最高金额不能超过平台上限 %(most)s 万元。", most=f"{LIMITS.max_amount_fen // WAN:,}"))

    def validate_max_term_months(self, field: IntegerField) -> None:
        """The longest term is not shorter than the shortest."""
        if field.data is not None and self.min_term_months.data is not None and field.data < self.min_term_months.data:
            raise ValidationError(gettext("最长期限不能短于最短期限。"))

    def fields(self) -> ProductFields:
        """The product as the service takes it; a section stands for its divisions."""
        prefixes = tuple(
            f"{number:02d}"
            for section in SECTIONS
            if section.letter in (self.industries.data or [])
            for number in range(section.first, section.last + 1)
        )
        assert self.min_term_months.data is not None and self.max_term_months.data is not None
        assert self.min_amount.data is not None and self.max_amount.data is not None
        conventions = Conventions(
            DayCount(self.day_count.data),
            self.interest_day.data,
            HolidayRule(self.holiday.data),
            FirstPeriod(self.first_period.data),
        )
        return ProductFields(
            self.name.data or "",
            self.kind.data,
            self.min_amount.data,
            self.max_amount.data,
            self.min_term_months.data,
            self.max_term_months.data,
            prefixes,
            tuple(self.districts.data or ()),
            tuple(self.sizes.data or ()),
            conventions,
        )

    @staticmethod
    def values_of(product: Product) -> dict[str, Any]:
        """A product as the form shows it."""
        divisions = set(product.eligibility["industries"])
        return {
            "name": product.name,
            "kind": product.kind,
            "min_amount": product.min_amount_fen,
            "max_amount": product.max_amount_fen,
            "min_term_months": product.min_term_months,
            "max_term_months": product.max_term_months,
            "industries": [section.letter for section in SECTIONS if f"{section.first:02d}" in divisions],
            "districts": product.eligibility["districts"],
            "sizes": product.eligibility["sizes"],
            **product.conventions,
        }
