"""Invoice lines laid out on books: one side of one firm. What ``invoices`` makes features of is added up here.

Book 2·i holds the purchases and 2·i + 1 the sales of the i-th firm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

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


class Books:
    """The lines of every book, cut to the window, and what several features need of them."""

    def __init__(self, known: pl.DataFrame, firms: int, place: Ints, as_of: date, window: InvoiceWindow) -> None:
        self.window = window
        self.n = 2 * firms
        calendar = _Calendar(known["day"], as_of, window)
        self.as_of_day = calendar.as_of_day
        day = known["day"].to_physical().to_numpy()
        age = calendar.age[day - calendar.first]
        book = place * 2 + known["side"].to_numpy()
        void = known["void"].to_numpy()
        net = known["net_fen"].to_numpy()
        valid = ~void
        dealt = valid & (net > 0)
        months = max(window.look_back_months, window.long_months)
        width = max(int(age.max(initial=0)), months - 1) + 2
        cell = book * width + age + 1
        self.oldest = _ends(cell[valid], self.n, width)[1]
        """Months back of the first valid line, 0 = the last complete month, -1 = the month not over yet, -2 = no line."""
        self.seen: Bools = self.oldest > -2
        newest, _, grid = _ends(cell[dealt], self.n, width)
        self.active: Bools = grid[:, 1 : months + 1]
        """In which months there was a deal."""
        last = np.flatnonzero(dealt & (age == newest[book]))
        self.last_deal = _largest(day[last], book[last], self.n, -1)
        recent = (age >= 0) & (age < window.recent_months)
        self.void_lines = self.count(book[void & recent])
        inside = np.flatnonzero(valid & (age >= 0) & (age < months))
        self.book, self.age, self.net = book[inside], age[inside], net[inside]
        deal = self.net > 0
        self.monthly = self.by_month(self.book * months + self.age, self.net, months)
        """Net turnover (分) by book and month, the last month first."""
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

    def by_month(self, cell: Ints, weights: Ints, months: int) -> Floats:
        """Sum by book and month."""
        grid = np.bincount(cell, weights=weights, minlength=self.n * months)
        return np.asarray(grid, dtype=np.float64).reshape(self.n, months)

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
        self, books: Books, known: pl.DataFrame, inside: Ints, deal: Bools, calendar: _Calendar, day: NDArray[np.int32]
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

    def _spread(self, books: Books, net: Ints) -> None:
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
        mean = ratio(self.net, self.count)
        squares = books.total(book, (amount - mean[book]) ** 2)
        self.variation = ratio(np.sqrt(ratio(squares, self.count)), mean)

    def _rhythm(self, books: Books, day: NDArray[np.int32], days: int) -> None:
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

    def __init__(self, books: Books, party: Ints, deals: Ints) -> None:
        window, months = books.window, books.window.look_back_months
        low, span = _span(party, books.n * months)
        if not span:
            party, (low, span) = np.unique(party, return_inverse=True)[1], (0, len(party))
        key = (books.book[deals] * span + (party - low)) * months + books.age[deals]
        order = np.argsort(key)
        key, net = key[order], books.net[deals][order]
        pair = key // months
        now = key - pair * months < window.recent_months
        first = np.flatnonzero(np.diff(pair, prepend=-1))
        at = pair[first] // span
        recent, before, seen = (
            np.add.reduceat(column, first) if len(first) else np.empty(0, dtype=np.int64)
            for column in (np.where(now, net, 0), np.where(now, 0, net), (now & (np.diff(key, prepend=-1) > 0)).astype(np.int64))
        )
        self.count, self.count_before = books.count(at[recent > 0]), books.count(at[before > 0])
        total, total_before = books.total(at, recent), books.total(at, before)
        self.repeat = ratio(books.total(at, np.where(before > 0, recent, 0)), np.where(self.count_before > 0, total, 0.0))
        self.lost = ratio(books.total(at, np.where(recent == 0, before, 0)), total_before)
        self.loyal = ratio(books.total(at, np.where(seen >= window.loyal_months, recent, 0)), total)
        self._concentration(books, at[recent > 0], recent[recent > 0], total)

    def _concentration(self, books: Books, at: Ints, recent: Ints, total: Floats) -> None:
        """Shares of the largest, Herfindahl index and exp(entropy) of the parties of the recent year, added largest first."""
        order = np.argsort((at << _AMOUNT_BITS) - np.minimum(recent, (1 << _AMOUNT_BITS) - 1))
        at, recent = at[order], recent[order]
        count = self.count.astype(np.int64)
        rank = np.arange(len(at)) - (np.cumsum(count) - count)[at]
        self.top1, self.top = (
            ratio(books.total(at[rank < first], recent[rank < first]), total) for first in (1, books.window.top)
        )
        share = recent / total[at]
        self.hhi = np.where(self.count > 0, books.total(at, share * share), np.nan)
        self.effective = np.where(self.count > 0, np.exp(-books.total(at, share * np.log(share))), np.nan)


def ratio(part: Floats, whole: Floats) -> Floats:
    """part ÷ whole; NaN where the whole is not positive."""
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0), dtype=np.float64)


def _span(numbers: Ints, times: int) -> tuple[int, int]:
    """Smallest number and the width of the range; the width is 0 where so many times the range do not fit a whole number."""
    low = int(numbers.min(initial=np.iinfo(np.int64).max)) if len(numbers) else 0
    span = int(numbers.max(initial=low)) - low + 1
    return (low, span) if span * times < 1 << 62 else (low, 0)


def _largest(values: NDArray[np.int32] | Ints, book: Ints, n: int, start: int) -> Ints:
    """Largest value by book; ``start`` without any."""
    best = np.full(n, start, dtype=np.int64)
    np.maximum.at(best, book, values)
    return best


def _ends(cell: Ints, n: int, width: int) -> tuple[Ints, Ints, Bools]:
    """Smallest and largest month by book, and the grid of months that occur, which starts at month -1; -2 without any."""
    seen = np.zeros(n * width, dtype=np.bool_)
    seen[cell] = True
    grid = seen.reshape(n, width)
    none = ~grid.any(axis=1)
    newest, oldest = grid.argmax(axis=1) - 1, width - 2 - grid[:, ::-1].argmax(axis=1)
    return np.where(none, -2, newest), np.where(none, -2, oldest), grid


def places(firm: Ints) -> tuple[Ints, Ints]:
    """The firms, rising, and the place of each line's firm among them."""
    low, span = _span(firm, 1)
    if span > 4 * len(firm) + 1000 or not span:
        firms, place = np.unique(firm, return_inverse=True)
        return firms, place
    present = np.zeros(span, dtype=np.bool_)
    present[firm - low] = True
    firms = np.flatnonzero(present)
    return firms + low, (np.cumsum(present) - 1)[firm - low]
