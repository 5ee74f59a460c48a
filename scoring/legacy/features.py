"""Features of one firm, computed from its VAT invoice lines.

Every feature names the source category it is fed from, so a revoked consent makes exactly the features of
that category absent (NaN), and says whether it reads sales, purchases or both.

All sums are taken over integers of 分 and converted to float once, and money is compared only inside ratios
and logarithms: the result does not depend on the order of the lines nor on the values of the counterparty
codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.legacy.catalogue import FEATURES, INVOICES, NAMES, Side

__all__ = [
    "FEATURES",
    "IN",
    "NAMES",
    "OUT",
    "WINDOW",
    "FeatureVector",
    "InvoiceArrays",
    "Window",
    "compute",
    "without_source",
]

IN: Final = 0
OUT: Final = 1

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class InvoiceArrays:
    """One firm's invoice lines as columns of equal length.

    ``side``: 0 = purchase (进项), 1 = sale (销项). ``day``: days since 1970-01-01. ``counterparty``: any
    code, compared only for equality within one side. ``*_fen``: 分, negative on red-letter lines. ``void``:
    作废 lines. Raises ValueError when the columns differ in length.
    """

    side: NDArray[np.int8]
    day: NDArray[np.int32]
    counterparty: Int64
    net_fen: Int64
    tax_fen: Int64
    gross_fen: Int64
    void: Bool

    def __post_init__(self) -> None:
        lengths = {len(column) for column in self.columns()}
        if len(lengths) != 1:
            raise ValueError("invoice columns differ in length")

    def __len__(self) -> int:
        return len(self.day)

    def columns(self) -> tuple[NDArray[np.generic], ...]:
        return (self.side, self.day, self.counterparty, self.net_fen, self.tax_fen, self.gross_fen, self.void)

    def select(self, rows: Bool | Int64) -> InvoiceArrays:
        """The lines named by a boolean mask or by positions, in that order."""
        return InvoiceArrays(
            self.side[rows],
            self.day[rows],
            self.counterparty[rows],
            self.net_fen[rows],
            self.tax_fen[rows],
            self.gross_fen[rows],
            self.void[rows],
        )


@dataclass(frozen=True, slots=True)
class Window:
    """How far features look back, in complete calendar months (data catalogue §3 and §4, proposals)."""

    recent_months: int = 12
    look_back_months: int = 24
    trend_months: int = 3
    thin_file_months: int = 6
    """Fewer months with invoices than this give "insufficient" instead of a low score."""
    yoy_min_active_months: int = 6
    """Growth is told only when the earlier year had sales in at least this many months."""
    top_counterparties: int = 5


WINDOW: Final = Window()


@dataclass(frozen=True, slots=True, eq=False)
class FeatureVector:
    """``values`` in the order of FEATURES, NaN where absent.

    ``months_covered``: calendar months with at least one valid line inside the look-back window.
    ``coverage``: the same count per source category and per side (``invoices``, ``sales``, ``purchases``); 0
    = no data. ``partial``: a whole source category is absent (no consent, or nothing was ever delivered).
    ``insufficient``: thin file; no score may be shown.
    """

    values: Float64
    months_covered: int
    coverage: dict[str, int]
    partial: bool
    insufficient: bool

    def as_dict(self) -> dict[str, float | None]:
        """The feature snapshot to keep beside a score: name to value, None where absent."""
        return {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(NAMES, self.values, strict=True)
        }


def compute(invoices: InvoiceArrays | None, as_of_day: int, window: Window = WINDOW) -> FeatureVector:
    """Features as they were known at the end of ``as_of_day`` (days since 1970-01-01).

    Lines after that day are not read. Monthly features read complete calendar months only, so the month of
    ``as_of_day`` counts when that day is its last. ``as_of_day`` should be the end of what has been
    delivered, not the clock: months that nobody delivered yet would look like months without sales.
    ``invoices=None`` means that the category may not be read (no consent): all of its features are absent.
    """
    values: dict[str, float] = {}
    if invoices is None or len(invoices) == 0:
        return _vector(values, {INVOICES: 0, Side.SALES.value: 0, Side.PURCHASES.value: 0}, window)
    known = invoices.select(invoices.day <= as_of_day)
    last_month = int(_month(np.array([as_of_day + 1], dtype=np.int32))[0]) - 1
    age = last_month - _month(known.day)
    sales = _Ledger(known, age, known.side == OUT, window)
    purchases = _Ledger(known, age, known.side == IN, window)
    if sales.seen:
        values |= _sales_features(sales, as_of_day, window)
    if purchases.seen:
        values |= _purchase_features(purchases, window)
    if sales.seen and purchases.seen:
        values |= _joint_features(sales, purchases)
    in_window = ~known.void & (age >= 0) & (age < window.look_back_months)
    coverage = {
        INVOICES: _distinct(age[in_window]),
        Side.SALES.value: _distinct(age[in_window & (known.side == OUT)]),
        Side.PURCHASES.value: _distinct(age[in_window & (known.side == IN)]),
    }
    return _vector(values, coverage, window)


def without_source(vector: FeatureVector, source: str, window: Window = WINDOW) -> FeatureVector:
    """The vector after consent for one source category was revoked: its features become absent."""
    fed = np.array([feature.source == source for feature in FEATURES])
    dropped = {source} | ({side.value for side in Side} if source == INVOICES else set())
    coverage = {key: 0 if key in dropped else months for key, months in vector.coverage.items()}
    values = {
        name: float(value) for name, value, gone in zip(NAMES, vector.values, fed, strict=True) if not gone
    }
    return _vector(values, coverage, window)


class _Ledger:
    """One side of the book: valid lines of the look-back window, with the months counted backwards (0 =
    last).
    """

    def __init__(self, lines: InvoiceArrays, age: Int64, on_side: Bool, window: Window) -> None:
        self.seen: bool = bool(np.any(on_side & ~lines.void))
        self.days: NDArray[np.int32] = lines.day[on_side & ~lines.void & (lines.net_fen > 0)]
        recent = on_side & (age >= 0) & (age < window.recent_months)
        self.void_count: int = int(np.count_nonzero(recent & lines.void))
        inside = on_side & ~lines.void & (age >= 0) & (age < window.look_back_months)
        self.age: Int64 = age[inside]
        self.net: Int64 = lines.net_fen[inside]
        self.tax: Int64 = lines.tax_fen[inside]
        self.party: Int64 = lines.counterparty[inside]
        self.recent: Bool = self.age < window.recent_months
        self.monthly: Int64 = np.zeros(window.look_back_months, dtype=np.int64)
        np.add.at(self.monthly, self.age, self.net)
        self.has_deals: Bool = np.zeros(window.look_back_months, dtype=np.bool_)
        self.has_deals[self.age[self.net > 0]] = True

    def recent_net(self) -> int:
        return int(self.net[self.recent].sum())

    def recent_deals(self) -> Bool:
        """Lines of the recent window that sell or buy, red letters left out."""
        return self.recent & (self.net > 0)

    def party_totals(self, rows: Bool) -> Int64:
        """Positive turnover (分) per counterparty, largest first."""
        _, position = np.unique(self.party[rows], return_inverse=True)
        totals = np.zeros(int(position.max()) + 1 if len(position) else 0, dtype=np.int64)
        np.add.at(totals, position, self.net[rows])
        return np.sort(totals)[::-1]

    def top_share(self, count: int) -> float:
        totals = self.party_totals(self.recent_deals())
        return _ratio(int(totals[:count].sum()), int(totals.sum()))

    def red_ratio(self) -> float:
        net = self.net[self.recent]
        return _ratio(-int(net[net < 0].sum()), int(net[net > 0].sum()))

    def void_ratio(self) -> float:
        return _ratio(self.void_count, self.void_count + int(np.count_nonzero(self.recent)))


def _sales_features(sales: _Ledger, as_of_day: int, window: Window) -> dict[str, float]:
    recent, earlier = sales.monthly[: window.recent_months], sales.monthly[window.recent_months :]
    deals = sales.recent_deals()
    taxable = int(sales.net[sales.recent].sum())
    return {
        "sales_monthly": _log_yuan(int(recent.sum()) / window.recent_months),
        "sales_growth": _growth(sales, recent, earlier, window),
        "sales_volatility": _variation(recent),
        "sales_active_months": float(np.count_nonzero(sales.has_deals[: window.recent_months])),
        "sales_longest_gap": _longest_gap(sales.has_deals),
        "sales_history_months": float(int(sales.age.max()) + 1 if len(sales.age) else 0),
        "sales_red_ratio": sales.red_ratio(),
        "sales_void_ratio": sales.void_ratio(),
        "sales_ticket": _log_yuan(_ratio(int(sales.net[deals].sum()), int(np.count_nonzero(deals)))),
        "buyer_count": float(len(sales.party_totals(deals))),
        "buyer_top5_share": sales.top_share(window.top_counterparties),
        "buyer_repeat_share": _repeat_share(sales),
        "tax_sales_ratio": _ratio(int(sales.tax[sales.recent].sum()), taxable) if taxable > 0 else np.nan,
        "days_since_sale": float(as_of_day - int(sales.days.max())) if len(sales.days) else np.nan,
        "sales_recent_trend": _trend(recent, window.trend_months),
    }


def _purchase_features(purchases: _Ledger, window: Window) -> dict[str, float]:
    recent = purchases.monthly[: window.recent_months]
    return {
        "purchase_monthly": _log_yuan(int(recent.sum()) / window.recent_months),
        "purchase_active_months": float(np.count_nonzero(purchases.has_deals[: window.recent_months])),
        "purchase_red_ratio": purchases.red_ratio(),
        "supplier_count": float(len(purchases.party_totals(purchases.recent_deals()))),
        "supplier_top5_share": purchases.top_share(window.top_counterparties),
    }


def _joint_features(sales: _Ledger, purchases: _Ledger) -> dict[str, float]:
    sold = sales.recent_net()
    if sold <= 0:
        return {}
    output_tax = int(sales.tax[sales.recent].sum())
    input_tax = int(purchases.tax[purchases.recent].sum())
    return {
        # A wholesaler's purchases may be many times its sales in a dead year; beyond tenfold nothing more is
        # learnt.
        "purchase_sales_ratio": min(max(_ratio(purchases.recent_net(), sold), 0.0), 10.0),
        "net_vat_ratio": min(max(_ratio(output_tax - input_tax, sold), -1.0), 1.0),
    }


def _growth(sales: _Ledger, recent: Int64, earlier: Int64, window: Window) -> float:
    """Sales of the recent year against the year before, as a fraction between -1 and 3."""
    active = int(np.count_nonzero(sales.has_deals[window.recent_months :]))
    before = int(earlier.sum())
    if active < window.yoy_min_active_months or before <= 0:
        return np.nan
    return min(max(_ratio(int(recent.sum()), before) - 1.0, -1.0), 3.0)


def _variation(monthly: Int64) -> float:
    """Coefficient of variation of monthly sales; absent without sales."""
    mean = float(monthly.mean())
    return float(monthly.astype(np.float64).std()) / mean if mean > 0 else np.nan


def _trend(recent: Int64, months: int) -> float:
    """Average of the last months against the other months of the year, as a fraction between -1 and 3."""
    rest = recent[months:]
    before = float(rest.mean()) if len(rest) else 0.0
    if before <= 0:
        return np.nan
    return min(max(float(recent[:months].mean()) / before - 1.0, -1.0), 3.0)


def _longest_gap(has_deals: Bool) -> float:
    """Months in the longest stretch without sales between two months with sales (not the silence at either
    end).
    """
    active = np.flatnonzero(has_deals)
    if len(active) == 0:
        return np.nan
    return float(np.diff(active).max() - 1) if len(active) > 1 else 0.0


def _repeat_share(sales: _Ledger) -> float:
    """Share of the recent year's turnover sold to buyers who had bought in the year before."""
    deals = sales.recent_deals()
    known = np.unique(sales.party[~sales.recent & (sales.net > 0)])
    if len(known) == 0:
        return np.nan
    again = deals & np.isin(sales.party, known)
    return _ratio(int(sales.net[again].sum()), int(sales.net[deals].sum()))


def _month(day: NDArray[np.int32]) -> Int64:
    """Calendar months since January 1970."""
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def _distinct(age: Int64) -> int:
    return len(np.unique(age))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else np.nan


def _log_yuan(fen: float) -> float:
    """log10 of 1 + yuan; a negative total (more returned than sold) counts as nothing sold."""
    return float(np.log10(1.0 + max(fen, 0.0) / 100.0)) if not np.isnan(fen) else np.nan


def _vector(values: dict[str, float], coverage: dict[str, int], window: Window) -> FeatureVector:
    months = coverage[INVOICES]
    return FeatureVector(
        values=np.array([values.get(name, np.nan) for name in NAMES], dtype=np.float64),
        months_covered=months,
        coverage=coverage,
        partial=any(coverage[feature.source] == 0 for feature in FEATURES),
        insufficient=months < window.thin_file_months,
    )
