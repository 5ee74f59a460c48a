"""Invoice features of all firms at once, from their VAT invoice lines.

polars filters the lines and adds them up by counterparty; the rest are sums over *books* (one side of one firm: book
2·i = purchases, 2·i + 1 = sales of the i-th firm) as bincounts of whole 分, which a double holds exactly below 90 billion yuan.
Whatever is not a whole number is added in the order of its size. So neither the order of the lines nor the firms beside it
change a bit of what is told about a firm, and one firm costs about a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.features.invoice_list import FEATURES, PARTY

__all__ = ["FEATURES", "NAMES", "WINDOW", "InvoiceWindow", "compute", "matrix"]

NAMES: Final = tuple(feature.name for feature in FEATURES)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Values = dict[str, Floats]

PURCHASE: Final = 0
SALES: Final = 1

_EPOCH: Final = date(1970, 1, 1)

_AMOUNT_BITS: Final = 40
"""Lines are sorted by book and amount in one whole number: amounts are cut at 11 billion yuan, books at eight million."""


@dataclass(frozen=True, slots=True)
class InvoiceWindow:
    """Complete calendar months unless said otherwise; all numbers are proposals."""

    recent_months: int = 12
    look_back_months: int = 24
    """Twice the recent months: the year before is what growth and returning parties are told against."""
    long_months: int = 36
    """Size and steadiness are also told over so many months; a record that was delivered for less looks shorter and less steady,
    so a model is for firms whose records go as far back as those it was trained on."""
    history_months: int = 36
    """A longer record counts as this long, so that firms delivered since different years compare."""
    trend_months: int = 3
    least_months: int = 6
    """Growth is told when the year before had deals in so many months; a correlation from so many months on."""
    loyal_months: int = 3
    """A regular buyer or supplier is seen in so many months of the year."""
    top: int = 5
    month_end_days: int = 5
    low_rate: float = 0.05
    """VAT rates below this are simplified, small-scale or exempt (3 % and less; 6 % is the lowest general rate)."""
    round_fen: int = 100_000
    most_growth: float = 3.0
    most_ratio: float = 10.0


WINDOW: Final = InvoiceWindow()


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
    firms = known["firm"].unique().sort().to_numpy()
    books = _Books(known, firms, as_of, window)
    told = _joint(books)
    for name, column in _of_side(books).items():
        for side, place in (("purchase", PURCHASE), ("sales", SALES)):
            told[name.format(side=side, party=PARTY[side])] = column[place::2]
    return firms, np.column_stack([told[name] for name in NAMES])


class _Books:
    """The lines of every book, cut to the window, and what several features need of them."""

    def __init__(self, known: pl.DataFrame, firms: Ints, as_of: date, window: InvoiceWindow) -> None:
        self.window = window
        self.n = 2 * len(firms)
        calendar = _Calendar(known["day"], as_of, window)
        self.as_of_day = calendar.as_of_day
        day = known["day"].to_physical().to_numpy()
        age = calendar.age[day - calendar.first]
        book = np.searchsorted(firms, known["firm"].to_numpy()) * 2 + known["side"].to_numpy()
        void = known["void"].to_numpy()
        net = known["net_fen"].to_numpy()
        valid = ~void
        self.oldest = _ends(book[valid], age[valid], self.n)[1]
        """Months back of the first valid line, 0 = the last complete month, -1 = the month not over yet, -2 = no line."""
        self.seen: Bools = self.oldest > -2
        dealt = valid & (net > 0)
        newest = _ends(book[dealt], age[dealt], self.n)[0]
        last = np.flatnonzero(dealt & (age == newest[book]))
        self.last_deal = _largest(day[last], book[last], self.n, -1)
        recent = (age >= 0) & (age < window.recent_months)
        self.void_lines = self.count(book[void & recent])
        months = max(window.look_back_months, window.long_months)
        inside = np.flatnonzero(valid & (age >= 0) & (age < months))
        self.book, self.age, self.net = book[inside], age[inside], net[inside]
        cell = self.book * months + self.age
        deal = self.net > 0
        grid = np.bincount(cell, weights=self.net, minlength=self.n * months).reshape(self.n, months)
        self.monthly: Floats = grid.astype(np.float64, copy=False)
        """Net turnover (分) by book and month, the last month first."""
        self.active = np.bincount(cell[deal], minlength=self.n * months).reshape(self.n, months) > 0
        now = self.age < window.recent_months
        self.lines = self.count(self.book[now])
        self.tax = self.total(self.book[now], known["tax_fen"].to_numpy()[inside[now]])
        self.deals = _Deals(self, known, inside, deal, calendar, day)

    def count(self, book: Ints) -> Floats:
        """Lines by book."""
        return np.asarray(np.bincount(book, minlength=self.n), dtype=np.float64)

    def total(self, book: Ints, weights: NDArray[np.int64] | Floats) -> Floats:
        """Sum by book."""
        return np.asarray(np.bincount(book, weights=weights, minlength=self.n), dtype=np.float64)

    @property
    def recent(self) -> Floats:
        """Net turnover by month of the recent year."""
        return self.monthly[:, : self.window.recent_months]

    @cached_property
    def year(self) -> Floats:
        """Net turnover of the recent year, red letters taken off."""
        return np.asarray(self.recent.sum(axis=1), dtype=np.float64)


class _Calendar:
    """Months back and month ends of every day that occurs, looked up instead of computed by line."""

    def __init__(self, days: pl.Series, as_of: date, window: InvoiceWindow) -> None:
        after = as_of + timedelta(days=1)
        last_month = np.datetime64(f"{after:%Y-%m}", "M") - 1
        self.as_of_day = (as_of - _EPOCH).days
        earliest = days.min()
        self.first = (earliest - _EPOCH).days if isinstance(earliest, date) else self.as_of_day
        every = np.arange(self.first, self.as_of_day + 1).astype("datetime64[D]")
        month = every.astype("datetime64[M]")
        self.age: Ints = (last_month - month).astype(np.int64)
        end = (month + 1).astype("datetime64[D]")
        self.month_end: Bools = (end - every).astype(np.int64) <= window.month_end_days
        start = (last_month + 1 - window.recent_months).astype("datetime64[D]")
        self.year_start = int(start.astype(np.int64))
        self.year_days = int(((last_month + 1).astype("datetime64[D]") - start).astype(np.int64))


class _Deals:
    """Lines of the recent year that sell or buy (red letters and void lines left out), and their counterparties."""

    def __init__(
        self, books: _Books, known: pl.DataFrame, inside: Ints, deal: Bools, calendar: _Calendar, day: NDArray[np.int32]
    ) -> None:
        window = books.window
        rows = np.flatnonzero(deal & (books.age < window.recent_months))
        lines = inside[rows]
        self.book, net = books.book[rows], books.net[rows]
        tax = known["tax_fen"].to_numpy()[lines]
        gross = known["gross_fen"].to_numpy()[lines]
        day = day[lines]
        self.count = books.count(self.book)
        self.net = books.total(self.book, net)
        self.low_rate = books.total(self.book, np.where(tax < window.low_rate * net, net, 0))
        self.month_end = books.total(self.book, np.where(calendar.month_end[day - calendar.first], net, 0))
        self.round = books.count(self.book[gross % window.round_fen == 0])
        self._spread(books, net)
        self._rhythm(books, day - calendar.year_start, calendar.year_days)
        known_to_both_years = np.flatnonzero(deal & (books.age < window.look_back_months))
        party = known["counterparty"].to_numpy()[inside[known_to_both_years]]
        self.parties = _Parties(books, party, known_to_both_years)

    def _spread(self, books: _Books, net: Ints) -> None:
        """Median, ninth decile (an amount that occurs, so that doubling every line changes nothing) and variation."""
        mask = (1 << _AMOUNT_BITS) - 1
        ordered = np.sort((self.book << _AMOUNT_BITS) | np.minimum(net, mask))
        amount = (ordered & mask).astype(np.float64)
        count = self.count.astype(np.int64)
        start = np.cumsum(count) - count
        place = [start + np.maximum(-(-count * tenths // 10), 1) - 1 for tenths in (5, 9)]
        known = count > 0
        self.median, self.ninth = np.full(books.n, np.nan), np.full(books.n, np.nan)
        self.median[known], self.ninth[known] = amount[place[0][known]], amount[place[1][known]]
        book = ordered >> _AMOUNT_BITS
        mean = _ratio(self.net, self.count)
        squares = books.total(book, (amount - mean[book]) ** 2)
        self.variation = _ratio(np.sqrt(_ratio(squares, self.count)), mean)

    def _rhythm(self, books: _Books, day: NDArray[np.int32], days: int) -> None:
        """Share of the days of the year with a deal, and the longest silence between two of them."""
        grid = np.zeros(books.n * days, dtype=np.bool_)
        grid[self.book * days + day] = True
        place = np.flatnonzero(grid)
        book = place // days
        self.days = books.count(book) / days
        silence = np.diff(place)[book[1:] == book[:-1]]
        longest = _largest(silence, book[1:][book[1:] == book[:-1]], books.n, 0).astype(np.float64)
        self.silence = np.where(longest > 0, longest, np.nan)


class _Parties:
    """Turnover by counterparty, in the recent year and in the one before."""

    def __init__(self, books: _Books, party: Ints, deals: Ints) -> None:
        window = books.window
        book, age, net = books.book[deals], books.age[deals], books.net[deals]
        now = age < window.recent_months
        by_party = (
            pl.DataFrame({
                "book": book, "party": party, "recent": np.where(now, net, 0), "before": np.where(now, 0, net),
                "months": np.where(now, np.left_shift(1, np.minimum(age, 62)), 0),
            })
            .lazy().group_by("book", "party")
            .agg(pl.col("recent").sum(), pl.col("before").sum(), pl.col("months").bitwise_or())
            .sort("book", "recent", descending=[False, True]).collect()
        )
        at, recent, before = (by_party[name].to_numpy() for name in ("book", "recent", "before"))
        months = np.bitwise_count(by_party["months"].to_numpy())
        self.count, self.count_before = books.count(at[recent > 0]), books.count(at[before > 0])
        total, total_before = books.total(at, recent), books.total(at, before)
        self.repeat = _ratio(books.total(at, np.where(before > 0, recent, 0)), np.where(self.count_before > 0, total, 0.0))
        self.lost = _ratio(books.total(at, np.where(recent == 0, before, 0)), total_before)
        self.loyal = _ratio(books.total(at, np.where(months >= window.loyal_months, recent, 0)), total)
        of_book = np.bincount(at, minlength=books.n)
        rank = np.arange(len(at)) - (np.cumsum(of_book) - of_book)[at]
        self.top1, self.top = (
            _ratio(books.total(at[rank < first], recent[rank < first]), total) for first in (1, window.top)
        )
        share = _ratio(recent.astype(np.float64), total[at])
        share[~(share > 0.0)] = 1e-300  # a party of the year before alone: adds nothing below
        self.hhi = np.where(self.count > 0, books.total(at, share * share), np.nan)
        self.effective = np.where(self.count > 0, np.exp(-books.total(at, share * np.log(share))), np.nan)


def _of_side(books: _Books) -> Values:
    """Features of every book, by name with ``{side}`` and ``{party}`` open; NaN for a book without any valid line."""
    window, deals, parties = books.window, books.deals, books.deals.parties
    year = window.recent_months
    before = books.monthly[:, year : window.look_back_months].sum(axis=1)
    known_before = books.active[:, year : window.look_back_months].sum(axis=1) >= window.least_months
    long = books.monthly[:, : window.long_months]
    values = {
        "{side}_monthly": _log_yuan(books.year / year),
        "{side}_lines": books.lines,
        "{side}_ticket": _log_yuan(_ratio(deals.net, deals.count)),
        "{side}_round_share": _ratio(deals.round, deals.count),
        "{side}_ticket_spread": np.minimum(deals.variation, window.most_ratio),
        "{side}_ticket_reach": np.minimum(_ratio(deals.ninth, deals.median), window.most_ratio),
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
        "{side}_red_ratio": _ratio(deals.net - books.year, deals.net),
        "{side}_void_ratio": _ratio(books.void_lines, books.void_lines + books.lines),
        "{side}_tax_rate": _ratio(books.tax, books.year),
        "{side}_low_rate_share": _ratio(deals.low_rate, deals.net),
        "{side}_month_end_share": _ratio(deals.month_end, deals.net),
    }
    return {name: np.where(books.seen, column, np.nan) for name, column in values.items()}


def _joint(books: _Books) -> Values:
    """Features that hold purchases against sales; NaN without both."""
    window, year = books.window, books.window.recent_months
    bought, sold = (books.monthly[side::2, : window.look_back_months] for side in (PURCHASE, SALES))
    bought_year, sold_year = books.year[PURCHASE::2], books.year[SALES::2]
    both = books.active[PURCHASE::2, :year] & books.active[SALES::2, :year]
    vat = _ratio(books.tax[SALES::2] - books.tax[PURCHASE::2], sold_year)
    values = {
        "both_active_months": both.sum(axis=1).astype(np.float64),
        "purchase_sales_ratio": np.clip(_ratio(bought_year, sold_year), 0.0, window.most_ratio),
        "overbuying_months": (bought[:, :year] > sold[:, :year]).sum(axis=1).astype(np.float64),
        "net_vat_ratio": np.clip(vat, -1.0, 1.0),
        "purchase_sales_correlation": _correlation(bought, sold, np.maximum(books.oldest[PURCHASE::2], books.oldest[SALES::2]),
                                                   window.least_months),
        "purchase_lead": _mean_age(bought[:, :year]) - _mean_age(sold[:, :year]),
    }
    seen = books.seen[PURCHASE::2] & books.seen[SALES::2]
    return {name: np.where(seen, column, np.nan) for name, column in values.items()}


def _ratio(part: Floats, whole: Floats) -> Floats:
    """part ÷ whole; NaN where the whole is not positive."""
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0), dtype=np.float64)


def _log_yuan(fen: Floats) -> Floats:
    """log10 of 1 + yuan; a negative total (more returned than sold) counts as nothing sold."""
    return np.asarray(np.log10(1.0 + np.maximum(fen, 0.0) / 100.0), dtype=np.float64)


def _largest(values: NDArray[np.int32] | Ints, book: Ints, n: int, start: int) -> Ints:
    """Largest value by book; ``start`` without any."""
    best = np.full(n, start, dtype=np.int64)
    np.maximum.at(best, book, values)
    return best


def _ends(book: Ints, age: Ints, n: int) -> tuple[Ints, Ints]:
    """Smallest and largest age (-1 and up) by book; -2 without any."""
    width = int(age.max(initial=-1)) + 2
    seen = np.zeros(n * width, dtype=np.bool_)
    seen[book * width + age + 1] = True
    grid = seen.reshape(n, width)
    none = ~grid.any(axis=1)
    return np.where(none, -2, grid.argmax(axis=1) - 1), np.where(none, -2, width - 2 - grid[:, ::-1].argmax(axis=1))


def _change(now: Floats, before: Floats, window: InvoiceWindow) -> Floats:
    """now ÷ before - 1 between -1 and ``most_growth``; NaN where there was nothing before."""
    return np.clip(_ratio(now, before) - 1.0, -1.0, window.most_growth)


def _volatility(monthly: Floats) -> Floats:
    """Coefficient of variation of the months; months before the first line count as nothing."""
    return _ratio(monthly.std(axis=1), monthly.mean(axis=1))


def _peak_share(monthly: Floats) -> Floats:
    """Share of the best month in all months."""
    return _ratio(monthly.max(axis=1), np.maximum(monthly, 0.0).sum(axis=1))


def _recent_trend(books: _Books) -> Floats:
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
        mean = _ratio(monthly.sum(axis=1), count)
        deviations.append(np.where(inside, monthly - mean[:, None], 0.0))
    left, right = deviations
    scale = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
    return np.where(count >= least, _ratio((left * right).sum(axis=1), scale), np.nan)


def _mean_age(monthly: Floats) -> Floats:
    """Months back at which the turnover lies on average."""
    positive = np.maximum(monthly, 0.0)
    return _ratio((positive * np.arange(monthly.shape[1])).sum(axis=1), positive.sum(axis=1))
