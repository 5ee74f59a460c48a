"""Facts of a firm as pages show them: one description (``items``) serves every item. Row-level security has the last word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any

from sqlalchemy import Date, Integer, Select, Table, and_, column, func, literal, or_, select, union_all
from sqlalchemy import cast as sql_cast

from app.core.calendar import today
from app.core.database import Base, session
from app.evidence import facts as facts  # its tables are found by name
from app.evidence.consent_queries import Origin, origins
from app.evidence.items import ITEMS, METER, Item, Kind, Subject
from app.evidence.items import Field as ItemField
from app.evidence.models import InvoiceLine
from app.evidence.queries import InvoiceSummary, invoice_summary
from app.evidence.rules import INVOICES, LINKS, LOOK, months_behind

STORED = (*ITEMS, INVOICES)
"""Codes of all items that have a table."""


def _table(item: Item) -> Table:
    return Base.metadata.tables[item.table]


def _meters(item: str, firm_no: int) -> Any:
    """The firm's meters with their dates, for whoever may read the item (migration 0013)."""
    return func.hq_meters_of_firm(item, firm_no).table_valued(
        column("meter_no"), column("account_no"), column("valid_from", Date), column("valid_to", Date), name="m",
    )


def columns_of(item: Item) -> tuple[ItemField, ...]:
    """What a page shows of an item: everything but whose it is."""
    return tuple(one for one in item.fields if one.kind is not Kind.FIRM)


def facts_query(firm_no: int, item_code: str, since: date | None = None) -> Select[*tuple[Any, ...]]:
    """The facts in force of one item of a firm, as columns named like the stored ones, with ``delivery_no`` and what
    ``shapes.Shape.reference`` names a row by.

    A meter counts for the firm from the first day of its link to the last: what the tenant before it used is not shown.
    ``since``: the earliest day. Raises ``KeyError`` for an item without a table.
    """
    found: Any
    if item_code == INVOICES:
        line = InvoiceLine
        found = select(
            line.day, line.side, line.invoice_no, line.counterparty, line.net_fen, line.tax_fen, line.gross_fen, line.void,
            line.delivery_no, line.content, line.k, line.firm_no, line.version,
        ).where(line.firm_no == firm_no, line.current)
        return found if since is None else found.where(line.day >= since)
    item = ITEMS[item_code]
    table, at = _table(item), _table(item).c[item.field(item.at).stored]
    shown = [table.c[one.stored] for one in columns_of(item) if one.code != METER.code]
    if item.subject is Subject.METER:
        meters = _meters(item_code, firm_no)
        days = or_(meters.c.valid_to.is_(None), meters.c.valid_to >= at)
        joined = and_(meters.c.meter_no == table.c.meter_no, meters.c.valid_from <= at, days)
        if item_code == LINKS:
            joined = and_(meters.c.meter_no == table.c.meter_no, meters.c.valid_from == at, table.c.firm_no == firm_no)
        named = (*shown, table.c.delivery_no, *_named_by(item, table))
        found = select(meters.c.account_no, *named).distinct().select_from(table.join(meters, joined))
    else:
        found = select(*shown, table.c.delivery_no, *_named_by(item, table)).where(table.c.firm_no == firm_no)
    found = found.where(table.c.current)
    if since is not None:
        found = found.where(at >= (since.year if item.field(item.at).kind is Kind.YEAR else since))
    return found


def _named_by(item: Item, table: Table) -> list[Any]:
    """What names a row besides what is shown of it: whose it is, which version, and what tells lines without a key apart."""
    names = [item.subject_column, "version", *(("content", "k") if item.lines else ())]
    if item.subject is Subject.METER:
        names += [one.stored for one in item.fields if one.kind is Kind.FIRM]
    return [table.c[name] for name in names]


def at_column(item_code: str) -> str:
    """The stored column that says when."""
    return "day" if item_code == INVOICES else ITEMS[item_code].field(ITEMS[item_code].at).stored


def facts_of(firm_no: int, item_code: str, since: date | None = None, limit: int | None = None) -> Sequence[Any]:
    """The facts in force of one item, latest first (see ``facts_query``); at most ``limit`` rows."""
    found = facts_query(firm_no, item_code, since)
    return session().execute(found.order_by(found.selected_columns[at_column(item_code)].desc()).limit(limit)).all()


# --- what is there at all -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """How much of an item is there, from when to when, who delivered it, and how many months are overdue."""

    item: str
    rows: int
    first: date
    latest: date
    behind: int
    origins: list[Origin]

    @property
    def synthetic(self) -> bool:
        """Whether any of it is made up."""
        return any(one.synthetic for one in self.origins)


def _counted(firm_no: int, item_code: str) -> Any:
    facts = facts_query(firm_no, item_code).subquery()
    at: Any = facts.c[at_column(item_code)]
    if item_code != INVOICES and ITEMS[item_code].field(ITEMS[item_code].at).kind is Kind.YEAR:
        at = func.make_date(sql_cast(at, Integer), 12, 31)
    return select(literal(item_code).label("item"), func.count().label("rows"), func.min(at).label("first"),
                  func.max(at).label("latest"))


def held(firm_no: int, items: Sequence[str] = STORED) -> dict[str, Held]:
    """What is there of a firm, item by item, in two statements; items without rows are absent."""
    if not items:
        return {}
    counts = union_all(*(_counted(firm_no, code) for code in items))
    rows = [row for row in session().execute(counts) if row.rows]
    known = origins(firm_no, [row.item for row in rows]) if rows else {}
    return {
        row.item: Held(row.item, row.rows, row.first, row.latest, _behind(row.item, row.latest), known.get(row.item, []))
        for row in rows
    }


def _behind(item_code: str, latest: date) -> int:
    item = ITEMS.get(item_code)
    return months_behind(latest, today(), item.late_days) if item is not None and item.monthly else 0


# --- month by month ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """One line of a chart: a column added up per month, of the rows that ``only`` lets through."""

    column: str
    label: str
    kind: Kind
    only: Callable[[Any], bool] = lambda row: True


def N_(message: str) -> str:
    """Marks a Chinese word for the catalogues; it is translated where it is shown."""
    return message


MEASURES: Mapping[str, tuple[Measure, ...]] = MappingProxyType({
    "electricity": (Measure("quantity_milli", N_("用电量（千瓦时）"), Kind.QUANTITY),),
    "water": (Measure("quantity_milli", N_("用水量（立方米）"), Kind.QUANTITY),),
    "gas": (Measure("quantity_milli", N_("用气量（立方米）"), Kind.QUANTITY),),
    "electricity_daily": (Measure("quantity_milli", N_("用电量（千瓦时）"), Kind.QUANTITY),),
    "tax": (
        Measure("sales_fen", N_("申报销售额"), Kind.MONEY, lambda row: row.tax_kind == "vat"),
        Measure("paid_fen", N_("已缴税额"), Kind.MONEY),
    ),
    "social_insurance": (Measure("heads", N_("参保人数"), Kind.COUNT, lambda row: row.kind in ("all", "pension")),),
    "housing_fund": (Measure("heads", N_("缴存人数"), Kind.COUNT),),
    "customs": (
        Measure("value_fen", N_("出口"), Kind.MONEY, lambda row: row.direction == "export"),
        Measure("value_fen", N_("进口"), Kind.MONEY, lambda row: row.direction == "import"),
    ),
    "cash_flow": (Measure("inflow_fen", N_("流入金额"), Kind.MONEY), Measure("outflow_fen", N_("流出金额"), Kind.MONEY)),
})
"""What the chart of an item shows. A head counts once: the total where it was delivered, else the pension insurance."""


@dataclass(frozen=True)
class Monthly:
    """The months of an item, oldest first, none left out. ``series``: one row of sums per measure of the item, in stored
    units; ``None`` where nothing was delivered or nothing was metered, which is not zero."""

    months: list[date]
    series: list[list[int | None]]


def monthly(item_code: str, rows: Sequence[Any], months: int = LOOK.months) -> Monthly | None:
    """Adds the rows up by month, for the last ``months`` months that they tell about; ``None`` where there is no chart."""
    measures, at = MEASURES.get(item_code), at_column(item_code)
    if measures is None or not rows:
        return None
    if item_code == "social_insurance" and any(row.kind == "all" for row in rows):
        rows = [row for row in rows if row.kind == "all"]
    last = max(getattr(row, at) for row in rows)
    span = [_months_before(last, back) for back in range(months - 1, -1, -1)]
    first = min(getattr(row, at) for row in rows)
    span = [month for month in span if month >= first.replace(day=1)]
    series: list[list[int | None]] = []
    for measure in measures:
        sums: dict[date, int] = {}
        for row in rows:
            value = getattr(row, measure.column)
            if value is not None and measure.only(row):
                month = getattr(row, at).replace(day=1)
                sums[month] = sums.get(month, 0) + value
        series.append([sums.get(month) for month in span])
    return Monthly(span, series)


def _months_before(day: date, back: int) -> date:
    index = day.year * 12 + day.month - 1 - back
    return date(index // 12, index % 12 + 1, 1)


@dataclass(frozen=True)
class Punctuality:
    """How bills and dues were paid: periods with a due day, those paid late or not at all, and what is still owed (分)."""

    counted: int
    late: int
    arrears_fen: int


def punctuality(rows: Sequence[Any], day: date) -> Punctuality | None:
    """Late payment among rows that carry a due day; ``None`` where the item has none. ``day``: an open bill due before it
    is late."""
    if not rows or not hasattr(rows[0], "due_on"):
        return None
    paid = "paid_on" if hasattr(rows[0], "paid_on") else "filed_on"
    due = [row for row in rows if row.due_on is not None]
    late = sum(1 for row in due if (getattr(row, paid) or day) > row.due_on)
    return Punctuality(len(due), late, sum(getattr(row, "arrears_fen", None) or 0 for row in rows))


# --- one item, as firm and bank read it ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ItemFacts:
    """An item on a page: the latest rows, how many there are, month by month, who delivered them.

    ``unmetered``: months that nobody metered or that the landlord bills, by the word of ``items.METERING``.
    """

    item: str
    held: Held | None
    rows: Sequence[Any] = ()
    monthly: Monthly | None = None
    paid: Punctuality | None = None
    unmetered: Mapping[str, int] = field(default_factory=dict)
    invoices: InvoiceSummary | None = None


def item_facts(firm_no: int, item_code: str) -> ItemFacts:
    """Everything that the page of all items says about one item. Counterparties of invoices stay out."""
    if item_code == INVOICES:
        return ItemFacts(item_code, held(firm_no, [INVOICES]).get(INVOICES), invoices=invoice_summary(firm_no, LOOK.months))
    there = held(firm_no, [item_code]).get(item_code)
    if there is None:
        return ItemFacts(item_code, None)
    since = _months_before(there.latest, LOOK.months - 1)
    rows = facts_of(firm_no, item_code, since)
    unmetered: dict[str, int] = {}
    for row in rows:
        if getattr(row, "metering", None) in ("not_metered", "landlord"):
            unmetered[row.metering] = unmetered.get(row.metering, 0) + 1
    return ItemFacts(
        item_code, there, rows[:LOOK.rows], monthly(item_code, rows), punctuality(rows, today()), unmetered,
    )
