"""The numbers of the market in force: one door for whoever needs a limit or a time.

Read once a transaction; outside of one (a form before its use case) in a short transaction of its own.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from app.core.context import Context
from app.core.database import running, session, transaction
from app.market import need_rules
from app.market.audience_rules import AudienceRules
from app.market.hours_rules import WorkCalendar
from app.market.need_rules import NeedLimits
from app.market.offer_rules import OfferLimits
from app.market.policy_models import MarketPolicy, PolicyState
from app.market.policy_rules import Policy, apply
from app.market.round_rules import RoundRules
from app.market.rules import ServiceLevels
from app.market.standing_rules import StandingRules
from app.market.transfer_rules import TransferRules

_KEPT = "market.policy"


def current() -> Policy:
    """Every number in force: the defaults with what two people changed, in the order in which it came into force."""
    if running() is None:
        with transaction(Context.of_system("policy"), read_only=True):
            return current()
    kept = session().info
    if _KEPT not in kept:
        confirmed = session().scalars(
            select(MarketPolicy.changes)
            .where(MarketPolicy.state == PolicyState.CONFIRMED.value, MarketPolicy.valid_from <= func.now())
            .order_by(MarketPolicy.valid_from, MarketPolicy.decided_at)
        )
        found = Policy()
        for changes in confirmed:
            found = apply(found, {code: after for code, (_, after) in changes.items()})
        kept[_KEPT] = found
    policy: Policy = kept[_KEPT]
    return policy


def forget() -> None:
    """In this transaction the numbers are read again: it has just changed them."""
    session().info.pop(_KEPT, None)


def levels() -> ServiceLevels:
    """How long each step may take (peer-platforms paper §4 [P])."""
    return current().levels


def limits() -> OfferLimits:
    """What an offer must stay within [P]."""
    return current().offer


def need_limits() -> NeedLimits:
    """What a need may ask for [P]."""
    return current().need


def audience() -> AudienceRules:
    """How many banks are asked, and whom next [P]."""
    return current().audience


def standing() -> StandingRules:
    """What is told of a bank [P]."""
    return current().standing


def matching() -> RoundRules:
    """What a matching round goes by [P]."""
    return current().matching


def transfer() -> TransferRules:
    """How long the steps of a transfer loan take, and what the radar and the reports go by [P]."""
    return current().transfer


def calendar() -> WorkCalendar:
    """Working days and hours."""
    return current().calendar


# --- times of a need, by the numbers in force -------------------------------------------------------------------------


def check_due_at(submitted: datetime) -> datetime:
    """When a need that the desk has not looked at is released by itself."""
    return need_rules.check_due_at(submitted, levels(), calendar())


def returned_until(returned: datetime) -> datetime:
    """When a returned need lapses."""
    return need_rules.returned_until(returned, need_limits(), calendar())


def draft_until(touched: datetime) -> datetime:
    """When a draft that nobody touches any more lapses."""
    return need_rules.draft_until(touched, need_limits())


def question_due_at(asked: datetime) -> datetime:
    """By when a firm is asked to answer a bank."""
    return calendar().due(asked, levels().question_limit_wd)


def bids_close_at(published: datetime, way: str | None = None) -> datetime:
    """When bidding on a need published at a moment closes; ``way``: its distribution."""
    found = current()
    return need_rules.bids_close_at(
        published, found.levels, found.calendar, way=way, list_days=found.audience.list_days
    )


def bids_close_at_latest(published: datetime) -> datetime:
    """When bidding closes after the firm has extended it."""
    return need_rules.bids_close_at_latest(published, levels(), calendar())


def choice_asked_by(closed: datetime) -> datetime:
    """By when the firm is asked to choose."""
    return need_rules.choice_asked_by(closed, levels(), calendar())


def choice_ends_at(closed: datetime) -> datetime:
    """When bids expire unchosen."""
    return need_rules.choice_ends_at(closed, levels(), calendar())
