"""Filters that open a figure of the cockpit to the cases behind it, for the lists of bookings and of claims."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import today
from app.core.filters import Filter
from app.enterprises.rules import SIZE_NAMES, SizeClass
from app.enterprises.words import DISTRICT_NAMES
from app.pool.models import Booking, Claim
from app.pool.rules import Mode, Product
from app.pool.states import BookingState

AGES: tuple[tuple[str, int, int | None], ...] = (("30", 0, 30), ("90", 31, 90), ("180", 91, 180), ("older", 181, None))
"""Ages of claims in days since they were sent in: key, first and last day [P]."""
IN_POOL = (BookingState.BOOKED.value, BookingState.CLAIMED.value)


def age_name(key: str) -> str:
    """An age in words."""
    low, high = next((low, high) for name, low, high in AGES if name == key)
    return gettext("%(low)s 天以上", low=low) if high is None else gettext("%(low)s–%(high)s 天", low=low, high=high)


def _aged(stmt: Any, key: str) -> Any:
    low, high = next((low, high) for name, low, high in AGES if name == key)
    stmt = stmt.where(Claim.submitted_on <= today() - timedelta(days=low))
    return stmt if high is None else stmt.where(Claim.submitted_on >= today() - timedelta(days=high))


CLAIM_FILTERS = (
    Filter("age", _l("提交至今"), choices=lambda: [(key, age_name(key)) for key, _, _ in AGES], apply=_aged),
)
BOOKING_FILTERS = (
    Filter("live", _l("只看在库"), "flag", apply=lambda stmt, value: stmt.where(Booking.state.in_(IN_POOL))),
    Filter("product", _l("产品类别"), choices=lambda: [(one.value, gettext(one.label)) for one in Product],
           apply=lambda stmt, value: stmt.where(Booking.product == value)),
    Filter("mode", _l("模式"), choices=lambda: [(one.value, gettext(one.label)) for one in Mode],
           apply=lambda stmt, value: stmt.where(Booking.mode == value)),
    Filter("district", _l("区"), choices=list(DISTRICT_NAMES.items()),
           apply=lambda stmt, value: stmt.where(Booking.snapshot["district"].astext == value)),
    Filter("size", _l("规模"), choices=lambda: [(one.value, gettext(SIZE_NAMES[one])) for one in SizeClass],
           apply=lambda stmt, value: stmt.where(Booking.snapshot["size_class"].astext == value)),
    Filter("first", _l("首贷"), choices=lambda: [("true", gettext("首贷")), ("false", gettext("非首贷"))],
           apply=lambda stmt, value: stmt.where(Booking.snapshot["first_loan"].astext == value)),
)
