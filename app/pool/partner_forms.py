"""Forms of agreements with partners."""

from __future__ import annotations

from decimal import Decimal

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import DateField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from app.core.calendar import today
from app.core.web import filled
from app.market.fields import PercentField, TokenField
from app.pool.partner_service import AgreementTerms


class AgreementForm(FlaskForm):
    """A partner's agreement with the city."""

    partner = SelectField(_l("合作机构"))
    document_no = StringField(_l("协议编号"), [InputRequired(_l("请填写协议编号。")), Length(max=80)])
    valid_from = DateField(_l("生效日期"), [InputRequired(_l("请填写生效日期。"))])
    valid_to = DateField(_l("终止日期"), [Optional()], description=_l("没有约定终止日期可以不填。"))
    own_share = PercentField(
        _l("合作方自担比例（至少）"), [Optional(), NumberRange(Decimal(0), 1, message=_l("请填写 0 到 100% 之间的比例。"))],
        description=_l("协议约定合作方自己至少承担损失的多少；担保合同低于它的贷款不能入库。没有约定可以不填。"))
    partner_signer = StringField(_l("合作方签署人"), [InputRequired(_l("请填写合作方签署人。")), Length(max=100)])
    city_signer = StringField(_l("市方签署人"), [InputRequired(_l("请填写市方签署人。")), Length(max=100)])
    signed_on = DateField(_l("签署日期"), [InputRequired(_l("请填写签署日期。"))], default=today)
    idempotency_token = TokenField()

    def terms(self) -> AgreementTerms:
        """What was typed."""
        return AgreementTerms(
            self.document_no.data or "", filled(self.valid_from.data), self.valid_to.data, self.partner_signer.data or "",
            self.city_signer.data or "", filled(self.signed_on.data), self.own_share.data,
        )


class EndForm(FlaskForm):
    """An agreement ended before its time."""

    last_day = DateField(_l("最后一天"), [InputRequired(_l("请填写最后一天。"))], default=today,
                         description=_l("这一天以后放款的贷款不能入库；以前入库的贷款不受影响。"))
    reason = StringField(_l("原因"), [InputRequired(_l("请填写原因。")), Length(max=500)])
    idempotency_token = TokenField()
