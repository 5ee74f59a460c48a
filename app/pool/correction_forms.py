"""The form of a correction."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from app.core.money import YUAN
from app.core.web import filled
from app.market.fields import MoneyField, TokenField
from app.pool.correction_service import Facts


class CorrectionForm(FlaskForm):
    """What a paid claim should have been computed from."""

    loss = MoneyField(_l("更正后的净本金损失"), [InputRequired(_l("请填写金额。"))], unit=YUAN)
    on_key_list = BooleanField(_l("放款时在重点支持名录内"))
    ip_pledge = BooleanField(_l("知识产权质押"))
    policy_tool = BooleanField(_l("使用货币政策工具"))
    other_public = MoneyField(_l("其他财政性补偿"), [Optional()], unit=YUAN)
    worth = MoneyField(
        _l("应补偿总额"), [Optional()], unit=YUAN, description=_l("不填则按公式计算；少于公式金额时在理由里写明。"))
    reason = TextAreaField(_l("理由和依据"), [InputRequired(_l("请写明理由和依据。")), Length(max=1000)])
    idempotency_token = TokenField()

    def facts(self) -> Facts:
        """What was typed."""
        return Facts(
            filled(self.loss.data), bool(self.on_key_list.data), bool(self.ip_pledge.data), bool(self.policy_tool.data),
            self.other_public.data or 0, self.worth.data,
        )
