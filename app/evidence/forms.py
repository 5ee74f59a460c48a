"""Forms of the evidence room: shape and plausibility of what is typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import HiddenField, IntegerField, RadioField, SelectMultipleField
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired, NumberRange
from wtforms.widgets import CheckboxInput, ListWidget

from app.core.ids import new_id
from app.core.pages import Text
from app.evidence.rules import CONSENT, PURCHASE, SALE


def offers(pairs: Iterable[tuple[str, Text]]) -> list[SelectChoice]:
    """Choices of a field from (value, label)."""
    return [SelectChoice(value, label) for value, label in pairs]


class Checkboxes(SelectMultipleField):
    """Several choices as boxes to tick."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class UploadForm(FlaskForm):
    """A file of one item. Its choices are what the provider delivers; the side is asked of invoices alone."""

    item = RadioField(_l("是哪一种资料"), [InputRequired(_l("请选择资料。"))])
    file = FileField(_l("数据文件"), [FileRequired(_l("请选择文件。"))])
    side = RadioField(_l("进销方向（仅发票需要）"), default="", choices=offers([
        ("", _l("文件里有“进销方向”一列，或文件名已写明")),
        (str(PURCHASE), _l("全部是进项发票")), (str(SALE), _l("全部是销项发票")),
    ]))
    idempotency_token = HiddenField(default=lambda: str(new_id()))

    def offer(self, items: Mapping[str, str]) -> None:
        """Sets the items to choose from, code → name; a single one is chosen already."""
        self.item.choices = offers(items.items())
        if len(items) == 1 and not self.item.data:
            self.item.data = next(iter(items))
            self.item.raw_data = [self.item.data]


class ConsentForm(FlaskForm):
    """What the firm lets be read, by whom, for how long. Choices are set by the view."""

    items = Checkboxes(_l("授权哪些资料"), [InputRequired(_l("请至少选择一项资料。"))])
    receivers = Checkboxes(_l("提供给谁"), [InputRequired(_l("请至少选择一个接收方。"))])
    days = IntegerField(_l("有效期"), [
        InputRequired(_l("请填写天数。")),
        NumberRange(CONSENT.shortest_days, CONSENT.longest_days, _l("有效期最短 %(low)s 天，最长 %(high)s 天。",
                                                                    low=CONSENT.shortest_days, high=CONSENT.longest_days)),
    ], default=CONSENT.default_days)
    idempotency_token = HiddenField(default=lambda: str(new_id()))
