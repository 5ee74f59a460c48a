"""Flask-Login's view of a signed-in person: the cookie holds a token, the database decides what it is worth."""

from __future__ import annotations

from typing import Any

from flask import g, session
from flask_login import AnonymousUserMixin, UserMixin, current_user

from app.core.context import Context
from app.identity.visitors import Visitor, visitor

COOKIE_KEY = "hq_token"


class SignedIn(UserMixin):
    """A visitor, as Flask-Login wants it: its id is the token, so that a stolen person id opens nothing."""

    nobody = AnonymousUserMixin

    def __init__(self, token: str, found: Visitor) -> None:
        self.id = token
        self.visitor = found


def load_user(token: str) -> SignedIn | None:
    """The visitor of a token, looked up once a request."""
    if "visitor" not in g:
        g.visitor = visitor(token)
    return SignedIn(token, g.visitor) if g.visitor is not None else None


def load_context() -> Context:
    """The actor of this request."""
    user: Any = current_user
    if not user.is_authenticated:
        return Context.anonymous()
    found: Visitor = user.visitor
    return found.context


def pending_token() -> str | None:
    """The token of a session that still lacks its second factor."""
    return session.get(COOKIE_KEY)
