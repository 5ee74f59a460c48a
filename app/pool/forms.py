"""Forms of the pool: shape and plausibility of what is typed; rules and services judge the rest."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import (
    BooleanField,
    DateField,
    FieldList,
    Form,
    FormField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from app.core.calendar import today
from app.core.errors import N_, ErrorCode, Refusal
from app.core.money import YUAN
from app.market.fields import MoneyField, PercentField, TokenField
from app.pool.claim_service import LossParts
from app.pool.decision_models import DeductionKind
from app.pool.decision_service import Deduction
from app.pool.judging import Evidence
from app.pool.rules import LossEvidence, Product, UseOfFunds
from app.pool.ruleset import PaperKind
from app.pool.sample_rules import SampleMethod

PAPER_NAMES = {
    **{one.value: one.label for one in PaperKind}, **{one.value: one.label for one in LossEvidence}, "OTHER": N_("其他材料"),
}


def not_negative(form: FlaskForm, field: MoneyField) -> None:
    """Refuses an amount below zero."""
    if field.data is not None and field.data < 0:
        raise ValidationError(gettext("金额不能是负数。"))


class BookingForm(FlaskForm):
    """What the bank adds to a drawn loan, as at the day of drawdown."""

    owner_id = SelectField(
        _l("借款人"), default="",
        description=_l("企业主本人借款、用于企业经营的，选择登记过的企业主；贷款记在企业名下。"))
    product = SelectField(_l("产品类别"))
    use_of_funds = SelectField(_l("资金用途"))
    operates_in_city = BooleanField(_l("借款人在广州市实际经营"))
    on_key_list = BooleanField(_l("放款时在重点支持名录内"))
    key_list_version = StringField(
        _l("名录名称与版本"), [Length(max=100)], description=_l("在名录内时必须写明，供审核核对。"))
    ip_certificate_no = StringField(_l("知识产权登记证号"), [Optional(), Length(max=100)])
    receivable_no = StringField(_l("应收账款登记号"), [Optional(), Length(max=100)])
    policy_tool = StringField(
        _l("使用的货币政策工具"), [Optional(), Length(max=100)], description=_l("例如支小再贷款、科技创新再贷款；没有则不填。"),
    )
    shared_by = StringField(_l("保险或担保分担"), [Optional(), Length(max=200)], description=_l("写明机构和比例；没有则不填。"))
    first_loan = BooleanField(_l("首贷"))
    not_dishonest = BooleanField(_l("已查询：放款时借款人不在严重失信主体名单上"))
    late_reason = TextAreaField(
        _l("逾期报送的原因"), [Optional(), Length(max=500)], description=_l("放款超过入库期限时填写，由金融局决定是否同意补报。"),
    )
    reason = StringField(_l("更正的原因"), [Optional(), Length(max=500)])
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.owner_id.choices = [("", gettext("企业本身"))]
        self.product.choices = [(one.value, gettext(one.label)) for one in Product]
        self.use_of_funds.choices = [(one.value, gettext(one.label)) for one in UseOfFunds]

    def validate_key_list_version(self, field: StringField) -> None:
        """A list is named, so that an auditor can look it up."""
        if self.on_key_list.data and not (field.data or "").strip():
            raise ValidationError(gettext("请写明名录名称与版本。"))

    def evidence(self) -> Evidence:
        """What was typed."""
        return Evidence(
            product=self.product.data, use_of_funds=self.use_of_funds.data, operates_in_city=bool(self.operates_in_city.data),
            on_key_list=bool(self.on_key_list.data), key_list_version=self.key_list_version.data or "",
            ip_certificate_no=self.ip_certificate_no.data or "", receivable_no=self.receivable_no.data or "",
            policy_tool=self.policy_tool.data or "", shared_by=self.shared_by.data or "",
            first_loan=bool(self.first_loan.data), not_dishonest=bool(self.not_dishonest.data),
            late_reason=self.late_reason.data or "", owner_id=self.owner_id.data or "",
        )


class ClaimForm(FlaskForm):
    """What the payee states of a loss beside the loan's own ledger; what it has paid out is asked of a guarantor alone."""

    paid_out = MoneyField(
        _l("已代偿的本金"), [Optional(), not_negative], unit=YUAN,
        description=_l("只填本金，扣除代偿后已收回的部分；不超过担保合同约定的比例。"))
    paid_out_on = DateField(_l("代偿日期"), [Optional()])

    guarantor_paid = MoneyField(
        _l("担保或保险已赔付的本金"), [Optional(), not_negative], unit=YUAN, description=_l("没有则填 0 或不填。"))
    collateral = MoneyField(_l("抵质押物处置已收回的本金"), [Optional(), not_negative], unit=YUAN)
    other_public = MoneyField(
        _l("其他财政性补偿"), [Optional(), not_negative], unit=YUAN, description=_l("例如区级叠加补偿；用于核对分担上限。"))
    statement = TextAreaField(
        _l("尽职与催收情况"), [InputRequired(_l("请简要写明尽职调查和催收情况。")), Length(max=2000)])
    idempotency_token = TokenField()

    def parts(self) -> LossParts:
        """What was typed."""
        return LossParts(
            self.guarantor_paid.data or 0, self.collateral.data or 0, self.other_public.data or 0, self.statement.data or "",
            self.paid_out.data or 0, self.paid_out_on.data,
        )


class PaperForm(FlaskForm):
    """A paper of a claim."""

    kind = SelectField(_l("材料种类"))
    file = FileField(_l("文件"), [FileRequired(_l("请选择文件。"))])
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind.choices = [(key, gettext(text)) for key, text in PAPER_NAMES.items()]


class DeductionForm(Form):
    """One deduction; an empty row is none."""

    kind = SelectField(_l("核减类别"), [Optional()])
    amount = MoneyField(_l("核减金额"), [Optional(), not_negative], unit=YUAN)
    reason = StringField(_l("核减理由"), [Optional(), Length(max=500)])

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind.choices = [("", gettext("请选择")), *((one.value, gettext(one.label)) for one in DeductionKind)]


class ApproveForm(FlaskForm):
    """The decision: the computed amount, or less by deductions that each have a reason."""

    deductions = FieldList(FormField(DeductionForm), min_entries=3, max_entries=12)
    reason = TextAreaField(_l("审定说明"), [Optional(), Length(max=1000)])
    may_wait = BooleanField(
        _l("资金不足时排队等候"), description=_l("不勾选时，资金不足就不能同意；勾选后按审定先后等候资金，公示照常进行。"))
    idempotency_token = TokenField()

    def listed(self) -> list[Deduction]:
        """The rows that were filled in. Raises ``Refusal(DEDUCTIONS_WRONG)`` for one that is half filled in."""
        rows = [row.form for row in self.deductions]
        begun = [row for row in rows if row.kind.data or row.amount.data or (row.reason.data or "").strip()]
        if any(not row.kind.data or not row.amount.data or not (row.reason.data or "").strip() for row in begun):
            raise Refusal(ErrorCode.DEDUCTIONS_WRONG)
        return [Deduction(DeductionKind(row.kind.data), row.amount.data, row.reason.data) for row in begun]


class ObjectionForm(FlaskForm):
    """An objection to a published compensation."""

    objector = StringField(_l("姓名或单位"), [InputRequired(_l("请填写姓名或单位。")), Length(max=100)])
    contact = StringField(_l("联系方式"), [InputRequired(_l("请填写电话或邮箱。")), Length(max=100)],
                          description=_l("只有金融局能看到，用于核实；加密保存。"))
    grounds = TextAreaField(_l("异议内容和理由"), [InputRequired(_l("请写明异议内容和理由。")), Length(max=2000)])
    idempotency_token = TokenField()


class ObjectionCodeForm(FlaskForm):
    """The code that was handed out with an objection."""

    code = StringField(_l("查询码"), [InputRequired(_l("请填写查询码。")), Length(max=40)])


class SampleForm(FlaskForm):
    """A draw among the claims in audit."""

    method = SelectField(_l("抽样方法"))
    size = IntegerField(_l("抽取件数"), [Optional(), NumberRange(1, 10_000)],
                        description=_l("不填则按办法参数的比例，向上取整。"))
    reason = StringField(_l("抽样说明"), [InputRequired(_l("请写明抽样说明。")), Length(max=500)])
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.method.choices = [(one.value, gettext(one.label)) for one in SampleMethod]


class PayForm(FlaskForm):
    """The payment."""

    voucher_no = StringField(_l("支付凭证号"), [InputRequired(_l("请填写支付凭证号。")), Length(max=80)])
    paid_on = DateField(_l("支付日期"), [InputRequired(_l("请填写支付日期。"))], default=today)
    idempotency_token = TokenField()


class RecoveryForm(FlaskForm):
    """Money recovered after payment."""

    recovered = MoneyField(_l("收回金额"), [InputRequired(_l("请填写收回金额。"))], unit=YUAN)
    cost = MoneyField(_l("合理的追偿费用"), [Optional(), not_negative], unit=YUAN)
    received_on = DateField(_l("到账日期"), [InputRequired(_l("请填写到账日期。"))], default=today)
    reference = StringField(_l("流水号"), [InputRequired(_l("请填写流水号。")), Length(max=80)])
    idempotency_token = TokenField()


class ReturnForm(FlaskForm):
    """Money that came back to the pool."""

    voucher_no = StringField(_l("收款凭证号"), [InputRequired(_l("请填写收款凭证号。")), Length(max=80)])
    returned_on = DateField(_l("到账日期"), [InputRequired(_l("请填写到账日期。"))], default=today)
    idempotency_token = TokenField()


_SHARE = NumberRange(Decimal("0.0001"), 1, message=_l("请填写 0 到 100% 之间的比例。"))


class DistrictForm(FlaskForm):
    """A district's own rule on topping up."""

    district = SelectField(_l("区"))
    name = StringField(_l("办法名称"), [InputRequired(_l("请填写办法名称。")), Length(max=200)])
    document_no = StringField(_l("文号"), [InputRequired(_l("请填写文号。")), Length(max=80)])
    ratio = PercentField(
        _l("政银：占净本金损失的比例"), [Optional(), _SHARE], description=_l("不叠加则不填；政银和政担至少填一项。"))
    guarantee_ratio = PercentField(
        _l("政担：占净本金损失的比例"), [Optional(), _SHARE], description=_l("减少担保机构自担的部分；不叠加则不填。"))
    valid_from = DateField(_l("生效日期"), [InputRequired(_l("请填写生效日期。"))])
    valid_to = DateField(_l("终止日期"), [InputRequired(_l("请填写终止日期。"))])
    idempotency_token = TokenField()
