"""The form of a bank's product."""

from __future__ import annotations

from typing import Any

from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from app.core.money import WAN
from app.core.uscc import DISTRICTS
from app.enterprises.industries import SECTIONS
from app.evidence.models import DataItem
from app.market import policy
from app.market.costs import Conventions, DayCount, FirstPeriod, HolidayRule
from app.market.fields import MoneyField, PercentField, TokenField
from app.market.forms import CheckboxesField, named
from app.market.product_models import Product
from app.market.product_service import USUAL_CAPACITY, ProductFields
from app.market.product_words import PRODUCT_KINDS
from app.market.rule_form import RULE_ROWS, RuleFields, rule_values
from app.market.rules import OfferLimits
from app.market.words import FIXED_METHODS, METHODS, SIZES


class ProductForm(RuleFields, FlaskForm):
    """A bank's product."""

    name = StringField(_l("产品名称"), [InputRequired(_l("请填写产品名称。")), Length(min=2, max=60)])
    kind = SelectField(_l("担保方式"), [InputRequired(_l("请选择担保方式。"))])
    min_amount = MoneyField(_l("最低金额"), [InputRequired(_l("请填写金额。"))], unit=WAN)
    max_amount = MoneyField(_l("最高金额"), [InputRequired(_l("请填写金额。"))], unit=WAN)
    min_term_months = IntegerField(_l("最短期限"), [InputRequired(_l("请填写期限，用整数月。")), NumberRange(1, 360)])
    max_term_months = IntegerField(_l("最长期限"), [InputRequired(_l("请填写期限，用整数月。")), NumberRange(1, 360)])
    min_rate = PercentField(_l("最低年利率"), [InputRequired(_l("请填写年利率。"))])
    max_rate = PercentField(_l("最高年利率"), [InputRequired(_l("请填写年利率。"))])
    repayments = CheckboxesField(_l("还款方式"), [InputRequired(_l("请至少勾选一种还款方式。"))])
    required_sources = CheckboxesField(
        _l("需要企业授权的数据"), description=_l("企业没有授权的，产品页会告诉它缺哪一项；不勾选表示不要求。")
    )
    industries = CheckboxesField(_l("面向行业"), description=_l("不勾选表示不限。"))
    districts = CheckboxesField(_l("服务地区"), description=_l("不勾选表示不限。"))
    sizes = CheckboxesField(_l("企业规模"), description=_l("不勾选表示不限。"))
    officer_capacity = IntegerField(
        _l("每名客户经理同时办理"),
        [InputRequired(_l("请填写件数，用整数。")), NumberRange(1, 200, _l("件数应在 1 到 200 之间。"))],
    )
    seats = IntegerField(
        _l("一轮撮合最多接受"), [Optional(), NumberRange(1, 10_000)], description=_l("笔数；留空表示本产品不参加撮合。")
    )
    budget = MoneyField(_l("一轮撮合的额度"), [Optional()], unit=WAN, description=_l("留空表示不限。"))
    part_min = MoneyField(
        _l("联合贷款时最低份额"), [Optional()], unit=WAN, description=_l("留空表示只单独放款，不与其他银行联合。")
    )
    day_count = SelectField(_l("计息天数"))
    interest_day = IntegerField(
        _l("每月结息日"),
        [Optional(), NumberRange(1, 28, _l("结息日应在 1 到 28 日之间。"))],
        description=_l("留空表示按放款日逐月结息。"),
    )
    holiday = SelectField(_l("遇节假日"))
    first_period = SelectField(_l("首期"))
    idempotency_token = TokenField()

    def __init__(self, items: list[DataItem], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind.choices = named(PRODUCT_KINDS)
        self.repayments.choices = named(METHODS)
        english = str(get_locale()) == "en"
        self.required_sources.choices = [(item.code, item.name_en if english else item.name_zh) for item in items]
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
        most = policy.need_limits().max_amount_fen
        if field.data is not None and field.data > most:
            raise ValidationError(gettext("最高金额不能超过平台上限 %(most)s 万元。", most=f"{most // WAN:,}"))

    def validate_max_term_months(self, field: IntegerField) -> None:
        """The longest term is not shorter than the shortest."""
        if field.data is not None and self.min_term_months.data is not None and field.data < self.min_term_months.data:
            raise ValidationError(gettext("最长期限不能短于最短期限。"))

    def validate_min_rate(self, field: PercentField) -> None:
        """Free money is no product."""
        if field.data is not None and field.data <= 0:
            raise ValidationError(gettext("年利率应大于 0。"))

    def validate_max_rate(self, field: PercentField) -> None:
        """The highest rate is not below the lowest, nor beyond what the portal lets a bid say."""
        if field.data is None:
            return
        if self.min_rate.data is not None and field.data < self.min_rate.data:
            raise ValidationError(gettext("最高年利率不能低于最低年利率。"))
        if field.data > OfferLimits().max_annual_rate:
            raise ValidationError(gettext("年利率超过平台上限，请核对小数点。"))

    def validate_budget(self, field: MoneyField) -> None:
        """A budget buys one loan at least."""
        if field.data is not None and field.data < (self.min_amount.data or 1):
            raise ValidationError(gettext("额度不能低于最低金额。"))

    def validate_part_min(self, field: MoneyField) -> None:
        """A part is smaller than the whole."""
        if field.data is not None and not 0 < field.data <= (self.max_amount.data or field.data):
            raise ValidationError(gettext("最低份额应大于 0，且不超过最高金额。"))

    def fields(self, kept_rule: dict[str, Any] | None = None) -> ProductFields:
        """The product as the service takes it; a section stands for its divisions. ``kept_rule``: see ``RuleFields.tree``."""
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
            self.min_rate.data,
            self.max_rate.data,
            tuple(self.repayments.data or ()),
            tuple(self.required_sources.data or ()),
            self.officer_capacity.data or USUAL_CAPACITY,
            self.seats.data,
            self.budget.data,
            self.part_min.data,
            self.tree(kept_rule),
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
            "min_rate": product.min_rate,
            "max_rate": product.max_rate,
            "repayments": product.repayments,
            "required_sources": product.required_sources,
            "officer_capacity": product.officer_capacity,
            "seats": product.seats,
            "budget": product.budget_fen,
            "part_min": product.part_min_fen,
            "rules": rule_values(product.rule) or [{} for _ in range(RULE_ROWS)],
            "industries": [section.letter for section in SECTIONS if f"{section.first:02d}" in divisions],
            "districts": product.eligibility["districts"],
            "sizes": product.eligibility["sizes"],
            **product.conventions,
        }

    @staticmethod
    def values_for_new() -> dict[str, Any]:
        """What an empty form begins with."""
        return {
            "interest_day": 21,
            "min_term_months": 1,
            "min_amount": policy.need_limits().min_amount_fen,
            "repayments": list(FIXED_METHODS),
            "officer_capacity": USUAL_CAPACITY,
        }
