"""Invoice features of all firms at once, from their VAT invoice lines.

The lines come as a polars frame; its columns are added up over *books* (one side of one firm: book 2·i = purchases,
2·i + 1 = sales of the i-th firm) as bincounts of whole 分, which a double holds exactly below 90 billion yuan. Whatever is not a
whole number is added in the order of its size. So neither the order of the lines nor the firms beside it change a bit of what
is told about a firm, and one firm costs a millisecond or two, where grouped polars queries cost several.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import polars as pl

from scoring.features.invoice_books import PURCHASE, SALES, WINDOW, Books, Bools, Floats, Ints, InvoiceWindow, places, ratio
from scoring.features.invoice_list import FEATURES, PARTY

__all__ = ["FEATURES", "NAMES", "WINDOW", "InvoiceWindow", "compute", "matrix"]

NAMES: Final = tuple(feature.name for feature in FEATURES)

Values = dict[str, Floats]


def compute(lines: pl.DataFrame, as_of: date, window: InvoiceWindow = WINDOW) -> pl.DataFrame:
    """``matrix`` as a frame: column ``firm`` (rising) and one Float64 column per feature."""
    firms, values = matrix(lines, as_of, window)
    return pl.from_numpy(values, schema=list(NAMES)).insert_column(0, pl.Series("firm", firms))


def matrix(lines: pl.DataFrame, as_of: date, window: InvoiceWindow = WINDOW) -> tuple[Ints, Floats]:
    """Firm numbers (rising) and their features (shape firms × FEATURES), NaN = cannot be told; a firm without lines is absent.

    ``lines``: firm, side (0 purchase, 1 sale), day, counterparty (compared within one firm and side only), net_fen, tax_fen,
    gross_fen (分; negative = red-letter), void. As known at the end of ``as_of``, which should be the end of what was delivered:
    lines after that day are not read, and features by month read complete calendar months only.
    """
    late = lines["day"] > as_of
    known = lines.filter(~late) if late.any() else lines
    firms, place = places(known["firm"].to_numpy())
    books = Books(known, len(firms), place, as_of, window)
    told = _joint(books)
    for name, column in _of_side(books).items():
        for side, code in (("purchase", PURCHASE), ("sales", SALES)):
            told[name.format(side=side, party=PARTY[side])] = column[code::2]
    return firms, np.column_stack([told[name] for name in NAMES])


def _of_side(books: Books) -> Values:
    """Features of every book, by name with ``{side}`` and ``{party}`` open; NaN for a book without any valid line."""
    window, deals, parties = books.window, books.deals, books.deals.parties
    year = window.recent_months
    before = books.monthly[:, year : window.look_back_months].sum(axis=1)
    known_before = books.active[:, year : window.look_back_months].sum(axis=1) >= window.least_months
    long = books.monthly[:, : window.long_months]
    values = {
        "{side}_monthly": _log_yuan(books.year / year),
        "{side}_lines": books.lines,
        "{side}_ticket": _log_yuan(ratio(deals.net, deals.count)),
        "{side}_round_share": ratio(deals.round, deals.count),
        "{side}_ticket_spread": np.minimum(deals.variation, window.most_ratio),
        "{side}_ticket_reach": np.minimum(ratio(deals.ninth, deals.median), window.most_ratio),
        "{side}_growth": _change(books.year, np.where(known_before, before, 0.0), window),
        "{side}_recent_trend": _recent_trend(books),
        "{side}_volatility": _volatility(books.recent),
        "{side}_peak_share": _peak_share(books.recent),
        "{side}_active_months": books.active[:, :year].sum(axis=1).astype(np.float64),
        "{side}_long_monthly": _log_yuan(long.sum(axis=1) / window.long_months),
        "{side}_long_volatility": _volatility(long),
        "{side}_long_peak_share": _peak_share(long),
        "{side}_long_active_months": books.active[:, : window.long_months].sum(axis=1).astype(np.float64),
        "{side}_longest_gap": _longest_gap(books.active[:, : window.look_back_months]),
        "{side}_history_months": np.clip(books.oldest + 1, 0, window.history_months).astype(np.float64),
        "{side}_days": deals.days,
        "{side}_longest_silence": deals.silence,
        "days_since_{side}": np.where(books.last_deal >= 0, books.as_of_day - books.last_deal, np.nan),
        "{party}_count": parties.count,
        "{party}_effective": parties.effective,
        "{party}_top1_share": parties.top1,
        "{party}_top5_share": parties.top,
        "{party}_hhi": parties.hhi,
        "{party}_repeat_share": parties.repeat,
        "{party}_lost_share": parties.lost,
        "{party}_loyal_share": parties.loyal,
        "{party}_growth": _change(parties.count, np.where(known_before, parties.count_before, 0.0), window),
        "{side}_red_ratio": ratio(deals.net - books.year, deals.net),
        "{side}_void_ratio": ratio(books.void_lines, books.void_lines + books.lines),
        "{side}_tax_rate": ratio(books.tax, books.year),
        "{side}_low_rate_share": ratio(deals.low_rate, deals.net),
        "{side}_month_end_share": ratio(deals.month_end, deals.net),
    }
    return {name: np.where(books.seen, column, np.nan) for name, column in values.items()}


def _joint(books: Books) -> Values:
    """Features that hold purchases against sales; NaN without both."""
    window, year = books.window, books.window.recent_months
    bought, sold = (books.monthly[side::2, : window.look_back_months] for side in (PURCHASE, SALES))
    bought_year, sold_year = books.year[PURCHASE::2], books.year[SALES::2]
    both = books.active[PURCHASE::2, :year] & books.active[SALES::2, :year]
    vat = ratio(books.tax[SALES::2] - books.tax[PURCHASE::2], sold_year)
    values = {
        "both_active_months": both.sum(axis=1).astype(np.float64),
        "purchase_sales_ratio": np.clip(ratio(bought_year, sold_year), 0.0, window.most_ratio),
        "overbuying_months": (bought[:, :year] > sold[:, :year]).sum(axis=1).astype(np.float64),
        "net_vat_ratio": np.clip(vat, -1.0, 1.0),
        "purchase_sales_correlation": _correlation(bought, sold, np.maximum(books.oldest[PURCHASE::2], books.oldest[SALES::2]),
                                                   window.least_months),
        "purchase_lead": _mean_age(bought[:, :year]) - _mean_age(sold[:, :year]),
    }
    seen = books.seen[PURCHASE::2] & books.seen[SALES::2]
    return {name: np.where(seen, column, np.nan) for name, column in values.items()}


def _log_yuan(fen: Floats) -> Floats:
    """log10 of 1 + yuan; a negative total (more returned than sold) counts as nothing sold."""
    return np.asarray(np.log10(1.0 + np.maximum(fen, 0.0) / 100.0), dtype=np.float64)


def _change(now: Floats, before: Floats, window: InvoiceWindow) -> Floats:
    """now ÷ before - 1 between -1 and ``most_growth``; NaN where there was nothing before."""
    return np.clip(ratio(now, before) - 1.0, -1.0, window.most_growth)


def _volatility(monthly: Floats) -> Floats:
    """Coefficient of variation of the months; months before the first line count as nothing."""
    return ratio(monthly.std(axis=1), monthly.mean(axis=1))


def _peak_share(monthly: Floats) -> Floats:
    """Share of the best month in all months."""
    return ratio(monthly.max(axis=1), np.maximum(monthly, 0.0).sum(axis=1))


def _recent_trend(books: Books) -> Floats:
    """Average of the last months against the other months of the year."""
    months = books.window.trend_months
    last, rest = books.recent[:, :months], books.recent[:, months:]
    return _change(last.sum(axis=1) / months, rest.sum(axis=1) / max(rest.shape[1], 1), books.window)


def _longest_gap(active: Bools) -> Floats:
    """Months in the longest stretch without deals between two months with some (not the silence at either end)."""
    place = np.where(active, np.arange(active.shape[1]), -1)
    previous = np.maximum.accumulate(place, axis=1)[:, :-1]
    gaps = np.where((place[:, 1:] >= 0) & (previous >= 0), place[:, 1:] - previous - 1, 0)
    return np.where(active.any(axis=1), gaps.max(axis=1), np.nan)


def _correlation(bought: Floats, sold: Floats, oldest: Ints, least: int) -> Floats:
    """Correlation of the months since the first line; NaN with fewer than ``least`` months or where one side stands still."""
    months = np.minimum(oldest + 1, bought.shape[1])
    inside = np.arange(bought.shape[1]) < months[:, None]
    count = inside.sum(axis=1).astype(np.float64)
    deviations = []
    for monthly in (bought, sold):
        mean = ratio(monthly.sum(axis=1), count)
        deviations.append(np.where(inside, monthly - mean[:, None], 0.0))
    left, right = deviations
    scale = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
    return np.where(count >= least, ratio((left * right).sum(axis=1), scale), np.nan)


def _mean_age(monthly: Floats) -> Floats:
    """Months back at which the turnover lies on average."""
    positive = np.maximum(monthly, 0.0)
    return ratio((positive * np.arange(monthly.shape[1])).sum(axis=1), positive.sum(axis=1))
