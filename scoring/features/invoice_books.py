"""Invoice lines laid out on books: one side of one firm. What ``invoices`` makes features of is added up here.

Book 2·i holds the purchases and 2·i + 1 the sales of the i-th firm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.features.series import ratio
from scoring.features.window import Bools, Floats, Ints

PURCHASE: Final = 0
SALES: Final = 1

_EPOCH: Final = date(1970, 1, 1)
_AMOUNT_BITS: Final = 40
"""Lines are sorted by book and amount in one whole number: amounts are cut at 11 billion yuan, books at eight million."""
_TENTHS: Final = np.array([[5], [9]])
_DECADE: Final = 4096
"""Calendars begin at a multiple of so many days, so that firms share them."""


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

    def __init__(
        self, lines: pl.DataFrame, asked: Bools | None, place: Ints, firms: int, as_of: date, window: InvoiceWindow
    ) -> None:
        """``asked``: which lines to read, None = all; ``place``: of each of these its firm among ``firms``.

        Lines after ``as_of`` are passed over.
        """
        self.window = window
        self.n = 2 * firms
        self.as_of_day = (as_of - _EPOCH).days
        day = lines.get_column("day").to_numpy().astype("datetime64[D]", copy=False).view(np.int64)
        late = day > self.as_of_day
        kept = asked if not late.any() else ~late if asked is None else asked & ~late
        if kept is not None:
            place, day = place[(kept if asked is None else kept[asked])], day[kept]
        self._lines, self._kept = lines, kept
        calendar = _calendar(int(day.min(initial=self.as_of_day)) // _DECADE * _DECADE, as_of, window)
        age = calendar.age[day - calendar.first]
        book = place * 2 + self.column("side")
        void, net = self.column("void"), self.column("net_fen")
        valid = ~void
        dealt = valid & (net > 0)
        months = max(window.look_back_months, window.long_months)
        # Older months only tell that the record is that long. Month -1 is the one that is not over yet.
        width = max(months, window.history_months) + 2
        cell = book * width + np.minimum(age, width - 2) + 1
        told, active = _grid(cell[valid], self.n, width), _grid(cell[dealt], self.n, width)
        self.seen = np.asarray(told.any(axis=1), dtype=np.bool_)
        self.oldest: Ints = np.where(self.seen, width - 2 - told[:, ::-1].argmax(axis=1), -2)
        """Months back of the first valid line, 0 = the last complete month, -1 = the month not over yet, -2 = no line; at most
        ``history_months``."""
        self.told: Bools = told[:, 1 : months + 1]
        """In which months there was a valid line."""
        self.active: Bools = active[:, 1 : months + 1]
        """In which months there was a deal."""
        self.last_deal = _largest(day[dealt], book[dealt], self.n, -1)
        recent = (age >= 0) & (age < window.recent_months)
        self.void_lines = self.count(book[void & recent])
        inside = np.flatnonzero(valid & (age >= 0) & (age < months))
        self.book, self.age, self.net = book[inside], age[inside], net[inside]
        deal = self.net > 0
        self.monthly = self.by_month(self.book * months + self.age, self.net, months)
        """Net turnover (分) by book and month, the last month first."""
        self.recent: Floats = self.monthly[:, : window.recent_months]
        self.year: Floats = np.add.reduce(self.recent, axis=1)
        """Net turnover of the recent year, red letters taken off."""
        now = self.age < window.recent_months
        lately = self.book[now]
        self.lines = self.count(lately)
        self.tax = self.total(lately, self.column("tax_fen")[inside[now]])
        self.deals = _Deals(self, inside, deal, calendar, day)

    def column(self, name: str) -> NDArray[Any]:
        """A column of the lines that are read."""
        column = self._lines.get_column(name).to_numpy()
        return column if self._kept is None else column[self._kept]

    def count(self, book: Ints) -> Floats:
        """Lines by book."""
        return np.bincount(book, minlength=self.n).astype(np.float64)

    def total(self, book: Ints, weights: NDArray[np.int64] | Floats) -> Floats:
        """Sum by book."""
        return cast(Floats, np.bincount(book, weights=weights, minlength=self.n))

    def by_month(self, cell: Ints, weights: Ints, months: int) -> Floats:
        """Sum by book and month."""
        return cast(Floats, np.bincount(cell, weights=weights, minlength=self.n * months)).reshape(self.n, months)


class _Calendar:
    """Months back and month ends of every day from ``first`` on, looked up instead of computed by line."""

    def __init__(self, first: int, as_of: date, window: InvoiceWindow) -> None:
        after = as_of + timedelta(days=1)
        last_month = np.datetime64(f"{after:%Y-%m}", "M") - 1
        self.first = first
        every = np.arange(first, (after - _EPOCH).days).astype("datetime64[D]")
        month = every.astype("datetime64[M]")
        self.age: Ints = (last_month - month).astype(np.int64)
        end = (month + 1).astype("datetime64[D]")
        self.month_end: Bools = (end - every).astype(np.int64) <= window.month_end_days
        start = (last_month + 1 - window.recent_months).astype("datetime64[D]")
        self.year_start = int(start.astype(np.int64))
        self.year_days = int(((last_month + 1).astype("datetime64[D]") - start).astype(np.int64))


_calendar = lru_cache(maxsize=16)(_Calendar)


class _Deals:
    """Lines of the recent year that sell or buy (red letters and void lines left out), and their counterparties."""

    def __init__(self, books: Books, inside: Ints, deal: Bools, calendar: _Calendar, day: Ints) -> None:
        window = books.window
        rows = np.flatnonzero(deal & (books.age < window.recent_months))
        lines = inside[rows]
        self.book, net = books.book[rows], books.net[rows]
        day = day[lines]
        self.count = books.count(self.book)
        self.net = books.total(self.book, net)
        simplified = books.column("tax_fen")[lines] < window.low_rate * net
        self.low_rate = books.total(self.book, np.where(simplified, net, 0))
        self.month_end = books.total(self.book, np.where(calendar.month_end[day - calendar.first], net, 0))
        self.round = books.total(self.book, books.column("gross_fen")[lines] % window.round_fen == 0)
        self._spread(books, net)
        self._rhythm(books, day - calendar.year_start, calendar.year_days)
        known_to_both_years = np.flatnonzero(deal & (books.age < window.look_back_months))
        party = books.column("counterparty")[inside[known_to_both_years]]
        self.parties = _Parties(books, party, known_to_both_years)

    def _spread(self, books: Books, net: Ints) -> None:
        """Median, ninth decile (an amount that occurs, so that doubling every line changes nothing) and variation."""
        mask = (1 << _AMOUNT_BITS) - 1
        ordered = np.sort((self.book << _AMOUNT_BITS) | np.minimum(net, mask))
        amount, book = (ordered & mask).astype(np.float64), ordered >> _AMOUNT_BITS
        count = np.bincount(self.book, minlength=books.n)
        start = np.cumsum(count) - count
        place = start + np.maximum(-(-count * _TENTHS // 10), 1) - 1
        # A book without a deal reads what lies at its place, and forgets it.
        self.median, self.ninth = np.where(count > 0, np.append(amount, np.nan)[np.minimum(place, len(amount))], np.nan)
        mean = ratio(self.net, self.count)
        squares = books.total(book, (amount - mean[book]) ** 2)
        self.variation = ratio(np.sqrt(ratio(squares, self.count)), mean)

    def _rhythm(self, books: Books, day: Ints, days: int) -> None:
        """Share of the days of the year with a deal, and the longest silence between two of them."""
        place = np.flatnonzero(_grid(self.book * days + day, books.n, days))
        book = place // days
        self.days = books.count(book) / days
        same = book[1:] == book[:-1]
        longest = _largest((place[1:] - place[:-1])[same], book[1:][same], books.n, 0)
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
        first = np.flatnonzero(_new(pair))
        at = pair[first] // span if len(first) else pair
        sums = np.array([np.where(now, net, 0), np.where(now, 0, net), now & _new(key)], dtype=np.int64)
        recent, before, seen = np.add.reduceat(sums, first, axis=1) if len(first) else sums
        self.count, self.count_before = books.total(at, recent > 0), books.total(at, before > 0)
        self.total, total_before = books.total(at, recent), books.total(at, before)
        returned = books.total(at, np.where(before > 0, recent, 0))
        lost = books.total(at, np.where(recent == 0, before, 0))
        loyal = books.total(at, np.where(seen >= window.loyal_months, recent, 0))
        self.repeat, self.lost, self.loyal = ratio(
            np.array([returned, lost, loyal]),
            np.array([np.where(self.count_before > 0, self.total, 0.0), total_before, self.total]),
        )
        self._concentration(books, at[recent > 0], recent[recent > 0])

    def _concentration(self, books: Books, at: Ints, recent: Ints) -> None:
        """Shares of the largest, Herfindahl index and exp(entropy) of the parties of the recent year, added largest first."""
        order = np.argsort((at << _AMOUNT_BITS) - np.minimum(recent, (1 << _AMOUNT_BITS) - 1))
        at, recent = at[order], recent[order]
        count = np.bincount(at, minlength=books.n)
        rank = np.arange(len(at)) - (np.cumsum(count) - count)[at]
        self.top1, self.top = (
            ratio(books.total(at, np.where(rank < first, recent, 0)), self.total) for first in (1, books.window.top)
        )
        share = recent / self.total[at]
        self.hhi = np.where(count > 0, books.total(at, share * share), np.nan)
        self.effective = np.where(count > 0, np.exp(-books.total(at, share * np.log(share))), np.nan)


def _new(ordered: Ints) -> Bools:
    """Where another number begins."""
    new = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return new


def _span(numbers: Ints, times: int) -> tuple[int, int]:
    """Smallest number and the width of the range; the width is 0 where so many times the range do not fit a whole number."""
    low = int(numbers.min(initial=np.iinfo(np.int64).max)) if len(numbers) else 0
    span = int(numbers.max(initial=low)) - low + 1
    return (low, span) if span * times < 1 << 62 else (low, 0)


def _largest(values: Ints, book: Ints, n: int, start: int) -> Ints:
    """Largest value by book; ``start`` without any."""
    best = np.full(n, start, dtype=np.int64)
    np.maximum.at(best, book, values)
    return best


def _grid(cell: Ints, n: int, width: int) -> Bools:
    """Which cells of n × width occur."""
    seen = np.zeros(n * width, dtype=np.bool_)
    seen[cell] = True
    return seen.reshape(n, width)


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
