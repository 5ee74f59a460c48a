"""How bridges are put in words on pages."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from markupsafe import Markup

from app.bridge.checks import TICKS
from app.bridge.commitment_rules import CONDITIONS
from app.bridge.fund_states import HoldState
from app.bridge.rules import BridgeKind
from app.bridge.states import BridgeState, HopAccount, QuoteState, Tone
from app.bridge.terms import rate_words, terms_of
from app.core.formats import money_text
from app.core.pieces import chip


def state_text(state: str) -> str:
    """The name of a state."""
    return gettext(BridgeState(state).label)


def state_chip(state: str) -> Markup:
    """The state as a chip."""
    found = BridgeState(state)
    return chip(gettext(found.label), found.tone)


def quote_chip(state: str) -> Markup:
    """A quote's state as a chip."""
    found = QuoteState(state)
    return chip(gettext(found.label), found.tone)


def seat_chip(state: str) -> Markup:
    """A hold's state as a chip."""
    tones: dict[str, Tone] = {"HELD": "wait", "CONFIRMED": "info", "OUT": "good"}
    return chip(gettext(HoldState(state).label), tones.get(state, "plain"))


def kind_text(kind: str) -> str:
    """原行转贷 or 跨行转贷."""
    return gettext(BridgeKind(kind).label)


def account_text(account: str) -> str:
    """One of the three accounts."""
    return gettext(HopAccount(account).label)


def charge_text(terms: dict[str, Any]) -> str:
    """The charge of stored terms in one sentence."""
    message, params = rate_words(terms_of(terms))
    return gettext(message, **params)


def condition_text(kind: str) -> str:
    """A condition that a commitment letter leaves open."""
    return gettext(CONDITIONS[kind])


def title_of(bridge: Any) -> str:
    """What a bridge is called: 转贷 300 万元."""
    return gettext("转贷 %(amount)s", amount=money_text(bridge.amount_fen or bridge.requested_fen))


def check_lines(stored: list[dict[str, Any]]) -> list[str]:
    """What the precheck found, in sentences."""
    return [
        gettext(line["message"], **line["shown"]) if "message" in line else gettext(TICKS[line["code"]]) for line in stored
    ]
