"""Forms of collateral that moves with a transfer to another bank, and of its guarantor."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import DateField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from app.bridge.collateral_rules import KINDS
from app.bridge.forms import FILL_AMOUNT, FILL_DAY, StepForm
from app.core.calendar import today
from app.core.money import WAN
from app.identity.forms import offers
from app.market.fields import MoneyField
from app.market.forms import named


class EnterForm(StepForm):
    """A security as the old contract names it."""

    kind = SelectField(_l("担保物种类"), [InputRequired()])
    what = StringField(_l("担保物"), [InputRequired(_l("请填写担保物。")), Length(max=200)],
                       description=_l("例如房产坐落、设备名称和编号。"))
    registration_no = StringField(_l("原登记证明号"), [InputRequired(_l("请填写登记证明号。")), Length(max=80)])

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind.choices = offers(named(KINDS))


class AskForm(StepForm):
    """Whom the centre asks to stand for the bridge, and for how much."""

    guarantor = SelectField(_l("担保机构"), [InputRequired(_l("请选择担保机构。"))])
    cover = MoneyField(_l("担保金额"), [InputRequired(FILL_AMOUNT)], unit=WAN, description=_l("不少于转贷金额。"))

    def __init__(self, guarantors: list[tuple[str, str]], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.guarantor.choices = offers(guarantors)


class ReleaseForm(StepForm):
    """What the old bank's officer holds in hand."""

    released_on = DateField(_l("解除登记日期"), [InputRequired(FILL_DAY)], default=today)
    release_reference = StringField(_l("注销（解除）登记文号"), [InputRequired(_l("请填写文号。")), Length(max=80)])


class RegisterForm(StepForm):
    """What the new bank's officer holds in hand."""

    registered_on = DateField(_l("新登记日期"), [InputRequired(FILL_DAY)], default=today)
    new_registration_no = StringField(_l("新登记证明号"), [InputRequired(_l("请填写登记证明号。")), Length(max=80)])


class ConfirmForm(StepForm):
    """The guarantor's contract."""

    contract_no = StringField(_l("保证合同号"), [InputRequired(_l("请填写合同号。")), Length(max=80)])
