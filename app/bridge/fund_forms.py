"""Forms of funds: their products, quotas and calendar, agreements, the bureau's ceilings, a seat on a fund."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, DateField, IntegerField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from app.bridge import ceilings
from app.bridge.ceilings import Ceilings
from app.bridge.forms import FEE_METHODS, FILL_AMOUNT, FILL_DAY, FILL_VOUCHER, StepForm
from app.bridge.hold_service import AHEAD_DAYS
from app.bridge.quota_service import QuotaKey
from app.bridge.rules import BridgeKind, BridgeTerms, FeeMethod, FeeStep, check_terms, terms_for
from app.core.calendar import today
from app.core.errors import MESSAGES, ErrorCode
from app.core.money import WAN
from app.core.working import shown
from app.identity.forms import offers
from app.market.fields import MoneyField, PercentField
from app.market.forms import CheckboxesField

FILL_DAYS = _l("请填写天数。")
FILL_REASON = _l("请写明理由。")


def kinds() -> list[tuple[str, str]]:
    """Both kinds of bridges as choices."""
    return [(kind.value, gettext(kind.label)) for kind in BridgeKind]


class ProductForm(StepForm):
    """A product of a fund with its terms."""

    name = StringField(_l("产品名称"), [InputRequired(_l("请填写名称。")), Length(max=60)])
    kind = RadioField(_l("用于"), [InputRequired(_l("请选择。"))], default="SAME_BANK")
    fee_method = RadioField(_l("收费方式"), [InputRequired(_l("请选择。"))], default="DAILY",
                            choices=offers(FEE_METHODS.items()))
    daily_rate = PercentField(_l("每天费率"), [Optional()])
    one_off_rate = PercentField(_l("一次性费率"), [Optional()])
    first_days = IntegerField(_l("第一段天数"), [Optional(), NumberRange(1, 365)])
    later_rate = PercentField(_l("第一段以后每天费率"), [Optional()])
    cap = MoneyField(_l("单笔上限"), [InputRequired(FILL_AMOUNT)], unit=WAN)
    share = PercentField(_l("占承诺续贷金额的比例"), [InputRequired(_l("请填写比例。"))])
    max_days = IntegerField(_l("最长天数"), [InputRequired(FILL_DAYS), NumberRange(1, 365)])

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind.choices = offers(kinds())

    def terms(self) -> BridgeTerms:
        """The terms as typed, under the bureau's ceilings in force."""
        base = terms_for(BridgeKind(self.kind.data))
        daily = self.daily_rate.data if self.daily_rate.data is not None else base.daily_rate
        steps: tuple[FeeStep, ...] = ()
        if self.fee_method.data == FeeMethod.STEPS:
            later = self.later_rate.data if self.later_rate.data is not None else Decimal(0)
            steps = (FeeStep(self.first_days.data, daily), FeeStep(None, later))
        return ceilings.current().over(replace(
            base, fee_method=FeeMethod(self.fee_method.data), daily_rate=daily, steps=steps,
            one_off_rate=self.one_off_rate.data if self.one_off_rate.data is not None else base.one_off_rate,
            cap_fen=self.cap.data or 0, max_share=self.share.data or Decimal(0), max_days=self.max_days.data or 0,
        ))

    def fits(self) -> bool:
        """Puts the sentence of each broken ceiling at its field; ``True`` where there is none."""
        places = {
            "fee": {"ONE_OFF": self.one_off_rate}.get(self.fee_method.data, self.daily_rate), "steps": self.first_days,
            "limits": self.cap,
        }
        clean = True
        if self.fee_method.data == FeeMethod.STEPS and (self.first_days.data is None or self.later_rate.data is None):
            self.first_days.errors = [gettext("分两段收费时，请填写第一段天数和以后的费率。")]
            return False
        for problem in check_terms(self.terms()):
            places[problem.field].errors = [gettext(problem.message, **shown(problem.params, gettext))]
            clean = False
        return clean


class FundForm(ProductForm):
    """A new fund with its first product."""

    funder = SelectField(_l("资金方"), [InputRequired(_l("请选择资金方。"))])
    name = StringField(_l("资金名称"), [InputRequired(_l("请填写名称。")), Length(max=60)])
    product_name = StringField(_l("产品名称"), [InputRequired(_l("请填写名称。")), Length(max=60)])

    def __init__(self, funders: list[tuple[str, str]], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.funder.choices = offers(funders)


class MoneyMoveForm(StepForm):
    """Money into or out of a fund."""

    amount = MoneyField(_l("金额"), [InputRequired(FILL_AMOUNT)], unit=WAN)
    voucher_no = StringField(_l("凭证号"), [InputRequired(FILL_VOUCHER), Length(max=80)])


class QuotaForm(StepForm):
    """A fund's limits; an empty field is no limit."""

    daily = MoneyField(_l("每日额度"), [Optional()], unit=WAN,
                       description=_l("任何一天占用与在途合计的上限；不填则只受账上资金限制。"))
    deal = MoneyField(_l("单笔额度"), [Optional()], unit=WAN)
    same_bank = MoneyField(_l("原行转贷额度"), [Optional()], unit=WAN)
    cross_bank = MoneyField(_l("跨行转贷额度"), [Optional()], unit=WAN)
    any_bank = MoneyField(_l("每家银行额度"), [Optional()], unit=WAN, description=_l("没有单独规定的银行适用。"))
    bank = SelectField(_l("单独规定的银行"), [Optional()])
    bank_limit = MoneyField(_l("这家银行的额度"), [Optional()], unit=WAN,
                            description=_l("选了银行而不填额度，就取消它的单独规定。"))

    def __init__(self, banks: list[tuple[str, str]], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.bank.choices = [("", gettext("不改")), *banks]

    def quotas(self) -> dict[QuotaKey, int | None]:
        """What was typed (分), by scope, bank and kind."""
        found: dict[QuotaKey, int | None] = {
            ("DAY", None, None): self.daily.data, ("DEAL", None, None): self.deal.data, ("BANK", None, None): self.any_bank.data,
            ("KIND", None, "SAME_BANK"): self.same_bank.data, ("KIND", None, "CROSS_BANK"): self.cross_bank.data,
        }
        if self.bank.data:
            found["BANK", UUID(self.bank.data), None] = self.bank_limit.data
        return found


class DaysForm(StepForm):
    """A stretch of a fund's calendar."""

    first = DateField(_l("起始日"), [InputRequired(FILL_DAY)], default=today)
    last = DateField(_l("到"), [InputRequired(FILL_DAY)], default=today)
    way = RadioField(_l("这些天"), [InputRequired(_l("请选择。"))], default="closed", choices=offers([
        ("closed", _l("不放款（在途的照常）")), ("limit", _l("另定额度")), ("clear", _l("恢复平常"))]))
    limit = MoneyField(_l("额度"), [Optional()], unit=WAN, description=_l("选“另定额度”时填写。"))
    only_free_days = BooleanField(_l("只含周末和法定节假日"))
    note = StringField(_l("说明"), [Optional(), Length(max=200)])

    def validate_way(self, field: RadioField) -> None:
        """Another limit needs its amount."""
        if field.data == "limit" and self.limit.data is None:
            raise ValidationError(gettext("请填写额度。"))


class AgreementForm(StepForm):
    """An agreement with a funder."""

    funder = SelectField(_l("资金方"), [InputRequired(_l("请选择资金方。"))])
    number = StringField(_l("协议编号"), [InputRequired(_l("请填写协议编号。")), Length(max=80)])
    kinds = CheckboxesField(_l("可办理的转贷"), [InputRequired(_l("请至少选一种。"))])
    valid_from = DateField(_l("有效期自"), [InputRequired(FILL_DAY)], default=today)
    valid_to = DateField(_l("有效期至"), [InputRequired(FILL_DAY)])
    funder_signer = StringField(_l("资金方签署人"), [InputRequired(_l("请填写签署人。")), Length(max=60)])
    centre_signer = StringField(_l("转贷中心签署人"), [InputRequired(_l("请填写签署人。")), Length(max=60)])
    reason = TextAreaField(_l("依据"), [InputRequired(FILL_REASON), Length(max=1000)],
                           description=_l("例如遴选结果、会议纪要文号。"))

    def __init__(self, funders: list[tuple[str, str]], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.funder.choices = offers(funders)
        self.kinds.choices = kinds()


class CeilingForm(StepForm):
    """The bureau's numbers."""

    daily_rate = PercentField(_l("每天费率上限"), [InputRequired(_l("请填写费率。"))])
    one_off_rate = PercentField(_l("一次性费率上限"), [InputRequired(_l("请填写费率。"))])
    hold_hours = IntegerField(_l("暂时占用保留多少小时"), [InputRequired(_l("请填写小时数。")), NumberRange(1, 720)])
    remind_days = IntegerField(_l("协议到期前多少天提醒"), [InputRequired(FILL_DAYS), NumberRange(1, 365)])
    wide_days = IntegerField(_l("占用看板的长视图天数"), [InputRequired(FILL_DAYS), NumberRange(15, 120)])
    reason = TextAreaField(_l("为什么调整"), [InputRequired(FILL_REASON), Length(max=1000)])

    def numbers(self) -> Ceilings:
        """What was typed."""
        return Ceilings(
            self.daily_rate.data or Decimal(0), self.one_off_rate.data or Decimal(0), self.hold_hours.data or 0,
            self.remind_days.data or 0, self.wide_days.data or 0,
        )


class HoldForm(StepForm):
    """A seat: the day of the payout, and how many days."""

    starts_on = DateField(_l("放款日"), [InputRequired(FILL_DAY)])
    days = IntegerField(_l("使用天数"), [InputRequired(FILL_DAYS), NumberRange(1, 365)],
                        description=_l("放款日计入，归还日不计入。"))

    def validate_starts_on(self, field: Any) -> None:
        """The board ends a year ahead, and so does what it is asked about."""
        last = today() + timedelta(days=AHEAD_DAYS)
        if field.data is not None and not today() <= field.data <= last:
            field.data = None
            raise ValidationError(gettext(MESSAGES[ErrorCode.DATE_OUT_OF_RANGE], low=today().isoformat(), high=last.isoformat()))
