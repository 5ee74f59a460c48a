"""Times of an award: how long it stands still, by when the bank decides, when its promise is broken."""

from __future__ import annotations

from datetime import datetime

from app.core.calendar import SHANGHAI
from app.market.hours_rules import WorkCalendar
from app.market.rules import ServiceLevels


def standstill_ends(made: datetime, levels: ServiceLevels, calendar: WorkCalendar) -> datetime:
    """Until when those who were not chosen may object: the end of the next working day [P]."""
    return calendar.due(made, levels.standstill_wd)


def decide_by(stood: datetime, levels: ServiceLevels, calendar: WorkCalendar, *, credit: bool) -> datetime:
    """By when the bank is asked for its decision: five working days, three for an unsecured loan [P]."""
    return calendar.due(stood, levels.credit_loan_decision_target_wd if credit else levels.decision_target_wd)


def promise_ends(stood: datetime, levels: ServiceLevels, calendar: WorkCalendar) -> datetime:
    """When a promise that nobody kept is broken: 30 days after the choice became final [P]."""
    return calendar.due_natural(stood, levels.decision_limit_days)


def choose_again_by(fallen: datetime, levels: ServiceLevels, calendar: WorkCalendar) -> datetime:
    """By when the firm chooses again once a choice fell through: five working days [P]."""
    return calendar.due(fallen, levels.choice_target_wd)


def day_text(moment: datetime) -> str:
    """A moment in a notice, the same in every language: 2026-11-27 18:00."""
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
