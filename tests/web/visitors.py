"""Browsers with somebody signed in, without the slow road through password and code (``test_sign_in`` walks that one)."""

from __future__ import annotations

import secrets as random

from flask import Flask
from flask.testing import FlaskClient

from app.core import secrets
from app.core.calendar import now
from app.core.context import Context
from app.core.database import session, transaction
from app.identity.models import UserSession
from tests.cast import SYSTEM


def visit(app: Flask, ctx: Context) -> FlaskClient:
    """A browser of this person, signed in with both factors."""
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = session_token(ctx)
        cookie["_fresh"] = True
    return client


def session_token(ctx: Context) -> str:
    """The token of a fresh session of this person."""
    assert ctx.actor_id is not None and ctx.org_id is not None
    token = random.token_urlsafe(32)
    with transaction(SYSTEM):
        session().add(UserSession(
            person_id=ctx.actor_id, org_id=ctx.org_id, token_digest=secrets.digest(token), device="test", created_at=now(),
            last_seen_at=now(), second_factor_at=now(), ended_at=None,
        ))
    return token
