"""Filters of a list: read from the address, applied to a statement, remembered from visit to visit.

What a visitor types never raises: a choice that is not offered, a bad number or a bad day counts as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from flask_babel import gettext
from sqlalchemy import Select

from app.core.formats import is_english
from app.core.money import WAN
from app.core.pages import Text

if TYPE_CHECKING:
    from app.core.tables import Table

FilterKind = Literal["choice", "choices", "text", "range", "money", "dates", "flag"]
Args = Mapping[str, str]

LONGEST_TYPED = 100
"""Characters of a typed filter that are read."""
REMEMBERED_TABLES = 10
"""Tables whose filters one session cookie keeps; a cookie has room for about 4,000 characters."""
REMEMBERED_LENGTH = 240
"""Characters of one table's filters that are kept; longer ones work but are not remembered."""


@dataclass(frozen=True)
class Range:
    """Both ends of a range filter, each of which may be open: 分, days, or Decimal."""

    low: Any = None
    high: Any = None


Choices = Sequence[tuple[str, Text]]


def fixed(choices: Callable[[], Choices]) -> Callable[[], Choices]:
    """Choices that depend on the language of the page alone: their words are looked up once for each."""
    spoken: dict[bool, Choices] = {}

    def told() -> Choices:
        english = is_english()
        found = spoken.get(english)
        if found is None:
            found = spoken[english] = tuple(choices())
        return found

    told.fixed = True  # type: ignore[attr-defined]
    return told


@dataclass(frozen=True)
class Filter:
    """One filter of a list. `apply(stmt, value)` returns the narrowed statement.

    The value is a str (`choice`, `text`), a tuple of str (`choices`), True (`flag`) or a `Range`: of Decimal
    (`range`), of 分 typed as 万元 (`money`) or of days (`dates`). `choices` may be a function.
    """

    key: str
    label: Text
    kind: FilterKind = "choice"
    choices: Choices | Callable[[], Choices] = ()
    apply: Callable[[Select[*tuple[Any, ...]], Any], Select[*tuple[Any, ...]]] = lambda stmt, value: stmt
    unit: Text = ""

    def options(self) -> Choices:
        """The choices offered now."""
        return self.choices() if callable(self.choices) else self.choices


@dataclass(frozen=True)
class FilterState:
    """A filter as it stands in a request: what was typed and what is applied (None when nothing is)."""

    key: str
    label: Text
    kind: FilterKind
    value: Any
    applied: Any
    choices: Choices = ()
    low: str = ""
    high: str = ""
    unit: Text = ""

    @property
    def summary(self) -> str:
        """The chosen words, the first two of them, for a filter that takes several."""
        chosen = [str(label) for value, label in self.choices if value in self.value]
        return str(gettext("、")).join(chosen[:2]) + (f" +{len(chosen) - 2}" if len(chosen) > 2 else "")


def _many(args: Args, key: str) -> list[str]:
    getlist = getattr(args, "getlist", None)
    if getlist is not None:
        return list(getlist(key))
    return [part for part in args.get(key, "").split(",") if part]


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip().replace(",", ""))
    except InvalidOperation:
        return None
    # Beyond any loan, and beyond what the database's integers hold.
    return number if number.is_finite() and abs(number) < 10**12 else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _bound(kind: FilterKind, text: str) -> Any:
    if kind == "dates":
        return _day(text)
    number = _number(text)
    return int(number * WAN) if number is not None and kind == "money" else number


def read_filter(spec: Filter, args: Args) -> FilterState:
    """What the request says about one filter; anything that is not among the choices counts as nothing."""
    options = spec.options()
    if spec.kind in ("range", "money", "dates"):
        low, high = (args.get(f"{spec.key}_{end}", "").strip()[:LONGEST_TYPED] for end in ("min", "max"))
        limits = Range(_bound(spec.kind, low), _bound(spec.kind, high))
        applied = None if limits == Range() else limits
        return FilterState(spec.key, spec.label, spec.kind, "", applied, low=low, high=high, unit=spec.unit)
    value: Any
    if spec.kind == "choices":
        known = {option for option, _ in options}
        value = tuple(chosen for chosen in _many(args, spec.key) if chosen in known)
    elif spec.kind == "flag":
        value = args.get(spec.key) == "1"
    else:
        value = args.get(spec.key, "").strip()[:LONGEST_TYPED]
        if spec.kind == "choice" and value not in {option for option, _ in options}:
            value = ""
    return FilterState(spec.key, spec.label, spec.kind, value, value or None, options, unit=spec.unit)


def in_address(state: FilterState) -> list[tuple[str, str]]:
    """The filter as it stands in an address."""
    if state.kind in ("range", "money", "dates"):
        ends = (("min", state.low), ("max", state.high))
        return [(f"{state.key}_{end}", text) for end, text in ends if text]
    if state.kind == "choices":
        return [(state.key, value) for value in state.value]
    if state.kind == "flag":
        return [(state.key, "1")] if state.value else []
    return [(state.key, state.value)] if state.value else []


def remembered(table: Table, args: Args, cookie: MutableMapping[str, Any]) -> Args:
    """The arguments of this visit, or those of the last visit to this list when the visit brings none.

    `cookie` is Flask's session: it ends with the sign-in, so nobody sees another person's filters. `?reset=1`
    forgets them.
    """
    before: dict[str, list[list[str]]] = cookie.get("lists", {})
    kept = dict(before)
    if "reset" in args:
        kept.pop(table.name, None)
        cookie["lists"] = kept
        return {}
    known = {"f", "sort", "dir", "size"} | {
        name for spec in table.filters for name in (spec.key, f"{spec.key}_min", f"{spec.key}_max")
    }
    if not known & set(args):
        return _Remembered(kept.get(table.name, []), args)
    pairs = [[key, value] for key in sorted(known - {"f"}) for value in _many(args, key) if value]
    kept.pop(table.name, None)
    if pairs and len(urlencode([(key, value) for key, value in pairs])) <= REMEMBERED_LENGTH:
        kept[table.name] = pairs
    kept = dict(list(kept.items())[-REMEMBERED_TABLES:])
    if list(kept.items()) != list(before.items()):  # a cookie that stays as it is is not signed anew
        cookie["lists"] = kept
    return _Remembered([(key, value) for key in args for value in _many(args, key)], args)


class _Remembered(dict[str, str]):
    """Arguments with several values per key, as Werkzeug's own mapping has them; that one makes an error of each key that is
    not there, and most are not."""

    def __init__(self, pairs: Iterable[Sequence[str]], visit: Args) -> None:
        self.pairs = tuple((key, value) for key, value in pairs)
        super().__init__(dict(reversed(self.pairs)) | dict(visit.items()))

    def getlist(self, key: str) -> list[str]:
        """All values of a key."""
        return [value for name, value in self.pairs if name == key]
