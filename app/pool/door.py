"""The room's blueprint and the words its pages share."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import gettext

from app.core.calendar import today
from app.core.pages import Text, TimelineEntry, event_texts
from app.core.pieces import chip
from app.core.queries import ROLE_NAMES, organisation_names, reason_text
from app.core.web import Room
from app.core.working import Check, shown
from app.pool import queries
from app.pool.states import BookingState, ClaimState

room = Room("pool", __name__, template_folder="templates")


YEARS = range(2000, 2101)
"""Years that a page of the pool is asked for; the calendar ends at 9999, and with it every page of a year written by hand."""


def year_asked() -> int:
    """The year in the address, or this one where none is named that could be."""
    year = request.args.get("year", type=int)
    return year if year is not None and year in YEARS else today().year


def booking_chip(state: str) -> Any:
    """State of a booking."""
    return chip(gettext(BookingState(state).label), BookingState(state).tone)


def claim_chip(state: str) -> Any:
    """State of a claim."""
    return chip(gettext(ClaimState(state).label), ClaimState(state).tone)


def check_texts(checks: list[Check]) -> list[tuple[bool, str]]:
    """Checks as (passed, sentence) in the language of the page."""
    return [(one.passed, gettext(one.message, **shown(one.params, gettext))) for one in checks]


def steps(subject_type: str, subject_id: Any) -> list[TimelineEntry]:
    """The steps of a booking or a claim as the timeline shows them."""
    rows = queries.steps_of(subject_type, subject_id)
    names = organisation_names({row.org_id for row in rows if row.org_id is not None})
    return [
        TimelineEntry(row.at, _who(row.actor_role), names.get(row.org_id, "") if row.org_id else "",
                      event_texts.text(subject_type, row.event), reason_text(row.reason or ""))
        for row in rows
    ]


def _who(role: str) -> Text:
    return gettext(ROLE_NAMES.get(role, role))
