"""Times of an award: how long it stands still, by when the bank decides."""

from __future__ import annotations

from datetime import datetime

from app.core.calendar import SHANGHAI, add_working_days, end_of_working_day
from app.market.rules import ServiceLevels


def standstill_ends(made: datetime, levels: ServiceLevels) -> datetime:
    """Until when those who were not chosen may object: the end of the next working day [P]."""
    return end_of_working_day(add_working_days(made.astimezone(SHANGHAI).date(), levels.standstill_wd))


def decide_by(stood: datetime, levels: ServiceLevels, *, credit: bool) -> datetime:
    """By when the bank is asked for its decision: five working days, three for an unsecured loan [P]."""
    days = levels.credit_loan_decision_target_wd if credit else levels.decision_target_wd
    return end_of_working_day(add_working_days(stood.astimezone(SHANGHAI).date(), days))


def day_text(moment: datetime) -> str:
    """A moment in a notice, the same in every language: 2026-11-27 18:00."""
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
