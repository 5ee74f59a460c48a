"""Forms of the model register."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import HiddenField, SelectField, TextAreaField
from wtforms.validators import DataRequired, Length

from app.credit.model_training import TrainingData
from app.evidence.forms import offers

DATA_NAMES = {TrainingData.SYNTHETIC.value: _l("合成企业（演示）"), TrainingData.REAL.value: _l("真实企业的脱敏数据")}


def _note() -> TextAreaField:
    return TextAreaField(
        _l("为什么要这个模型"),
        [DataRequired(_l("请写明为什么要这个模型。")), Length(max=1000, message=_l("请不要超过 1000 字。"))],
    )


class TrainForm(FlaskForm):
    """A training is asked for."""

    data = SelectField(_l("学习用的数据"), choices=offers(DATA_NAMES.items()))
    note = _note()
    idempotency_token = HiddenField()


class UploadModelForm(FlaskForm):
    """A model file from elsewhere."""

    file = FileField(_l("模型文件"), [FileRequired(_l("请选择文件。"))])
    note = _note()
    idempotency_token = HiddenField()
