"""Forms of guarantors' contracts on loans (政担)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from app.core.calendar import today
from app.core.web import filled
from app.market.fields import PercentField, TokenField
from app.pool.guarantee_service import GuaranteeTerms
from app.pool.judging import Evidence
from app.pool.rules import Product, UseOfFunds

_SHARE = NumberRange(Decimal("0.0001"), 1, message=_l("请填写 0 到 100% 之间的比例。"))


class GuaranteeForm(FlaskForm):
    """A guarantor's contract on a drawn loan, and what the bank adds for the booking."""

    guarantor = SelectField(_l("担保机构"), [InputRequired(_l("请选择担保机构。"))])
    contract_no = StringField(_l("担保合同编号"), [InputRequired(_l("请填写担保合同编号。")), Length(max=100)])
    signed_on = DateField(_l("签署日期"), [InputRequired(_l("请填写签署日期。"))])
    liability_share = PercentField(
        _l("担保机构承担的本金比例"), [InputRequired(_l("请填写比例。")), _SHARE],
        description=_l("担保合同约定代偿的比例，例如 80%；其余由银行自担。"))
    reguarantor = StringField(_l("再担保机构"), [Optional(), Length(max=200)], description=_l("没有再担保则不填。"))
    reguarantee_share = PercentField(
        _l("再担保分担的本金比例"), [Optional(), _SHARE], description=_l("占贷款本金的比例，例如 20%；没有再担保则不填。"))
    owner_id = SelectField(
        _l("借款人"), default="",
        description=_l("企业主本人借款、用于企业经营的，选择登记过的企业主；贷款记在企业名下。"))
    use_of_funds = SelectField(_l("资金用途"))
    operates_in_city = BooleanField(_l("借款人在广州市实际经营"))
    on_key_list = BooleanField(_l("放款时在重点支持名录内"))
    key_list_version = StringField(_l("名录名称与版本"), [Length(max=100)], description=_l("在名录内时必须写明，供审核核对。"))
    first_loan = BooleanField(_l("首贷"))
    not_dishonest = BooleanField(_l("已查询：放款时借款人不在严重失信主体名单上"))
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.owner_id.choices = [("", gettext("企业本身"))]
        self.use_of_funds.choices = [(one.value, gettext(one.label)) for one in UseOfFunds]

    def validate_key_list_version(self, field: StringField) -> None:
        """A list is named, so that an auditor can look it up."""
        if self.on_key_list.data and not (field.data or "").strip():
            raise ValidationError(gettext("请写明名录名称与版本。"))

    def validate_signed_on(self, field: DateField) -> None:
        """A contract is signed before it is told."""
        if field.data is not None and field.data > today():
            raise ValidationError(gettext("日期不能晚于今天。"))

    def terms(self) -> GuaranteeTerms:
        """The contract as typed."""
        return GuaranteeTerms(
            UUID(self.guarantor.data), self.contract_no.data or "", filled(self.signed_on.data),
            filled(self.liability_share.data), self.reguarantor.data or "", self.reguarantee_share.data or Decimal(0),
        )

    def evidence(self) -> Evidence:
        """What was typed for the booking."""
        return Evidence(
            product=Product.GUARANTEED.value, use_of_funds=self.use_of_funds.data,
            operates_in_city=bool(self.operates_in_city.data), on_key_list=bool(self.on_key_list.data),
            key_list_version=self.key_list_version.data or "", first_loan=bool(self.first_loan.data),
            not_dishonest=bool(self.not_dishonest.data), owner_id=self.owner_id.data or "",
        )


class BookGuaranteedForm(FlaskForm):
    """The guarantor's yes."""

    late_reason = TextAreaField(
        _l("逾期报送的原因"), [Optional(), Length(max=500)], description=_l("放款超过入库期限时填写，由金融局决定是否同意补报。"))
    idempotency_token = TokenField()
