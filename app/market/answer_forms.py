"""The form with which a firm answers questions of banks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import RadioField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from app.market.fields import TokenField
from app.market.forms import CheckboxesField


class AnswerForm(FlaskForm):
    """One answer to several questions, with at most one paper."""

    idempotency_token = TokenField()
    questions = CheckboxesField(_l("答复哪些提问"), [InputRequired(_l("请勾选要答复的提问。"))])
    text = TextAreaField(
        _l("答复"),
        [InputRequired(_l("请写明答复。")), Length(max=1000)],
        description=_l("请不要写企业名称和个人信息，除非您愿意让银行知道。"),
    )
    file = FileField(_l("材料"), [Optional()], description=_l("数据不能代替时才需要；PDF、PNG 或 JPG，最大 20 MB。"))
    audience = RadioField(_l("谁能看到"), default="all")
    banks = CheckboxesField(_l("指定的银行"), [Optional()], description=_l("提问的银行总能看到答复。"))

    def __init__(self, asked: list[tuple[UUID, str]], banks: list[tuple[UUID, str]], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.questions.choices = [(str(key), text) for key, text in asked]
        self.banks.choices = [(str(key), name) for key, name in banks]
        self.audience.choices = [("all", gettext("收到这份需求的所有银行")), ("named", gettext("只给提问的和我指定的银行"))]

    def chosen(self) -> list[UUID]:
        """The questions that were ticked."""
        return [UUID(key) for key in self.questions.data or []]

    def named(self) -> list[UUID] | None:
        """The banks named, or ``None`` for all."""
        return [UUID(key) for key in self.banks.data or []] if self.audience.data == "named" else None
