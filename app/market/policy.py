"""The numbers of the market in force: one door for whoever needs a limit or a time."""

from __future__ import annotations

from app.market.need_rules import NeedLimits
from app.market.offer_rules import OfferLimits
from app.market.rules import ServiceLevels

_LEVELS, _OFFER, _NEED = ServiceLevels(), OfferLimits(), NeedLimits()


def levels() -> ServiceLevels:
    """How long each step may take (peer-platforms paper §4 [P])."""
    return _LEVELS


def limits() -> OfferLimits:
    """What an offer must stay within [P]."""
    return _OFFER


def need_limits() -> NeedLimits:
    """What a need may ask for [P]."""
    return _NEED
