"""Forms of bridges and funds: shape of what is typed; the rules judge the rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    DateTimeLocalField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
    TimeField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from app.bridge.checks import TICKS
from app.bridge.commitment_rules import CONDITIONS
from app.bridge.rules import SAME_BANK
from app.core.calendar import SHANGHAI, now, today
from app.core.money import WAN
from app.identity.forms import offers
from app.market.fields import MoneyField, PercentField, TokenField
from app.market.forms import CheckboxesField, named
from app.market.words import FIXED_METHODS

FILL_AMOUNT = _l("请填写金额。")
FILL_DAY = _l("请选择日期。")
FILL_VOUCHER = _l("请填写凭证号。")

FEE_METHODS = {"DAILY": _l("按天"), "STEPS": _l("按天分两段"), "ONE_OFF": _l("一次性")}


def this_minute() -> datetime:
    """This minute in Shanghai, as a field of day and time holds it."""
    return now().astimezone(SHANGHAI).replace(second=0, microsecond=0, tzinfo=None)


def in_shanghai(typed: datetime | None) -> datetime | None:
    """What a field of day and time holds, with its zone."""
    return None if typed is None else typed.replace(tzinfo=SHANGHAI)


class StepForm(FlaskForm):
    """Every step carries an idempotency token."""

    idempotency_token = TokenField()


class ApplyForm(StepForm):
    """The application. Due amount and day come from the loan where it is on the portal."""

    old_due = MoneyField(_l("到期本金"), [InputRequired(FILL_AMOUNT)], unit=WAN)
    old_due_on = DateField(_l("到期日"), [InputRequired(FILL_DAY)])
    own_money = MoneyField(_l("自有资金"), [InputRequired(FILL_AMOUNT)], unit=WAN,
                           description=_l("还旧贷款时企业自己出的部分，先到还款账户；没有填 0。"))
    requested = MoneyField(_l("申请转贷金额"), [InputRequired(FILL_AMOUNT)], unit=WAN,
                           description=_l("不超过到期本金减去自有资金；资金方报价时再按银行承诺核定上限。"))
    more_notes = CheckboxesField(_l("一并偿还的另一张借据"), [Optional()],
                                 description=_l("同一银行、银行未同意无还本续贷的借据；最多再加一张。到期本金相加，到期日取最早的。"))
    new_bank = SelectField(_l("续贷银行"), [InputRequired(_l("请选择银行。"))],
                           description=_l("与原贷款银行相同为原行转贷，不同为跨行转贷。"))
    planned_days = IntegerField(_l("预计用几天"), [InputRequired(_l("请填写天数。")), NumberRange(1, 365)], default=5,
                                description=_l("从放款当日算起；放款日计入，归还日不计入。"))
    urgent = BooleanField(_l("加急办理（距到期日不足 %(days)s 个工作日）", days=SAME_BANK.application_lead_wd))
    consent = BooleanField(_l("同意转贷中心、银行和资金方为办理这笔转贷查询本企业信用信息"),
                           [InputRequired(_l("办理转贷需要您的同意。"))])

    def __init__(self, banks: list[tuple[str, str]], *args: Any, fixed: bool = False, more: Sequence[tuple[str, str]] = (),
                 **options: Any) -> None:
        super().__init__(*args, **options)
        self.new_bank.choices = offers(banks)
        self.more_notes.choices = offers(list(more))
        if not more:
            del self.more_notes
        if fixed:
            del self.old_due
            del self.old_due_on


class PrecheckForm(StepForm):
    """What the clerk has looked at."""

    ticks = CheckboxesField(_l("人工核对"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ticks.choices = offers(named(TICKS))


class CommitForm(StepForm):
    """The commitment letter."""

    promised = MoneyField(_l("承诺续贷金额"), [InputRequired(FILL_AMOUNT)], unit=WAN)
    rate_low = PercentField(_l("年利率（或区间下限）"), [InputRequired(_l("请填写利率。"))])
    rate_high = PercentField(_l("年利率区间上限"), [Optional()], description=_l("利率固定时不填。"))
    term_months = IntegerField(_l("期限"), [InputRequired(_l("请填写期限。")), NumberRange(1, 600)], default=12)
    method = SelectField(_l("还款方式"), [InputRequired()])
    latest_drawdown_on = DateField(_l("最迟放款日"), [InputRequired(FILL_DAY)])
    valid_until = DateField(_l("承诺有效期至"), [InputRequired(FILL_DAY)])
    receiving_account = StringField(
        _l("续贷资金收款账户"), [InputRequired(_l("请填写账户。")), Length(min=8, max=40)],
        description=_l("续贷资金只进这个账户，用来归还转贷：填企业的贷款还款账户，选定资金方之后也可以填托管账户或资金方账户；"
                       "页面上只显示首尾几位。"),
    )
    branch = StringField(_l("出具网点"), [InputRequired(_l("请填写出具网点。")), Length(max=80)])
    open_kinds = CheckboxesField(_l("尚待落实的条件"), [Optional()],
                                 description=_l("只有这里勾选、且届时仍未落实的条件，可以作为未履行承诺的理由。"))
    conditions = TextAreaField(_l("条件说明"), [Optional(), Length(max=1000)])

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.method.choices = offers(named(FIXED_METHODS))
        self.open_kinds.choices = offers(named(CONDITIONS))

    def validate_rate_high(self, field: Any) -> None:
        """The upper end is not below the lower one."""
        if field.data is not None and self.rate_low.data is not None and field.data < self.rate_low.data:
            raise ValidationError(gettext("上限不低于下限。"))


class OfferForm(StepForm):
    """A fund's quote, by one of its products."""

    product = SelectField(_l("产品"), [InputRequired(_l("请选择产品。"))])
    amount = MoneyField(_l("报价金额"), [InputRequired(FILL_AMOUNT)], unit=WAN)
    rate = PercentField(_l("费率"), [Optional()], description=_l("不填按资金方产品的费率；填写时不得高于上限。"))
    valid_until = DateField(_l("报价有效期至"), [InputRequired(FILL_DAY)])

    def __init__(self, products: list[tuple[str, str]], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.product.choices = offers(products)


class SignForm(StepForm):
    """The agreement, with the fee that stood on the page."""

    agreement_no = StringField(_l("三方协议编号"), [InputRequired(_l("请填写协议编号。")), Length(max=80)])
    read = BooleanField(_l("我已看清费用、上限和超期后的费用，同意签订企业、资金方、银行三方协议"),
                        [InputRequired(_l("请先确认。"))])
    seen_fee = HiddenField()


class PayForm(StepForm):
    """The payout as the clerk saw it happen."""

    own_money_seen = MoneyField(_l("还款账户上已到的自有资金"), [InputRequired(FILL_AMOUNT)])
    voucher_out = StringField(_l("资金方账户 → 托管账户，凭证号"), [InputRequired(FILL_VOUCHER), Length(max=80)])
    out_at = DateTimeLocalField(_l("资金方账户 → 托管账户，时间"), [Optional()], default=this_minute)
    voucher_on = StringField(_l("托管账户 → 贷款还款账户，凭证号"), [InputRequired(FILL_VOUCHER), Length(max=80)])
    on_at = DateTimeLocalField(_l("托管账户 → 贷款还款账户，时间"), [Optional()], default=this_minute)


class RepaidForm(StepForm):
    """Payoff of the old note; where the bridge pays off two, of one of them."""

    note = RadioField(_l("借据"), [InputRequired(_l("请选择借据。"))])
    repaid_on = DateField(_l("结清日期"), [InputRequired(FILL_DAY)], default=today)
    reference = StringField(_l("结清凭证号"), [InputRequired(FILL_VOUCHER), Length(max=80)])
    final_rate = PercentField(_l("续贷年利率"), [Optional()], description=_l("承诺为利率区间时填写，须在区间内。"))

    def __init__(self, *args: Any, with_rate: bool = False, notes: Sequence[tuple[str, str]] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.note.choices = offers(list(notes))
        if len(notes) < 2:
            del self.note
        if not with_rate:
            del self.final_rate


class DrawnForm(StepForm):
    """The new note."""

    note_no = StringField(_l("新借据号"), [InputRequired(_l("请填写借据号。")), Length(max=80)])
    contract_no = StringField(_l("新合同号"), [InputRequired(_l("请填写合同号。")), Length(max=80)])
    amount = MoneyField(_l("放款金额"), [InputRequired(FILL_AMOUNT)], unit=WAN,
                        description=_l("少于承诺金额时，差额由企业补足，转贷在归还前保持未结。"))
    drawn_on = DateField(_l("放款日期"), [InputRequired(FILL_DAY)], default=today)
    due_on = DateField(_l("新贷款到期日"), [Optional()])
    rate = PercentField(_l("新贷款年利率"), [InputRequired(_l("请填写利率。"))])
    excuse = SelectField(_l("与承诺不一致时，未落实的条件"), [Optional()])

    def __init__(self, open_kinds: Sequence[str] = (), *args: Any, ours: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.excuse.choices = offers([("", gettext("（没有）")), *((kind, gettext(CONDITIONS[kind])) for kind in open_kinds)])
        if not open_kinds:
            del self.excuse
        if ours:
            del self.due_on
            del self.rate


class ReturnForm(StepForm):
    """Money that came back."""

    amount = MoneyField(_l("归还金额"), [InputRequired(FILL_AMOUNT)])
    on_day = DateField(_l("到账日期"), [InputRequired(FILL_DAY)], default=today,
                       description=_l("到托管账户的日期；放款当日归还按 0 天计，不收费。"))
    in_at = TimeField(_l("到账时间"), [Optional()])
    source = RadioField(_l("从哪个账户来"), [Optional()], choices=offers([
        ("REPAYMENT", _l("贷款还款账户")), ("RENEWAL", _l("续贷资金收款账户"))]), default="REPAYMENT")
    voucher_in = StringField(_l("转入托管账户，凭证号"), [InputRequired(FILL_VOUCHER), Length(max=80)])
    voucher_out = StringField(_l("托管账户 → 资金方账户，凭证号"), [InputRequired(FILL_VOUCHER), Length(max=80)])
    out_at = DateTimeLocalField(_l("托管账户 → 资金方账户，时间"), [Optional()])


class SettleForm(StepForm):
    """The fee's voucher."""

    fee_voucher_no = StringField(_l("费用付款凭证号"), [Optional(), Length(max=80)])
