"""Forms of the credit room."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, TextAreaField
from wtforms.validators import DataRequired, Length


class AskReviewForm(FlaskForm):
    """The firm says what it thinks is wrong."""

    message = TextAreaField(
        _l("哪里不准确，或希望我们解释什么？"),
        [DataRequired(_l("请写明哪里不准确。")), Length(max=2000, message=_l("请不要超过 2000 字。"))],
    )
    idempotency_token = HiddenField()


class AnswerReviewForm(FlaskForm):
    """The desk answers in writing."""

    answer = TextAreaField(
        _l("答复"), [DataRequired(_l("请写明答复。")), Length(max=4000, message=_l("请不要超过 4000 字。"))],
    )
    idempotency_token = HiddenField()


class WarningForm(FlaskForm):
    """What a bank does about a warning, or what a firm says of it."""

    words = TextAreaField(
        _l("说明"), [DataRequired(_l("请写明情况。")), Length(max=2000, message=_l("请不要超过 2000 字。"))],
    )
    idempotency_token = HiddenField()
