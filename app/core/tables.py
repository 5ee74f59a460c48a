"""List tables: what a list shows, and how it is sorted, filtered, paged and remembered on the server.

A room describes a `Table` once and calls `load` with its already limited select. Exactly two statements run,
a count and one page of rows; the order always ends in the primary key, so no row is shown twice or skipped
between pages. What a visitor types never raises: an unknown sort or an impossible page is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import ceil
from typing import Any, Literal
from urllib.parse import urlencode

from flask_babel import lazy_gettext
from markupsafe import Markup, escape
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.core.drawn import kept, kept_each
from app.core.exports import EXPORT_LIMIT, export_xlsx, wants_export
from app.core.filters import Args, Filter, FilterState, Range, fixed, in_address, read_filter, remembered
from app.core.formats import NOTHING, count_text, date_text, datetime_text, is_english, rate_text
from app.core.pages import Text
from app.core.pieces import money

# Rooms take everything a list needs from here.
__all__ = [
    "EXPORT_LIMIT", "Args", "Column", "Filter", "FilterState", "Page", "Range", "Table",
    "export_xlsx", "fixed", "remembered", "wants_export",
]

Kind = Literal["text", "money", "rate", "date", "datetime", "count"]

NOTHING_YET = lazy_gettext("这里还没有记录")
PAGE_SIZES = (20, 50, 100)
"""The page sizes a visitor may ask for; anything else falls back to the table's own."""

MOST_TYPED = 200
"""Characters of an address whose filters a process keeps as it read them."""


def _itself(row: Any) -> Any:
    return row


def _second(told: Any) -> str:
    return f'<div class="sm">{escape(told)}</div>' if told else ""


_RIGHT: frozenset[Kind] = frozenset({"money", "rate", "count"})
_SHOW: dict[Kind, Callable[[Any], str]] = {
    "rate": rate_text,
    "date": date_text,
    "datetime": datetime_text,
    "count": count_text,
    "text": lambda value: NOTHING if value is None or value == "" else str(value),
}


@dataclass(frozen=True)
class Column:
    """One column. Without `render` the row's attribute `key` is shown as its `kind` says (money is in 分).

    `expr` is what SQL sorts by (default: the selected column named `key`); `sub` is the grey second line of a
    cell; `export` gives the value for XLSX where it differs (money in 分 again, when the kind is money).
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
        value = getattr(row, self.key, None)
        return money(value) if self.kind == "money" else _SHOW[self.kind](value)


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
    more: bool = False
    """Whether there are more rows than ``total``, which then tells how many were counted."""

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

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """The arguments that make this list again, without its page."""
        pairs = [pair for state in self.filters for pair in in_address(state)]
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
        return f"{self._base}&page={number}"

    @property
    def export_url(self) -> str:
        """The address of the whole list as XLSX."""
        return f"{self._base}&format=xlsx"

    @cached_property
    def _base(self) -> str:
        return self._url()

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

    def body(self) -> Markup:
        """All rows; where the table keeps rows, as this process drew them before."""
        draw, unfold = self._draw, self.table.unfold or _itself
        if self.table.row_keys is None:
            return Markup("".join([draw(row) for row in self.rows]))
        keys = self.table.row_keys(self.rows)
        return Markup("".join(kept_each(
            (self.name, is_english()), keys, lambda place: draw(unfold(self.rows[place])),
        )))

    @cached_property
    def _starts(self) -> list[tuple[Column, str]]:
        """How the cells of each column but the first begin. A row is written here and not by a macro: fifty of them are what a
        list costs, and a macro a cell costs four times as much."""
        return [(column, f'<td class="{"r num " if column.right else ""}{"day " if column.kind == "date" else ""}'
                         f'{"hide-small" if column.hide_small else ""}" data-label="{escape(column.label)}"><div>')
                for column in self.columns[1:]]  # fmt: skip

    @cached_property
    def _identity(self) -> str:
        return f'<th scope="row" class="identity" data-label="{escape(self.columns[0].label)}">'

    def _draw(self, row: Any) -> str:
        """One row: the cell that names it with a link, the others, its button."""
        first = self.columns[0]
        url, name = self.row_url(row), escape(first.show(row))
        cells = [f'{self._identity}<a href="{escape(url)}">{name}</a>' if url else f"{self._identity}{name}",
                 _second(self.sub(row, first)), "</th>"]  # fmt: skip
        for column, start in self._starts:
            cells += start, escape(column.show(row)), _second(self.sub(row, column)), "</div></td>"
        if self.has_action:
            act = self.row_action(row)
            button = (f'<a class="btn btn-sm btn-outline-primary" href="{escape(act[1])}">{escape(act[0])}'
                      f'<span class="visually-hidden"> {name}</span></a>') if act else ""  # fmt: skip
            cells += "\n      ", f'<td class="row-action">{button}</td>'
        return f"<tr>\n      {''.join(cells)}\n    </tr>"

    def frame(self, draw: Callable[[Page], Markup]) -> Markup:
        """Filters, head or pager as ``draw`` draws them, once a process for each way in which they stand."""
        return kept((draw.name, self._stands), partial(draw, self))  # type: ignore[attr-defined]

    @cached_property
    def _stands(self) -> Hashable:
        filters = tuple((state.value, state.low, state.high, tuple(state.choices)) for state in self.filters)
        columns = tuple(column.key for column in self.columns)
        place = self.sort, self.direction, self.page_size, self.page, self.total, self.more
        return self.name, is_english(), columns, filters, place

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
    row_keys: Callable[[Sequence[Any]], Iterable[Hashable]] | None = None
    """Of each row everything that it is drawn from beside the language: rows are then drawn once a process. Whatever is shown
    must be part of it, or one visitor would read what another may see."""
    unfold: Callable[[Any], Any] | None = None
    """What a row is drawn from, where the list holds rows in a form that is quicker to compare."""
    empty_title: Text = NOTHING_YET
    empty_hint: Text = ""
    empty_action: Callable[[], tuple[Text, str] | None] | None = None

    def load(self, session: Session, stmt: Select[*tuple[Any, ...]], args: Args) -> Page:
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

    def load_all(self, session: Session, stmt: Select[*tuple[Any, ...]], args: Args, limit: int) -> Sequence[Any]:
        """At most `limit` + 1 rows of the list for an export; the extra row tells that there are more."""
        sort, direction = self._order(args)
        narrowed = self._narrow(stmt, self._states(args))
        return _rows(session, self._sorted(narrowed, sort, direction).limit(limit + 1))

    def page_of(self, rows: Sequence[Any]) -> Page:
        """A short list that is already in memory, shown whole and unsorted in the same dress."""
        return Page(self, rows, len(rows), 1, max(1, len(rows)), "", "asc", [])

    def _states(self, args: Args) -> list[FilterState]:
        asked: tuple[tuple[str, str], ...] | None = getattr(args, "pairs", None)  # filters read nothing else
        if asked is None or not self._fixed or sum(len(value) for _, value in asked) > MOST_TYPED:
            return [read_filter(spec, args) for spec in self.filters]
        return kept((self._own, is_english(), asked), lambda: [read_filter(spec, args) for spec in self.filters])

    @cached_property
    def _own(self) -> object:
        return object()  # names of tables are for people, and two may bear the same

    @cached_property
    def _fixed(self) -> bool:
        return all(not callable(spec.choices) or getattr(spec.choices, "fixed", False) for spec in self.filters)

    def _narrow(self, stmt: Select[*tuple[Any, ...]], states: list[FilterState]) -> Select[*tuple[Any, ...]]:
        for spec, state in zip(self.filters, states, strict=True):
            if state.applied is not None:
                stmt = spec.apply(stmt, state.applied)
        return stmt

    def _order(self, args: Args) -> tuple[str, Literal["asc", "desc"]]:
        asked = args.get("sort", "")
        if any(column.key == asked and column.sortable for column in self.columns):
            return asked, "desc" if args.get("dir") == "desc" else "asc"
        return self.default_sort.lstrip("-"), "desc" if self.default_sort.startswith("-") else "asc"

    def _sorted(self, stmt: Select[*tuple[Any, ...]], sort: str, direction: Literal["asc", "desc"]) -> Select[*tuple[Any, ...]]:
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


def _rows(session: Session, stmt: Select[*tuple[Any, ...]]) -> Sequence[Any]:
    """Rows of a select: objects when it selects one entity, named rows otherwise."""
    described = stmt.column_descriptions
    result = session.execute(stmt)
    only = described[0] if len(described) == 1 else {}
    if only.get("entity") is not None and only["expr"] is only["entity"]:
        return result.scalars().unique().all()
    return result.all()
