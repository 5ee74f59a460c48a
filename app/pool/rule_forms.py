"""The form of an edition of the rule: a field a parameter, made from the type of ``RuleSet``'s own field."""

from __future__ import annotations

import dataclasses
import re
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, IntegerField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.core.money import WAN
from app.market.fields import MoneyField, PercentField, TokenField
from app.market.forms import CheckboxesField
from app.pool.rule_fields import GROUPS, NAMES, word
from app.pool.ruleset import RuleSet, Tier

TIERS = 5
"""Brackets that the form has room for."""
_HINTS = get_type_hints(RuleSet)
_COMMA = re.compile(r"[\s,，、;；]+")


def _optional(hint: Any) -> tuple[Any, bool]:
    """The type of a field, and whether it may be left empty."""
    if get_origin(hint) in (UnionType, Union):
        return next(arg for arg in get_args(hint) if arg is not type(None)), True
    return hint, False


class ListField(StringField):
    """Several words or whole numbers with commas between them; ``data`` is a tuple."""

    def __init__(self, label: Any = None, validators: Any = None, item: type = str, **options: Any) -> None:
        self.item = item
        super().__init__(label, validators, **options)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Reads what was typed. Raises ``ValueError`` with a sentence where it is no such list."""
        words = [one for one in _COMMA.split(valuelist[0].strip() if valuelist else "") if one]
        try:
            self.data = tuple(self.item(one) for one in words)
        except ValueError:
            raise ValueError(gettext("请填写整数，用逗号分开。")) from None

    def _value(self) -> str:
        return gettext("、").join(str(one) for one in self.data or ())


class RuleForm(FlaskForm):
    """Every parameter of an edition, and why it is proposed. The fields are added below, by ``NAMES``."""

    reason = TextAreaField(
        _l("为什么这样改"), [DataRequired(_l("请写明为什么这样改。")), Length(max=1000, message=_l("请不要超过 1000 字。"))],
    )
    idempotency_token = TokenField()

    def __init__(self, base: RuleSet, **options: Any) -> None:
        given: dict[str, Any] = {name: getattr(base, name) for name in NAMES if name != "tiers"}
        for number, tier in enumerate(base.tiers[:TIERS], 1):
            given |= {f"tier_{number}_up_to": tier.up_to_fen, f"tier_{number}_ratio": tier.ratio}
        super().__init__(data=given, **options)
        for name in NAMES:
            kind, _ = _optional(_HINTS[name])
            inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
            if name != "tiers" and isinstance(inner, type) and issubclass(inner, StrEnum):
                self[name].choices = [(one.value, word(one)) for one in inner]

    def fields_of(self, name: str) -> list[Any]:
        """The fields that make up one parameter: one, or two a bracket."""
        if name != "tiers":
            return [self[name]]
        return [self[f"tier_{number}_{part}"] for number in range(1, TIERS + 1) for part in ("up_to", "ratio")]

    def rules(self) -> RuleSet:
        """What was typed. Raises ``ValueError`` where it contradicts itself."""
        values: dict[str, Any] = {name: self._value(name) for name in NAMES if name != "tiers"}
        pairs = [(self[f"tier_{number}_up_to"].data, self[f"tier_{number}_ratio"].data) for number in range(1, TIERS + 1)]
        if any((up_to is None) != (ratio is None) for up_to, ratio in pairs):
            raise ValueError("a tier has an amount and a ratio")
        tiers = tuple(Tier(up_to, ratio) for up_to, ratio in pairs if up_to is not None and ratio is not None)
        return RuleSet(**values, tiers=tiers)

    def _value(self, name: str) -> Any:
        kind, empty = _optional(_HINTS[name])
        data = self[name].data
        if get_origin(kind) is tuple:
            item = get_args(kind)[0]
            return tuple(item(one) for one in data or ())
        if kind is str:
            return (data or "").strip()
        if data is None and not empty:
            raise ValueError(f"{name} is missing")
        return kind(data) if isinstance(kind, type) and issubclass(kind, StrEnum) else data

    def validate_reason(self, field: TextAreaField) -> None:
        """The last field answers for all parameters together."""
        if any(errors for name, errors in self.errors.items() if name != "reason"):
            return
        try:
            self.rules()
        except ValueError:
            raise ValidationError(gettext(
                "这些参数互相矛盾：失效日不早于施行日，分档从小到大且金额和比例成对填写，"
                "比例在 0 到 100% 之间，政担预算不超过总预算。"
            )) from None


def _field(name: str) -> Any:
    kind, empty = _optional(_HINTS[name])
    must = [Optional() if empty else InputRequired(_l("请填写。"))]
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        if issubclass(item, StrEnum):
            return CheckboxesField(NAMES[name], [Optional()])
        return ListField(NAMES[name], [Optional()], item=item, description=_l("用逗号分开；没有则不填。"))
    if kind is bool:
        return BooleanField(NAMES[name])
    if kind is date:
        return DateField(NAMES[name], must)
    if kind is Decimal:
        return PercentField(NAMES[name], must)
    if kind is int:
        if name.endswith("_fen"):
            return MoneyField(NAMES[name], must, unit=WAN)
        return IntegerField(NAMES[name], [*must, NumberRange(0, 10_000)])
    if issubclass(kind, StrEnum):
        return SelectField(NAMES[name], must)
    return StringField(NAMES[name], [Length(max=200)] if name == "document_no" else [*must, Length(max=200)])


def unit_of(name: str) -> str:
    """What stands behind a field."""
    if name.endswith(("_fen", "_up_to")):
        return gettext("万元")
    kind = Decimal if name.startswith("tier_") and name.endswith("_ratio") else _optional(_HINTS[name])[0]
    return "%" if kind is Decimal else ""


_GROUPED = {name for _, names in GROUPS for name in names}
assert _GROUPED == set(NAMES) == {field.name for field in dataclasses.fields(RuleSet)}, "a field of the rule has no place"
for _name in NAMES:
    if _name != "tiers":
        setattr(RuleForm, _name, _field(_name))
for _number in range(1, TIERS + 1):
    _up_to = MoneyField(_l("第 %(number)s 档：贷款金额不超过", number=_number), [Optional()], unit=WAN)
    setattr(RuleForm, f"tier_{_number}_up_to", _up_to)
    setattr(RuleForm, f"tier_{_number}_ratio", PercentField(_l("第 %(number)s 档：基本比例", number=_number), [Optional()]))
