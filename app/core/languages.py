"""Sentences in the language of the page, looked up once a request instead of once a word."""

from __future__ import annotations

from typing import Any

from babel.support import NullTranslations, Translations
from flask import Flask, g
from flask.globals import app_ctx
from flask_babel import Domain, get_locale
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import escape

_NOTHING = NullTranslations()
_current = app_ctx._get_current_object  # type: ignore[attr-defined]
"""The proxy asks for its object, and then for what the object is asked for, through several calls; a page does so often."""


class QuickDomain(Domain):  # type: ignore[misc]
    """The sentences of the portal. A page asks some hundred times; what its language is, it is asked once."""

    def get_translations(self) -> Any:
        """The translations of this request; sentences as they are outside one."""
        return translations()


def _state() -> Any:
    """What Flask-Babel knows of this request; ``None`` before it was asked, and outside one."""
    try:
        return getattr(_current().g, "_flask_babel", None)
    except RuntimeError:
        return None


def quick_locale() -> Any:
    """The locale of this request as ``get_locale`` found it; a page asks often."""
    return getattr(_state(), "babel_locale", None) or get_locale()


def translations() -> Translations | NullTranslations:
    """The translations of this request; sentences as they are outside one."""
    state = _state()
    found = getattr(state, "hq_found", None)
    # Whoever forces another language for a while changes babel_locale.
    if found is not None and found[0] is getattr(state, "babel_locale", None):
        return found[1]  # type: ignore[no-any-return]
    locale = get_locale()
    if locale is None:
        return _NOTHING
    loaded = _LOADER.get_translations()
    g._flask_babel.hq_found = (locale, loaded)
    return loaded  # type: ignore[no-any-return]


def gettext(text: str, /, **variables: Any) -> str:
    """Flask-Babel's ``gettext`` by the quick way, for what a list asks of each of its rows."""
    told = str(translations().ugettext(text))
    return told % variables if variables else told


_LOADER = Domain()


@pass_eval_context
def _sentence(eval_ctx: EvalContext, text: str, /, **variables: Any) -> str:
    """What ``_("…")`` is in a template: a format, so that %% is written for %, as Jinja's own is.

    The catalogue holds text, no markup: what a person typed and a page hands in here stays text too, whatever it holds.
    """
    told = translations().ugettext(text)
    if eval_ctx.autoescape:
        told = escape(told)
    if variables:
        return told % variables
    return told.replace("%%", "%") if "%%" in told else told


def init_languages(app: Flask) -> None:
    """Puts the quick way in the place of Flask-Babel's own, for Python and for templates."""
    app.extensions["babel"].instance.__dict__["domain_instance"] = QuickDomain()
    app.jinja_env.globals["_"] = _sentence
