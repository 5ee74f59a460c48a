"""Policy of disputes and corrections: the days of 征信业管理条例 art. 25, and by when a repair reaches the score."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from app.core.calendar import SHANGHAI, add_working_days


class DisputeState(StrEnum):
    """Where a dispute stands. That it is late is seen from its day, no state of its own."""

    ASKED = "ASKED"
    ANSWERED_CORRECTED = "ANSWERED_CORRECTED"
    ANSWERED_UPHELD = "ANSWERED_UPHELD"
    WITHDRAWN = "WITHDRAWN"


class Outcome(StrEnum):
    """What the provider found."""

    CORRECTED = "corrected"
    UPHELD = "upheld"


@dataclass(frozen=True, slots=True)
class DisputeRules:
    """``answer_days``: calendar days for the written answer (征信业管理条例 art. 25). The other numbers are proposals [P]."""

    answer_days: int = 20
    soon_days: int = 5
    """A dispute due within so many days is shown as waiting."""
    deliver_days: int = 30
    """A correction may be promised for at most so many days ahead."""
    recompute_working_days: int = 3
    """Working days after a repair by which the score must know it (credit-data-catalogue.md §5)."""
    choices: int = 200
    """Rows of an item that the form offers to dispute, the latest first."""
    deliveries: int = 20
    """Deliveries that the answer form offers as the correction."""


DISPUTE = DisputeRules()

REPAIRS: dict[str, str] = {"penalties": "repaired_on", "dishonesty": "removed_on"}
"""Items whose entries can be repaired, and the column that says so: from then on they leave scoring."""


def due_on(asked_on: date, rules: DisputeRules = DISPUTE) -> date:
    """The last day of an answer in time: the day of asking does not count."""
    return asked_on + timedelta(days=rules.answer_days)


def is_late(due: date, answered_on: date) -> bool:
    """Whether an answer of that day (or none until that day) comes too late: on the last day it is still in time."""
    return answered_on > due


def recompute_by(day: date, rules: DisputeRules = DISPUTE) -> date:
    """The day by which the score must know a repair."""
    return add_working_days(day, rules.recompute_working_days)


def start_of(day: date) -> datetime:
    """Midnight in Shanghai at which the day begins, in UTC."""
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)
