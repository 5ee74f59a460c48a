"""Forms of loans: shape and plausibility of what is typed; the service judges the rest."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import DateField, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, ValidationError

from app.core.calendar import today
from app.core.money import WAN, YUAN
from app.loans.rules import FiveClass
from app.loans.service import Drawdown, LoanTerms, RepaymentReport
from app.market.fields import MoneyField, PercentField, TokenField
from app.market.product_words import PRODUCT_KINDS
from app.market.words import FIXED_METHODS

LARGEST_RATE = Decimal("0.36")
"""Above it a rate is a slip of the point, not an offer (fraction per year, the cap of the market's all-in rate)."""
REPAYMENT_KINDS = {"normal": _l("按期还款"), "prepayment": _l("提前还款"), "recovery": _l("清收回款")}


class DrawdownForm(FlaskForm):
    """The money has left."""

    principal = MoneyField(_l("放款金额"), [InputRequired(_l("请填写放款金额。"))], unit=WAN)
    drawn_on = DateField(_l("放款日期"), [InputRequired(_l("请填写放款日期。"))], default=today)
    contract_no = StringField(_l("合同编号"), [InputRequired(_l("请填写合同编号。")), Length(max=60)])
    note_no = StringField(
        _l("借据编号"), [InputRequired(_l("请填写借据编号。")), Length(max=60)],
        description=_l("本行内唯一；入库和补偿都按借据办理。"),
    )
    idempotency_token = TokenField()

    def drawdown(self) -> Drawdown:
        """What was typed."""
        assert self.principal.data is not None and self.drawn_on.data is not None
        return Drawdown(self.principal.data, self.drawn_on.data, self.contract_no.data or "", self.note_no.data or "")


class RepaymentForm(FlaskForm):
    """Money that came back."""

    amount = MoneyField(_l("还款金额"), [InputRequired(_l("请填写还款金额。"))], unit=YUAN,
                        description=_l("本金与利息合计；怎样分到各期由系统按还款计划计算。罚息不在这里登记。"))
    paid_on = DateField(_l("到账日期"), [InputRequired(_l("请填写到账日期。"))], default=today)
    kind = SelectField(_l("性质"))
    reference = StringField(_l("流水号"), [InputRequired(_l("请填写流水号。")), Length(max=80)])
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind.choices = [(key, str(text)) for key, text in REPAYMENT_KINDS.items()]

    def report(self) -> RepaymentReport:
        """What was typed."""
        assert self.amount.data is not None and self.paid_on.data is not None
        return RepaymentReport(self.paid_on.data, self.amount.data, self.kind.data, self.reference.data or "")


class ClassForm(FlaskForm):
    """What the bank says of a loan."""

    reported_on = DateField(_l("分类日期"), [InputRequired(_l("请填写分类日期。"))], default=today)
    reported_class = SelectField(_l("本行分类"))
    overdue_days = IntegerField(
        _l("逾期天数"), default=0,
        validators=[InputRequired(_l("请填写逾期天数，没有逾期填 0。")), NumberRange(min=0, message=_l("逾期天数不能是负数。"))],
    )
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.reported_class.choices = [(one.value, gettext(one.label)) for one in FiveClass]


class OfflineForm(FlaskForm):
    """A loan agreed outside the portal."""

    uscc = StringField(_l("借款企业的统一社会信用代码"), [InputRequired(_l("请填写统一社会信用代码。")), Length(max=40)])
    name = StringField(
        _l("借款企业名称"), [InputRequired(_l("请填写借款企业名称。")), Length(max=200)],
        description=_l("与营业执照上的全称一致。名称和代码都对得上才能登记；企业确认之前，本行看不到它在平台上的任何资料。"),
    )
    amount = MoneyField(_l("贷款金额"), [InputRequired(_l("请填写贷款金额。"))], unit=WAN)
    annual_rate = PercentField(_l("年利率"), [InputRequired(_l("请填写年利率。")), NumberRange(
        min=0, max=LARGEST_RATE, message=_l("年利率应在 0 到 36%% 之间，请核对小数点。"))])
    term_months = IntegerField(_l("期限"), [InputRequired(_l("请填写期限，用整数月。")), NumberRange(
        min=1, max=360, message=_l("期限应在 1 到 360 个月之间。"))])
    method = SelectField(_l("还款方式"))
    product_kind = SelectField(_l("担保方式"))
    purpose = StringField(_l("贷款用途"), [InputRequired(_l("请填写贷款用途。")), Length(max=200)])
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.method.choices = [(key, gettext(text)) for key, text in FIXED_METHODS.items()]
        self.product_kind.choices = [(key, gettext(text)) for key, text in PRODUCT_KINDS.items()]

    def validate_amount(self, field: MoneyField) -> None:
        """A loan is more than nothing."""
        if field.data is not None and field.data <= 0:
            raise ValidationError(gettext("贷款金额应大于 0。"))

    def terms(self) -> LoanTerms:
        """What was typed."""
        assert self.amount.data is not None and self.annual_rate.data is not None and self.term_months.data is not None
        return LoanTerms(
            self.amount.data, self.annual_rate.data, self.term_months.data, self.method.data, self.product_kind.data,
            (self.purpose.data or "").strip(),
        )
