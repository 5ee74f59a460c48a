"""Invoice features of all firms at once, from their VAT invoice lines.

The lines come as a polars frame; its columns are added up over *books* (one side of one firm: book 2·i = purchases,
2·i + 1 = sales of the i-th firm) as bincounts of whole 分, which a double holds exactly below 90 billion yuan. Whatever is not a
whole number is added in the order of its size. So neither the order of the lines nor the firms beside it change a bit of what
is told about a firm, and one firm costs a millisecond or two, where grouped polars queries cost several.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Final

import numpy as np
import polars as pl

from scoring.features.invoice_books import PURCHASE, SALES, WINDOW, Books, InvoiceWindow, places
from scoring.features.invoice_list import FEATURES, INVOICES, PARTY
from scoring.features.rows import Reading
from scoring.features.series import ratio
from scoring.features.window import Bools, Floats, Ints

__all__ = ["FEATURES", "NAMES", "WINDOW", "InvoiceWindow", "books", "compute", "matrix", "told"]

NAMES: Final = tuple(feature.name for feature in FEATURES)
PLACE: Final = {name: place for place, name in enumerate(NAMES)}

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
    return firms, _features(Books(known, None, place, len(firms), as_of, window))


def books(reading: Reading) -> Books | None:
    """The books of the firms asked for, made once; None where invoices may not be read."""
    rows = reading.rows(INVOICES)
    if rows is None:
        return None
    [lines] = rows.frames.values()
    return reading.once(INVOICES, lambda: Books(lines, rows.picked, rows.at, rows.n, reading.as_of, WINDOW))


def told(reading: Reading) -> tuple[Floats, Ints] | None:
    """Features of the firms asked for (shape firms × FEATURES) and months of the look-back window with a valid line."""
    found = books(reading)
    if found is None:
        return None
    months = found.told[:, : reading.window.look_back_months]
    return _features(found), np.add.reduce(months[PURCHASE::2] | months[SALES::2], axis=1)


def _features(books: Books) -> Floats:
    by_side, joint = _of_side(books), _joint(books)
    values = np.empty((books.n // 2, len(NAMES)))
    of_books = np.where(books.seen, np.array(list(by_side.values())), np.nan)
    for code, columns in zip((PURCHASE, SALES), _columns(tuple(by_side)), strict=True):
        values[:, columns] = of_books[:, code::2].T
    both = books.seen[PURCHASE::2] & books.seen[SALES::2]
    values[:, [PLACE[name] for name in joint]] = np.where(both, np.array(list(joint.values())), np.nan).T
    return values


@cache
def _columns(names: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Columns of the features of purchases and of sales, by the open names of both."""
    purchase, sales = (
        [PLACE[name.format(side=side, party=PARTY[side])] for name in names] for side in ("purchase", "sales")
    )
    return purchase, sales


def _of_side(books: Books) -> Values:
    """Features of every book, by name with ``{side}`` and ``{party}`` open; they say nothing of a book without a valid line."""
    window, deals, parties = books.window, books.deals, books.deals.parties
    year, past = window.recent_months, slice(window.recent_months, window.look_back_months)
    known_before = np.add.reduce(books.active[:, past], axis=1) >= window.least_months
    long, gap = books.monthly[:, : window.long_months], _longest_gap(books.active[:, : window.look_back_months])
    levels = np.array([books.year / year, np.add.reduce(long, axis=1) / window.long_months, ratio(deals.net, deals.count)])
    monthly, long_monthly, ticket = _log_yuan(levels)
    return {
        "{side}_monthly": monthly,
        "{side}_lines": books.lines,
        "{side}_ticket": ticket,
        "{side}_ticket_spread": np.minimum(deals.variation, window.most_ratio),
        "{side}_ticket_reach": np.minimum(ratio(deals.ninth, deals.median), window.most_ratio),
        "{side}_growth": _change(books.year, np.where(known_before, np.add.reduce(books.monthly[:, past], axis=1), 0.0), window),
        "{side}_recent_trend": _recent_trend(books),
        "{side}_volatility": _volatility(books.recent),
        "{side}_peak_share": _peak_share(books.recent),
        "{side}_active_months": np.add.reduce(books.active[:, :year], axis=1),
        "{side}_long_monthly": long_monthly,
        "{side}_long_volatility": _volatility(long),
        "{side}_long_peak_share": _peak_share(long),
        "{side}_long_active_months": np.add.reduce(books.active[:, : window.long_months], axis=1),
        "{side}_longest_gap": gap,
        "{side}_history_months": np.minimum(np.maximum(books.oldest + 1, 0), window.history_months),
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
        **_shares(books),
    }


def _shares(books: Books) -> Values:
    """Shares of lines and turnover of every book."""
    deals = books.deals
    parts = {
        "{side}_round_share": (deals.round, deals.count),
        "{side}_red_ratio": (deals.net - books.year, deals.net),
        "{side}_void_ratio": (books.void_lines, books.void_lines + books.lines),
        "{side}_tax_rate": (books.tax, books.year),
        "{side}_low_rate_share": (deals.low_rate, deals.net),
        "{side}_month_end_share": (deals.month_end, deals.net),
    }
    told = np.array(list(parts.values()))
    return dict(zip(parts, ratio(told[:, 0], told[:, 1]), strict=True))


def _joint(books: Books) -> Values:
    """Features that hold purchases against sales; they say nothing without both."""
    window, year = books.window, books.window.recent_months
    bought, sold = (books.monthly[side::2, : window.look_back_months] for side in (PURCHASE, SALES))
    bought_year, sold_year = books.year[PURCHASE::2], books.year[SALES::2]
    both = books.active[PURCHASE::2, :year] & books.active[SALES::2, :year]
    vat = ratio(books.tax[SALES::2] - books.tax[PURCHASE::2], sold_year)
    return {
        "both_active_months": np.add.reduce(both, axis=1),
        "purchase_sales_ratio": np.minimum(np.maximum(ratio(bought_year, sold_year), 0.0), window.most_ratio),
        "overbuying_months": np.add.reduce(bought[:, :year] > sold[:, :year], axis=1),
        "net_vat_ratio": np.minimum(np.maximum(vat, -1.0), 1.0),
        "purchase_sales_correlation": _correlation(bought, sold, np.maximum(books.oldest[PURCHASE::2], books.oldest[SALES::2]),
                                                   window.least_months),
        "purchase_lead": _mean_age(bought[:, :year]) - _mean_age(sold[:, :year]),
    }


def _log_yuan(fen: Floats) -> Floats:
    """log10 of 1 + yuan; a negative total (more returned than sold) counts as nothing sold."""
    return np.asarray(np.log10(1.0 + np.maximum(fen, 0.0) / 100.0), dtype=np.float64)


def _change(now: Floats, before: Floats, window: InvoiceWindow) -> Floats:
    """now ÷ before - 1 between -1 and ``most_growth``; NaN where there was nothing before."""
    return np.minimum(np.maximum(ratio(now, before) - 1.0, -1.0), window.most_growth)


def _volatility(monthly: Floats) -> Floats:
    """Coefficient of variation of the months; months before the first line count as nothing."""
    width = monthly.shape[1]
    middle = np.add.reduce(monthly, axis=1) / width
    apart = monthly - middle[:, None]
    return ratio(np.sqrt(np.add.reduce(apart * apart, axis=1) / width), middle)


def _peak_share(monthly: Floats) -> Floats:
    """Share of the best month in all months."""
    return ratio(np.maximum.reduce(monthly, axis=1), np.add.reduce(np.maximum(monthly, 0.0), axis=1))


def _recent_trend(books: Books) -> Floats:
    """Average of the last months against the other months of the year."""
    months = books.window.trend_months
    last, rest = books.recent[:, :months], books.recent[:, months:]
    before = np.add.reduce(rest, axis=1) / max(rest.shape[1], 1)
    return _change(np.add.reduce(last, axis=1) / months, before, books.window)


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
    both = np.array([bought, sold])
    middle = ratio(np.add.reduce(both, axis=-1), months)
    left, right = np.where(inside, both - middle[..., None], 0.0)
    squares = np.add.reduce(np.array([left * right, left * left, right * right]), axis=-1)
    return np.where(months >= least, ratio(squares[0], np.sqrt(squares[1] * squares[2])), np.nan)


def _mean_age(monthly: Floats) -> Floats:
    """Months back at which the turnover lies on average."""
    positive = np.maximum(monthly, 0.0)
    return ratio(np.add.reduce(positive * np.arange(monthly.shape[1]), axis=1), np.add.reduce(positive, axis=1))
