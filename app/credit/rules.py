"""The policy of credit profiles: states, what a bank may see, how a rank is told, and the days for a human answer."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import groupby
from uuid import UUID


class ProfileState(StrEnum):
    """How a profile ended. A thin file is ``INSUFFICIENT``, never a low score (credit-data-catalogue §4)."""

    SCORED = "scored"
    INSUFFICIENT = "insufficient"
    NO_CONSENT = "no_consent"


class Visible(StrEnum):
    """``score_visible_to_bank`` (compliance.md §1): each step shows what the one before it shows, and one thing more."""

    RANK = "rank"
    GRADE = "grade"
    SCORE = "score"


class ReviewState(StrEnum):
    """A request for a human look."""

    ASKED = "asked"
    ANSWERED = "answered"


SCALE = 2
"""Scores of 300 to 850; scale 1 was that of the earlier model, 0 to 1000."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of this room, all proposals unless a law is named.

    ``item``: the catalogue item that a bank's look is about first. ``review_days``: calendar days for the written answer to a
    firm that disagrees (征信业管理条例 art. 25: 20 days). ``month_complete_from``: a delivery whose last invoice line is of this
    day of a month or later tells about the whole month. ``chunk``: firms scored in one transaction of a job.
    ``run_quiet_seconds``: without a chunk done for so long, a run of many firms counts as stuck.
    """

    item: str = "invoices"
    month_complete_from: int = 25
    review_days: int = 20
    review_due_soon_days: int = 5
    chunk: int = 2000
    run_quiet_seconds: int = 300
    runs_shown: int = 20
    history_shown: int = 24
    chart_months: int = 24


PARAMETERS = Parameters()
NEIGHBOURS = 64
"""Firms with numbers of the same sixty-four share a lock while they are scored."""


def chunks(firms: Iterable[tuple[int, UUID]], size: int) -> list[list[UUID]]:
    """Firms, by number and id in the order of their numbers, in chunks of at most ``size``.

    Neighbours stay together where they fit, so that two workers with a chunk each do not wait for one another.
    """
    cut: list[list[UUID]] = []
    for _, neighbours in groupby(firms, key=lambda firm: firm[0] // NEIGHBOURS):
        ids = [firm_id for _, firm_id in neighbours]
        for low in range(0, len(ids), size):
            part = ids[low : low + size]
            if not cut or len(cut[-1]) + len(part) > size:
                cut.append([])
            cut[-1] += part
    return cut


@dataclass(frozen=True, slots=True)
class Shown:
    """What one setting of the switch lets a bank see. ``strength``: how much each reason weighs."""

    rank: bool
    grade: bool
    score: bool
    strength: bool


def shown_to_bank(visible: Visible) -> Shown:
    """What a bank sees of a profile it may look at at all.

    The strength of reasons adds up to the score, so it is shown only where the score is; "why this rank"
    never reveals more than the switch allows (compliance.md §1).
    """
    return Shown(
        rank=True,
        grade=visible in (Visible.GRADE, Visible.SCORE),
        score=visible is Visible.SCORE,
        strength=visible is Visible.SCORE,
    )


def known_until(last_line: date, parameters: Parameters = PARAMETERS) -> date:
    """The last day a delivery tells about, by the day of its last line.

    A small delivery rarely has a line on the very last day; where the month is nearly over, the month counts.
    """
    if last_line.day < parameters.month_complete_from:
        return last_line
    return last_line.replace(day=monthrange(last_line.year, last_line.month)[1])


def month_known_until(last_month: date) -> date:
    """The last day a delivery of months tells about: the end of its last month."""
    return last_month.replace(day=monthrange(last_month.year, last_month.month)[1])


def review_due(asked_on: date, parameters: Parameters = PARAMETERS) -> date:
    """The last day for the written answer to a request of that day."""
    return asked_on + timedelta(days=parameters.review_days)
