"""List tables: what a list shows, and how it is sorted, filtered, paged and remembered on the server.

A room describes a `Table` once and calls `load` with its already limited select. Exactly two statements run, a count
and one page of rows; the order always ends in the primary key, so no row is shown twice or skipped between pages.
What a visitor types into the address never raises: an unknown sort, an impossible page or a bad number is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from math import ceil
from typing import Any, Literal
from urllib.parse import urlencode

from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.core.exports import EXPORT_LIMIT as EXPORT_LIMIT, export_xlsx as export_xlsx, wants_export as wants_export
from app.core.formats import NOTHING, count_text, date_text, datetime_text, money_text, rate_text
from app.core.money import WAN
from app.core.pages import Text

Kind = Literal["text", "money", "rate", "date", "datetime", "count"]
FilterKind = Literal["choice", "choices", "text", "range", "money", "dates", "flag"]
Args = Mapping[str, str]

PAGE_SIZES = (20, 50, 100)
"""The page sizes a visitor may ask for; anything else falls back to the table's own."""
LONGEST_TYPED = 100
"""Characters of a typed filter that are read."""
REMEMBERED_TABLES = 10
"""Tables whose filters one session cookie keeps; a cookie has room for about 4,000 characters."""
REMEMBERED_LENGTH = 240
"""Characters of one table's filters that are kept; longer ones work but are not remembered."""

_RIGHT: frozenset[Kind] = frozenset({"money", "rate", "count"})
_SHOW: dict[Kind, Callable[[Any], str]] = {
    "money": money_text,
    "rate": rate_text,
    "date": date_text,
    "datetime": datetime_text,
    "count": count_text,
    "text": lambda value: NOTHING if value is None or value == "" else str(value),
}


@dataclass(frozen=True)
class Column:
    """One column. Without `render` the row's attribute `key` is shown as its `kind` says (money is in 分).

    `expr` is what SQL sorts by (default: the selected column named `key`); `sub` is the grey second line of a cell;
    `export` gives the value for XLSX where it differs (money in 分 again, when the kind is money).
    """

    key: str
    label: Text
    expr: Any = None
    sortable: bool = True
    align: Literal["left", "right"] = "left"
    render: Callable[[Any], str | Markup] | None = None
    export: Callable[[Any], Any] | None = None
    hide_small: bool = False
    kind: Kind = "text"
    sub: Callable[[Any], str | Markup] | None = None

    @property
    def right(self) -> bool:
        """Whether the column stands at the right edge, as numbers do."""
        return self.align == "right" or self.kind in _RIGHT

    def value(self, row: Any) -> Any:
        """The raw value for XLSX."""
        return self.export(row) if self.export is not None else getattr(row, self.key, None)

    def show(self, row: Any) -> str | Markup:
        """What stands in the cell on a page."""
        if self.render is not None:
            return self.render(row)
        return _SHOW[self.kind](getattr(row, self.key, None))


@dataclass(frozen=True)
class Range:
    """Both ends of a range filter, each of which may be open. Money is in 分, days are dates, else Decimal."""

    low: Any = None
    high: Any = None


Choices = Sequence[tuple[str, Text]]


@dataclass(frozen=True)
class Filter:
    """One filter of a list. `apply(stmt, value)` returns the narrowed statement.

    The value is a str (`choice`, `text`), a tuple of str (`choices`), True (`flag`) or a `Range`: of Decimal
    (`range`), of 分 typed as 万元 (`money`) or of days (`dates`). `choices` may be a function, asked on each request.
    """

    key: str
    label: Text
    kind: FilterKind = "choice"
    choices: Choices | Callable[[], Choices] = ()
    apply: Callable[[Select[Any], Any], Select[Any]] = lambda stmt, value: stmt
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
        return "、".join(chosen[:2]) + (f" +{len(chosen) - 2}" if len(chosen) > 2 else "")


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


def _read_filter(spec: Filter, args: Args) -> FilterState:
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


def _arguments(state: FilterState) -> list[tuple[str, str]]:
    """The filter as it stands in an address."""
    if state.kind in ("range", "money", "dates"):
        return [(f"{state.key}_{end}", text) for end, text in (("min", state.low), ("max", state.high)) if text]
    if state.kind == "choices":
        return [(state.key, value) for value in state.value]
    if state.kind == "flag":
        return [(state.key, "1")] if state.value else []
    return [(state.key, state.value)] if state.value else []


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else default


@dataclass(frozen=True)
class Page:
    """One page of a list, ready for the macro `data_table`."""

    table: Table
    rows: Sequence[Any]
    total: int
    page: int
    page_size: int
    sort: str
    direction: Literal["asc", "desc"]
    filters: list[FilterState]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def columns(self) -> Sequence[Column]:
        """The table's columns."""
        return self.table.columns

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(1, ceil(self.total / self.page_size))

    @property
    def first(self) -> int:
        """The number of the first row on this page, counted from 1."""
        return (self.page - 1) * self.page_size + 1 if self.total else 0

    @property
    def last(self) -> int:
        """The number of the last row on this page."""
        return min(self.page * self.page_size, self.total)

    @property
    def window(self) -> list[int | None]:
        """The page numbers worth a link: first, last and those around this one; None is a gap."""
        near = {1, self.pages, *range(self.page - 1, self.page + 2)}
        shown: list[int | None] = []
        for number in sorted(number for number in near if 1 <= number <= self.pages):
            previous = shown[-1] if shown else None
            if previous is not None and number > previous + 1:
                shown.append(None)
            shown.append(number)
        return shown

    @property
    def is_filtered(self) -> bool:
        """Whether any filter narrows the list."""
        return any(state.applied is not None for state in self.filters)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The arguments that make this list again, without its page."""
        pairs = [pair for state in self.filters for pair in _arguments(state)]
        pairs += [("sort", self.sort), ("dir", self.direction)] if self.sort else []
        if self.page_size != self.table.page_size:
            pairs.append(("size", str(self.page_size)))
        return pairs

    def _url(self, *changes: tuple[str, str]) -> str:
        changed = {key for key, _ in changes}
        kept = [pair for pair in self.query if pair[0] not in changed]
        return "?" + urlencode([("f", "1"), *kept, *changes])

    def sort_url(self, column: Column) -> str:
        """The address that sorts by this column, or turns the order round when it already does."""
        turned = "desc" if self.sort == column.key and self.direction == "asc" else "asc"
        return self._url(("sort", column.key), ("dir", turned))

    def page_url(self, number: int) -> str:
        """The address of another page of the same list."""
        return self._url(("page", str(number)))

    @property
    def export_url(self) -> str:
        """The address of the whole list as XLSX."""
        return self._url(("format", "xlsx"))

    @property
    def reset_url(self) -> str:
        """The address that forgets all filters."""
        return "?reset=1"

    def aria_sort(self, column: Column) -> str:
        """The value of `aria-sort` for a column head, empty when the list is not sorted by it."""
        if self.sort != column.key:
            return ""
        return "ascending" if self.direction == "asc" else "descending"

    def cell(self, row: Any, column: Column) -> str | Markup:
        """What stands in a cell."""
        return column.show(row)

    def sub(self, row: Any, column: Column) -> str | Markup:
        """The grey second line of a cell, or nothing."""
        return column.sub(row) if column.sub is not None else ""

    def row_url(self, row: Any) -> str | None:
        """Where the row's name leads."""
        return self.table.row_url(row) if self.table.row_url is not None else None

    @property
    def has_action(self) -> bool:
        """Whether rows of this list may carry a button."""
        return self.table.row_action is not None

    def row_action(self, row: Any) -> tuple[Text, str] | None:
        """The row's button as (text, url), or None."""
        return self.table.row_action(row) if self.table.row_action is not None else None

    @property
    def empty_title(self) -> Text:
        """What an empty list says."""
        return self.table.empty_title

    @property
    def empty_hint(self) -> Text:
        """What an empty list advises."""
        return self.table.empty_hint

    @property
    def empty_action(self) -> tuple[Text, str] | None:
        """The first thing to do on an empty list as (text, url), or None."""
        return self.table.empty_action() if self.table.empty_action is not None else None


@dataclass(frozen=True)
class Table:
    """A list. `default_sort` is a column key, with a minus in front for descending."""

    name: str
    columns: Sequence[Column]
    filters: Sequence[Filter] = field(default_factory=tuple)
    default_sort: str = ""
    page_size: int = PAGE_SIZES[0]
    row_url: Callable[[Any], str | None] | None = None
    row_action: Callable[[Any], tuple[Text, str] | None] | None = None
    empty_title: Text = lazy_gettext("这里还没有记录")
    empty_hint: Text = ""
    empty_action: Callable[[], tuple[Text, str] | None] | None = None

    def load(self, session: Session, stmt: Select[Any], args: Args) -> Page:
        """One page of `stmt`, narrowed, sorted and cut as the arguments say, in two statements."""
        states = self._states(args)
        stmt = self._narrow(stmt, states)
        total = session.scalar(select(func.count()).select_from(stmt.order_by(None).subquery())) or 0
        size = _whole(args.get("size"), self.page_size)
        size = size if size in PAGE_SIZES else self.page_size
        number = min(max(1, _whole(args.get("page"), 1)), max(1, ceil(total / size)))
        sort, direction = self._order(args)
        stmt = self._sorted(stmt, sort, direction).limit(size).offset((number - 1) * size)
        return Page(self, _rows(session, stmt), total, number, size, sort, direction, states)

    def load_all(self, session: Session, stmt: Select[Any], args: Args, limit: int) -> Sequence[Any]:
        """At most `limit` + 1 rows of the same list for an export, in one statement; the extra row tells of more."""
        sort, direction = self._order(args)
        narrowed = self._narrow(stmt, self._states(args))
        return _rows(session, self._sorted(narrowed, sort, direction).limit(limit + 1))

    def page_of(self, rows: Sequence[Any]) -> Page:
        """A short list that is already in memory, shown whole and unsorted in the same dress."""
        return Page(self, rows, len(rows), 1, max(1, len(rows)), "", "asc", [])

    def _states(self, args: Args) -> list[FilterState]:
        return [_read_filter(spec, args) for spec in self.filters]

    def _narrow(self, stmt: Select[Any], states: list[FilterState]) -> Select[Any]:
        for spec, state in zip(self.filters, states, strict=True):
            if state.applied is not None:
                stmt = spec.apply(stmt, state.applied)
        return stmt

    def _order(self, args: Args) -> tuple[str, Literal["asc", "desc"]]:
        asked = args.get("sort", "")
        if any(column.key == asked and column.sortable for column in self.columns):
            return asked, "desc" if args.get("dir") == "desc" else "asc"
        return self.default_sort.lstrip("-"), "desc" if self.default_sort.startswith("-") else "asc"

    def _sorted(self, stmt: Select[Any], sort: str, direction: Literal["asc", "desc"]) -> Select[Any]:
        selected = stmt.selected_columns
        ties = [column for column in selected if getattr(column, "primary_key", False)] or list(selected)[:1]
        column = next((column for column in self.columns if column.key == sort), None)
        if column is None:
            return stmt.order_by(*ties)
        expr = column.expr if column.expr is not None else selected[column.key]
        by = expr.desc() if direction == "desc" else expr.asc()
        # Rows without a value stand last both ways; a column that is never empty keeps its index.
        by = by.nulls_last() if getattr(expr, "nullable", True) else by
        return stmt.order_by(None).order_by(by, *ties)


def _rows(session: Session, stmt: Select[Any]) -> Sequence[Any]:
    """Rows of a select: objects when it selects one entity, named rows otherwise."""
    described = stmt.column_descriptions
    result = session.execute(stmt)
    if len(described) == 1 and described[0].get("entity") is not None and described[0]["expr"] is described[0]["entity"]:
        return result.scalars().unique().all()
    return result.all()


def remembered(table: Table, args: Args, cookie: MutableMapping[str, Any]) -> Args:
    """The arguments of this visit, or those of the last visit to this list when the visit brings none.

    `cookie` is Flask's session: it ends with the sign-in, so nobody sees another person's filters. `?reset=1` forgets.
    """
    kept: dict[str, list[list[str]]] = dict(cookie.get("lists", {}))
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
    if pairs and len(urlencode([tuple(pair) for pair in pairs])) <= REMEMBERED_LENGTH:
        kept[table.name] = pairs
    cookie["lists"] = dict(list(kept.items())[-REMEMBERED_TABLES:])
    return args


class _Remembered(dict[str, str]):
    """Remembered arguments, with several values per key as Werkzeug's own mapping has them."""

    def __init__(self, pairs: Iterable[Sequence[str]], visit: Args) -> None:
        self._pairs = [(key, value) for key, value in pairs]
        super().__init__({key: value for key, value in reversed(self._pairs)} | dict(visit.items()))

    def getlist(self, key: str) -> list[str]:
        """All values of a key."""
        return [value for name, value in self._pairs if name == key]
