"""The small pieces of `core/ui.html` for Python: what a column's `render` or a list of facts is made of."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

from flask import get_template_attribute
from markupsafe import Markup, escape

from app.core.formats import is_english
from app.core.pages import Text, Tone


def _piece(name: str, *values: Any) -> Markup:
    return Markup(get_template_attribute("core/ui.html", name)(*values))


def chip(text: Text, tone: Tone = "plain") -> Markup:
    """A word in a coloured pill; a warning carries a sign, so that colour is never alone."""
    return _chip(escape(text), tone)


@lru_cache(maxsize=1_000)
def _chip(text: Markup, tone: Tone) -> Markup:
    return _piece("chip", text, tone)


def money(fen: int | None) -> Markup:
    """An amount of 分 with its unit smaller beside it."""
    return _money(fen, is_english())


@lru_cache(maxsize=4_000)
def _money(fen: int | None, _english: bool) -> Markup:
    return _piece("money", fen)


def rate(value: Decimal | None, places: int = 2) -> Markup:
    """A fraction per year as percent."""
    return _piece("rate", value, places)


def bar(percent: int | Decimal, label: Text = "") -> Markup:
    """A short bar from 0 to 100."""
    return _bar(percent, escape(label))


@lru_cache(maxsize=1_000)
def _bar(percent: int | Decimal, label: Markup) -> Markup:
    return _piece("bar", percent, label)


def masked(text: str) -> Markup:
    """A number of a person with all but its ends hidden."""
    return _piece("masked", text)
