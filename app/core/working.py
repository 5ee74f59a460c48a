"""How a rule shows its work: lines of a computation and problems with an input, as data that a page can
translate.

Rules know no framework, so they hand out Chinese message ids with parameters; a view calls
``gettext(line.message, **line.shown)``. The ending of a parameter's name says what it is: ``…_fen`` an amount
in fen (shown in yuan), ``…_ratio`` a fraction (shown in per cent), ``…_label`` is itself a message id
(translate it with ``shown(line.params, gettext)``), anything else is shown as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.core.money import yuan_text

Value = int | str | Decimal | date
Params = Mapping[str, Value]


def N_(message: str) -> str:
    """Mark a Chinese sentence for the catalogues without translating it here."""
    return message


def percent_text(ratio: Decimal) -> str:
    """A fraction as per cent with at most four decimals and no trailing zeros: ``0.00066`` is ``0.066%``."""
    text = f"{ratio * 100:.4f}".rstrip("0").rstrip(".")
    return f"{'0' if text == '-0' else text}%"


def shown(params: Params, translate: Callable[[str], str] = str) -> dict[str, str]:
    """Parameters as text, by the ending of their names (see the module's docstring)."""
    return {name: _text(name, value, translate) for name, value in params.items()}


def _text(name: str, value: Value, translate: Callable[[str], str]) -> str:
    if name.endswith("_label"):
        return translate(str(value))
    if name.endswith("_fen") and isinstance(value, int):
        return yuan_text(value)
    if name.endswith("_ratio") and isinstance(value, Decimal):
        return percent_text(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


@dataclass(frozen=True, slots=True)
class WorkingLine:
    """One line of a computation: what was done, with which numbers, and what came out."""

    code: str
    message: str
    params: Params = dataclasses.field(default_factory=dict)
    amount_fen: int | None = None
    ratio: Decimal | None = None

    @property
    def shown(self) -> dict[str, str]:
        """The parameters as text for the message."""
        return shown(self.params)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with an input: the field it belongs to, a code, and a sentence that says how to mend
    it."""

    field: str
    code: str
    message: str
    params: Params = dataclasses.field(default_factory=dict)

    @property
    def shown(self) -> dict[str, str]:
        """The parameters as text for the message."""
        return shown(self.params)


@dataclass(frozen=True, slots=True)
class Check:
    """One question a rule asks, and its answer. Passed checks are kept too: a page shows all of them."""

    code: str
    passed: bool
    message: str
    params: Params = dataclasses.field(default_factory=dict)

    @property
    def shown(self) -> dict[str, str]:
        """The parameters as text for the message."""
        return shown(self.params)
