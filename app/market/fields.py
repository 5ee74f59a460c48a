"""Form fields of the market: money in 分 typed as 万元 or 元, rates as fractions typed in per cent, sentences of the rules."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from flask_babel import gettext
from wtforms import Form, HiddenField, StringField, TextAreaField

from app.core.ids import new_id
from app.core.money import EXACT, WAN, YUAN, fen_from_yuan
from app.core.working import Problem, shown
from app.market.terms import PlanRow

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def ids_of(values: Iterable[str]) -> list[UUID]:
    """The ids among what a form sent. Whoever wrote anything else wrote the request by hand, and has named nothing."""
    return [UUID(value) for value in values if _ID.fullmatch(value)]


class TokenField(HiddenField):
    """The idempotency token: made with the page, kept when the page comes back with errors."""

    def __init__(self, **options: Any) -> None:
        super().__init__("", default=lambda: str(new_id()), **options)


class MoneyField(StringField):
    """An amount; ``data`` is 分. ``unit`` is the 分 of the unit people type in: ``WAN`` or ``YUAN``."""

    def __init__(self, label: Any = None, validators: Any = None, unit: int = YUAN, **options: Any) -> None:
        self.unit = unit
        self.typed: str | None = None
        super().__init__(label, validators, **options)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Reads what was typed. Raises ``ValueError`` with a sentence where it is no amount."""
        self.data = None
        self.typed = valuelist[0].strip() if valuelist else ""
        if not self.typed:
            return
        try:
            units = fen_from_yuan(self.typed.removesuffix("万元").removesuffix("万") if self.unit == WAN else self.typed)
        except ValueError:
            raise ValueError(gettext("请填写数字，最多两位小数，例如 300 或 1,200.50。")) from None
        self.data = units * (self.unit // YUAN)

    def _value(self) -> str:
        if self.typed is not None:
            return self.typed
        return "" if self.data is None else f"{EXACT.divide(Decimal(self.data), Decimal(self.unit)).normalize():f}"


class PercentField(StringField):
    """A rate; ``data`` is a fraction per year, typed in per cent."""

    typed: str | None = None

    def process_formdata(self, valuelist: list[str]) -> None:
        """Reads what was typed. Raises ``ValueError`` with a sentence where it is no rate."""
        self.data = None
        self.typed = valuelist[0].strip() if valuelist else ""
        if not self.typed:
            return
        try:
            percent = Decimal(self.typed.removesuffix("%").strip())
        except InvalidOperation:
            raise ValueError(gettext("请填写百分数，例如 3.85。")) from None
        if not percent.is_finite() or abs(percent) >= 1000 or percent != round(percent, 4):
            raise ValueError(gettext("请填写百分数，最多四位小数，例如 3.85。"))
        self.data = percent / 100

    def _value(self) -> str:
        if self.typed is not None:
            return self.typed
        return "" if self.data is None else f"{(self.data * 100).normalize():f}"


_PLAN_LINE = re.compile(r"第?\s*(\d{1,3})\s*(?:个月|月|months?)?\s*[\s,，;；:：]\s*(\S.*)", re.IGNORECASE)


class PlanField(TextAreaField):
    """A plan of repayments, typed or pasted from a sheet: a line each with the month and 元 (or 万元, where it says so).

    ``data`` is a tuple of ``PlanRow``.
    """

    typed: str | None = None
    data: tuple[PlanRow, ...] | None

    def process_formdata(self, valuelist: list[str]) -> None:
        """Reads what was typed, empty lines apart. Raises ``ValueError`` with a sentence that names the line."""
        self.data = ()
        self.typed = valuelist[0] if valuelist else ""
        rows = []
        for number, line in enumerate(self.typed.splitlines(), start=1):
            if line.strip():
                rows.append(self._row(number, unicodedata.normalize("NFKC", line).strip()))
        self.data = tuple(rows)

    @staticmethod
    def _row(number: int, line: str) -> PlanRow:
        found = _PLAN_LINE.fullmatch(line)
        try:
            if found is None:
                raise ValueError(line)
            text = found.group(2).strip()
            wan = text.endswith(("万元", "万"))
            fen = fen_from_yuan(text.removesuffix("元").removesuffix("万")) * (WAN // YUAN if wan else 1)
        except ValueError:
            sentence = gettext("第 %(number)s 行读不懂，请写月份和金额，例如 6 500000。", number=number)
            raise ValueError(sentence) from None
        return PlanRow(int(found.group(1)), fen)

    def _value(self) -> str:
        if self.typed is not None:
            return self.typed
        return "\n".join(f"{row.month} {EXACT.divide(Decimal(row.principal_fen), Decimal(YUAN)):f}" for row in self.data or ())


def put_problems(form: Form, problems: Iterable[Problem]) -> bool:
    """Puts each sentence of a rule at its field, or above the form. ``True`` where there was none."""
    clean = True
    for problem in problems:
        clean = False
        sentence = gettext(problem.message, **shown(problem.params, gettext))
        field = form._fields.get(problem.field)
        if field is None:
            form.form_errors.append(sentence)
        elif sentence not in field.errors:
            field.errors = [*field.errors, sentence]
    return clean
