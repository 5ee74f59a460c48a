"""create_app: configuration, extensions, rooms, headers. Nothing happens at import."""

from __future__ import annotations

import importlib
import os
from datetime import timedelta
from typing import Any

from babel import Locale
from flask import Flask, Response, current_app, g, request, session
from flask_babel import Babel, get_locale, gettext
from flask_bootstrap import Bootstrap5
from flask_limiter.util import get_remote_address
from flask_wtf import CSRFProtect
from sqlalchemy.exc import DataError
from werkzeug.exceptions import BadRequest
from werkzeug.middleware.proxy_fix import ProxyFix

from app.core import database, outbox
from app.core.context import Context
from app.core.drawn import address, kept, once
from app.core.formats import init_formats, is_english
from app.core.ids import new_id
from app.core.languages import init_languages
from app.core.mail import configure_mail
from app.core.pages import menu, menu_here
from app.core.queries import ROLE_NAMES
from app.core.quick import DoorLimiter, Logins, QuickSessions, csrf_token
from app.core.secrets import configure_keys
from app.core.settings import Settings, load_settings
from app.core.storage import configure_storage
from app.core.web import API, SIGNED, TOKEN_FIELD, init_gate
from app.demo import accounts
from app.evidence.push_rules import PUSH

ROOMS = ("core", "identity", "enterprises", "evidence", "credit", "market", "loans", "pool", "bridge")
"""In the order of the main road. Each has ``views`` with ``room``; importing it fills the registries of ``core``."""

LANGUAGES = ("zh_Hans_CN", "en")
_LOCALES = {name: Locale.parse(name) for name in LANGUAGES}

DOOR_LIMIT = "30 per minute"
OBJECTION_LIMIT = "10 per hour"
"""[P] Each objection stops a payment until the city has answered it; a household or an office shares an address."""
DOORS = {
    "identity.sign_in": DOOR_LIMIT, "identity.code": DOOR_LIMIT, "identity.recover": DOOR_LIMIT, "identity.ticket": DOOR_LIMIT,
    "enterprises.sign_up": DOOR_LIMIT, "pool.publicity_entry": OBJECTION_LIMIT, "pool.objection": DOOR_LIMIT,
}
"""Pages that anybody may send a form to, and how often one address may; accounts lock by themselves besides."""

CSP = (
    "default-src 'self'; img-src 'self' data:; script-src 'self'; style-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def load_rooms() -> list[Any]:
    """The blueprints of all rooms; handlers, checks, menu, homes and stations are registered on the way."""
    return [importlib.import_module(f"app.{room}.views").room for room in ROOMS]


def prepare(settings: Settings) -> None:
    """What every process of the portal needs: database, keys, storage, rooms, queue. Workers and commands stop here."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if settings.database_url is None:
        raise RuntimeError("No database: start with `huiqiao up`, or set DATABASE_URL.")
    database.configure(settings.database_url)
    configure_keys(settings.field_keys)
    configure_storage(settings.papers)
    configure_mail(settings)
    load_rooms()
    if settings.redis_url is not None:
        from workers.queues import enqueuer

        outbox.configure_queue(enqueuer(settings.redis_url))
    else:
        outbox.configure_queue(None)


class Portal(Flask):
    """Flask without asking of every function, at every request, whether it is a coroutine: none of ours is."""

    def ensure_sync(self, func: Any) -> Any:
        """The function itself."""
        return func


def create_app(settings: Settings | None = None, **overrides: Any) -> Flask:
    """The portal as a WSGI application. ``overrides`` are Flask settings for tests."""
    settings = settings or load_settings()
    prepare(settings)
    app = Portal("app", static_folder=None, template_folder="core/templates")
    app.static_folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "static")
    app.add_url_rule("/static/<path:filename>", endpoint="static", view_func=app.send_static_file)
    app.config.update(
        SECRET_KEY=settings.secret_key, UPLOAD_LIMIT=settings.upload_limit,
        MAX_CONTENT_LENGTH=settings.upload_limit + 1024 * 1024, MAX_FORM_MEMORY_SIZE=2 * 1024 * 1024,
        SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_SECURE=not settings.demo,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12), WTF_CSRF_TIME_LIMIT=None, BOOTSTRAP_SERVE_LOCAL=True,
        BABEL_DEFAULT_LOCALE=LANGUAGES[0], BABEL_DEFAULT_TIMEZONE="Asia/Shanghai", BABEL_TRANSLATION_DIRECTORIES="translations",
        RATELIMIT_STORAGE_URI=_limit_storage(settings), RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_HEADERS_ENABLED=False, HUIQIAO=settings, DEMO_ACCOUNTS=accounts() if settings.demo else [],
    )
    app.config.update(overrides)
    app.session_interface = QuickSessions()
    Babel(app, locale_selector=_language)
    init_languages(app)
    Bootstrap5(app)
    csrf = CSRFProtect(app)
    limiter = DoorLimiter(get_remote_address, app=app)
    app.extensions["hq_limiter"] = limiter  # its wrappers refer to it weakly, and a switched-off one is held by nobody else
    _init_login(app)
    init_formats(app)
    app.jinja_env.globals.update(once=once, url_for=address)
    for room in load_rooms():
        app.register_blueprint(room)
    for door, limit in DOORS.items():
        limited: Any = limiter.limit(limit, methods=["POST"])(app.view_functions[door])
        app.view_functions[door] = limited
    for endpoint, view in list(app.view_functions.items()):
        if getattr(view, "hq_permission", None) is SIGNED:
            csrf.exempt(view)  # a signature is no cookie: no other site can send it along
            signed: Any = limiter.limit(PUSH.per_address)(view)
            app.view_functions[endpoint] = signed
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies,
        )
    app.context_processor(_page_context)
    app.after_request(_headers)
    app.register_error_handler(DataError, _not_to_be_kept)
    return app


NOT_KEPT = (None, "22021", "22003", "22008")
"""What PostgreSQL calls a character, a number and a day that it does not keep; the driver refuses a NUL by itself, without a code."""


def _not_to_be_kept(error: DataError) -> Any:
    """What no form sends and no database keeps is a mistake of the request; the log tells where, should it be one of ours.

    Any other value that does not fit its column is ours, and ends as such.
    """
    if getattr(error.orig, "sqlstate", None) not in NOT_KEPT:
        raise error
    current_app.logger.warning("request %s held a value that the database does not keep", g.get("request_id"), exc_info=error.orig)
    return current_app.handle_user_exception(BadRequest())


def _limit_storage(settings: Settings) -> str:
    url = settings.redis_url
    return url if url and url.startswith("redis") else "memory://"


def _language() -> Locale:
    chosen = None if request.path.startswith(API) else session.get("language")
    if chosen not in LANGUAGES:
        chosen = "en" if request.accept_languages.best_match(["zh", "en"], "zh") == "en" else LANGUAGES[0]
    return _LOCALES[chosen]


def _init_login(app: Flask) -> None:
    from app.identity.login import SignedIn, load_context, load_user

    manager = Logins(app)
    manager.user_loader(load_user)
    manager.anonymous_user = SignedIn.nobody
    init_gate(app, load_context)


def _page_context() -> dict[str, Any]:
    ctx = g.get("ctx") or Context.anonymous()
    signed_in = ctx if ctx.actor_id is not None else None
    settings: Settings = _settings()
    root, english = request.environ.get("SCRIPT_NAME", ""), is_english()
    items = kept(("menu", root, english, ctx.permissions), lambda: menu.items(ctx)) if signed_in else ()
    return {
        "ctx": signed_in,
        "menu_items": items,
        "menu_here": menu_here(items, request.path),
        "demo": settings.demo,
        "role_names": kept(("roles", english, ctx.roles), lambda: _role_names(ctx)),
        "locale": str(get_locale()),
        "csrf_token": csrf_token,
        "token_field": TOKEN_FIELD,
        "new_token": lambda: str(new_id()),
    }


def _role_names(ctx: Context) -> list[str]:
    return [gettext(ROLE_NAMES[role.value]) for role in sorted(ctx.roles)]


def _settings() -> Settings:
    settings: Settings = current_app.config["HUIQIAO"]
    return settings


def _headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CSP)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if request.endpoint not in ("static", "bootstrap.static"):
        response.headers.setdefault("Cache-Control", "no-store")
    if not _settings().demo:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response
