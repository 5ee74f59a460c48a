"""Policy of retention: how long what is kept, and in which portions it goes (credit-data-catalogue.md §3).

个人信息保护法 art. 19 asks for the shortest time that is needed.

How long raw rows of an item and rows of unknown firms are kept stands in ``data_item``; here is what is not about one item.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """All numbers are proposals [P] except ``record_months``, which 网络数据安全管理条例 art. 12 asks for at least."""

    late_history_months: int = 12
    """A history that comes late is kept so long after it came, however old it is: or it would go before anybody used it."""
    quarantine_days: int = 180
    """Rows that wait to be mended hold raw data too."""
    file_months: int = 36
    """Files of items without a limit of their own; the others are kept as long as rows that come with them may be."""
    record_months: int = 36
    """Looks after the look, consents after their end. The database refuses anything shorter for looks."""
    subjects: int = 200
    """Firms or meters of one transaction."""
    rows: int = 5_000
    """Rows, files, looks or consents of one transaction."""
    portions: int = 20
    """Transactions of one tick: other timed work waits no longer than they take."""


RETENTION = RetentionRules()

WAITING, QUARANTINE, FILES, LOOKS, CONSENTS = "waiting", "quarantine", "files", "looks", "consents"
OTHERS = (WAITING, QUARANTINE, FILES, LOOKS, CONSENTS)
"""Kinds of retention beside the items of the catalogue."""


def months_before(day: date, months: int) -> date:
    """The first day of the month so many months before the day's own."""
    count = day.year * 12 + day.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)


def cutoff(day: date, months: int) -> date:
    """Rows of months before this one are due: what is exactly ``months`` months old stays, what is one older goes."""
    return months_before(day, months)
