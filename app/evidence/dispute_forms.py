"""Forms of disputes: what is wrong, and the answer."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import DateField, HiddenField, RadioField, SelectField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from app.core.ids import new_id
from app.evidence.dispute_rules import Outcome
from app.evidence.forms import offers


class DisputeForm(FlaskForm):
    """A firm says what is wrong. Choices are set by the view."""

    fact = SelectField(_l("哪一条"), [Optional()], validate_choice=False)
    provider = SelectField(_l("由谁核查"), [Optional()], validate_choice=False)
    claim = TextAreaField(_l("哪里不对"), [
        DataRequired(_l("请写明哪里不对。")), Length(max=2000, message=_l("请不要超过 2000 字。")),
    ])
    wanted = TextAreaField(_l("正确的应当是"), [Optional(), Length(max=500, message=_l("请不要超过 500 字。"))])
    file = FileField(_l("证明材料"), [Optional()])
    idempotency_token = HiddenField(default=lambda: str(new_id()))


class AnswerForm(FlaskForm):
    """A provider answers. Choices of deliveries are set by the view."""

    outcome = RadioField(_l("核查结果"), [InputRequired(_l("请选择核查结果。"))], choices=offers([
        (Outcome.CORRECTED.value, _l("资料有误，已更正或将更正")), (Outcome.UPHELD.value, _l("资料无误，维持不变")),
    ]))
    delivery = SelectField(_l("更正在哪一批"), [Optional()], validate_choice=False)
    deliver_by = DateField(_l("或者：最迟哪天交来更正"), [Optional()])
    answer = TextAreaField(_l("书面答复"), [
        DataRequired(_l("请写明答复。")), Length(max=4000, message=_l("请不要超过 4000 字。")),
    ])
    file = FileField(_l("材料"), [Optional()])
    idempotency_token = HiddenField(default=lambda: str(new_id()))
