"""Forms of step 0."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms import BooleanField, DateField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from app.bridge.ask_rules import REASONS
from app.bridge.ask_service import OldLoan
from app.bridge.forms import FILL_AMOUNT, FILL_DAY, StepForm
from app.core.calendar import today
from app.core.money import WAN
from app.identity.forms import offers
from app.market.fields import MoneyField

ANSWERS = (("yes", _l("同意无还本续贷")), ("no", _l("不同意")))
CHOOSE = _l("请选择银行的答复。")


def _reasons() -> Any:
    return offers([("", _l("（请选择）")), *((code, _l(text)) for code, text in REASONS.items())])


class OldLoanForm(StepForm):
    """The loan that falls due; typed only where it is not on the portal."""

    bank = SelectField(_l("原贷款银行"), [InputRequired(_l("请选择银行。"))])
    note_no = StringField(_l("借据号"), [InputRequired(_l("请填写借据号。")), Length(max=80)])
    due = MoneyField(_l("到期本金"), [InputRequired(FILL_AMOUNT)], unit=WAN)
    due_on = DateField(_l("到期日"), [InputRequired(FILL_DAY)])
    working_capital = BooleanField(_l("这是流动资金贷款"), default=True)
    note = TextAreaField(_l("说明"), [Optional(), Length(max=500)])

    def __init__(self, banks: list[tuple[str, str]], *args: Any, fixed: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.bank.choices = offers(banks)
        if fixed:
            for name in ("bank", "note_no", "due", "due_on"):
                delattr(self, name)

    def old_loan(self, loan_id: UUID | None) -> OldLoan:
        """What was typed, or the loan of the portal."""
        if loan_id is not None:
            return OldLoan(loan_id, working_capital=bool(self.working_capital.data))
        return OldLoan(None, UUID(self.bank.data), self.note_no.data or "", self.due.data, self.due_on.data,
                       bool(self.working_capital.data))


class AskForm(OldLoanForm):
    """The firm asks; a word to the bank may go with it."""

    note = TextAreaField(_l("给银行的说明"), [Optional(), Length(max=500)],
                         description=_l("例如经营情况、为什么需要续贷、希望续多久。"))


class StateForm(OldLoanForm):
    """What a bank outside the portal has answered, with its paper."""

    asked_on = DateField(_l("向银行申请的日期"), [InputRequired(FILL_DAY)], default=today)
    granted = RadioField(_l("银行的答复"), [InputRequired(CHOOSE)], choices=offers(ANSWERS))
    reason = SelectField(_l("不同意的理由"), [Optional()])
    file = FileField(_l("银行的书面答复"), description=_l("PDF、PNG 或 JPG，最大 20 MB。转贷中心预审时会看。"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.reason.choices = _reasons()

    def validate_file(self, field: Any) -> None:
        """Without a paper nobody can check what the bank is said to have answered."""
        if not field.data or not field.data.filename:
            raise ValidationError(gettext("请上传银行的书面答复。"))


class AnswerForm(StepForm):
    """The bank's answer."""

    granted = RadioField(_l("答复"), [InputRequired(CHOOSE)], choices=offers(ANSWERS))
    reason = SelectField(_l("不同意的理由"), [Optional()])
    note = TextAreaField(_l("补充说明"), [Optional(), Length(max=500)], description=_l("企业会看到；选“其他”时必须写明。"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.reason.choices = _reasons()
