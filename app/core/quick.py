"""What every page asks of Flask and its extensions, without what none of our pages needs of it."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, g, session
from flask.sessions import SecureCookieSessionInterface
from flask_limiter import Limiter
from flask_login import LoginManager
from flask_wtf.csrf import generate_csrf
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from app.core.drawn import kept


class _Signer(TimestampSigner):
    """Derives its key once: it is the same at every signature."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._derived: dict[str | bytes | None, bytes] = {}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        """The key of a secret."""
        found = self._derived.get(secret_key)
        if found is None:
            found = self._derived[secret_key] = super().derive_key(secret_key)
        return found


class _Serializer(URLSafeTimedSerializer):
    """Keeps its signer, which remembers nothing of what it signs."""

    default_signer = _Signer
    _made: _Signer | None = None

    def make_signer(self, salt: str | bytes | None = None) -> TimestampSigner:
        """The signer of its own salt is made once."""
        if salt is not None and salt != self.salt:
            return super().make_signer(salt)  # type: ignore[return-value]
        if self._made is None:
            self._made = _Signer(self.secret_keys, salt=self.salt, **self.signer_kwargs)
        return self._made


class QuickSessions(SecureCookieSessionInterface):
    """Flask's session in a signed cookie, with what signs it made once."""

    def __init__(self) -> None:
        self._made: tuple[Any, _Serializer] | None = None

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """What signs cookies of this secret; ``None`` without one."""
        made = self._made
        keys = (app.secret_key, app.config["SECRET_KEY_FALLBACKS"])
        if made is not None and made[0] == keys:
            return made[1]
        usual = super().get_signing_serializer(app)
        if usual is None:
            return None
        built = _Serializer(
            usual.secret_keys, salt=self.salt, serializer=self.serializer, signer_kwargs=usual.signer_kwargs,
        )  # fmt: skip
        self._made = keys, built
        return built


def csrf_token() -> str:
    """Flask-WTF's token of this session, signed once a process: it never grows too old (``WTF_CSRF_TIME_LIMIT`` is none), and is
    worth what the session's own secret is, which is part of the key."""
    own = session.get("csrf_token")
    if own is None or "csrf_token" in g or current_app.config["WTF_CSRF_TIME_LIMIT"] is not None:
        return str(generate_csrf())
    g.csrf_token = kept(("csrf", current_app.secret_key, own), generate_csrf)
    return str(g.csrf_token)


class DoorLimiter(Limiter):
    """Limits at single doors alone, each of which asks by itself: nothing is looked up before every page."""

    def _check_request_limit(self, callable_name: str | None = None, in_middleware: bool = True) -> None:
        if not in_middleware:
            super()._check_request_limit(callable_name, in_middleware)


class Logins(LoginManager):  # type: ignore[misc]
    """Sessions live in the database and are revoked there: no cookie is bound to a browser, so that none is asked what it is."""

    def _session_protection_failed(self) -> bool:
        return False
