"""Until when a firm may appeal against a refusal, and whether a withdrawn one can be undone in the same round."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from app.market.appeal_words import Remedy
from app.market.bid_words import BidState
from app.market.rules import ServiceLevels
from app.market.words import NeedState


def appeal_until(read_from: datetime, levels: ServiceLevels) -> datetime:
    """The last moment of an appeal: so many days after the firm could read the refusal [P]."""
    return read_from + timedelta(days=levels.appeal_days)


def remedy_of(need_state: str, bid_state: str | None, *, valid_until: date | None, on: date, fits: bool) -> Remedy:
    """What a withdrawn refusal leads to.

    A bid that was chosen and refused lies before the firm again while that is choosing, the bid still binds, and what is open of
    the need takes it (``fits``). A bank that never bid cannot: bids are taken until closing, by nobody after it.
    """
    binds = bid_state == BidState.LAPSED and valid_until is not None and valid_until >= on
    return Remedy.RECALLED if need_state == NeedState.CLOSED and binds and fits else Remedy.AGAIN
