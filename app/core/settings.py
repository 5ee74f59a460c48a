"""Everything the portal learns from its environment, read once and then frozen."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.fernet import Fernet

from app.core.paths import ReadableError, create_private_file, prepare_folder

MEGABYTE = 1024 * 1024
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


class SettingsError(ReadableError):
    """The environment is incomplete or contradicts itself; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one process.

    ``database_url`` is the login role of web and workers, ``migration_database_url`` the owner of the tables;
    both are ``None`` where the portal shall start a PostgreSQL of its own. ``upload_limit`` is in bytes.
    ``field_keys`` are Fernet keys, newest first: the first encrypts, all of them decrypt. What opens something has no
    ``repr``, so that no log shows it.
    """

    database_url: str | None = field(repr=False)
    migration_database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    demo: bool
    instance: Path
    secret_key: str = field(repr=False)
    field_keys: tuple[str, ...] = field(repr=False)
    host: str
    port: int
    real_data: Path
    workers: int
    web_workers: int
    web_threads: int
    upload_limit: int
    model_path: Path
    papers: Path
    proxies: int = 0
    """How many proxies stand before the portal; their X-Forwarded-For and -Proto are believed."""
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str = ""
    public_url: str = ""
    """The address that letters lead to; empty: this machine's."""

    def with_servers(
        self, *, database_url: str | None, migration_database_url: str | None, redis_url: str | None
    ) -> Settings:
        """The same settings once it is known where the servers listen."""
        return replace(
            self,
            database_url=database_url,
            migration_database_url=migration_database_url,
            redis_url=redis_url,
        )


def load_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment (table in docs/operations.md).

    Demo mode (design, decision 2) needs no keys: they are made once and kept in the instance folder. Raises
    ``SettingsError`` with one sentence that names the variable.
    """
    database_url = _database_url(env, "DATABASE_URL")
    migration_database_url = _database_url(env, "MIGRATION_DATABASE_URL")
    if migration_database_url and not database_url:
        raise SettingsError("MIGRATION_DATABASE_URL is set but DATABASE_URL is not; set both, or neither.")
    demo = _flag(env, "HUIQIAO_DEMO", default=database_url is None)
    instance = _path(env, "HUIQIAO_INSTANCE", Path("instance"))
    if demo or database_url is None:
        prepare_folder(instance)
    return Settings(
        database_url=database_url,
        migration_database_url=migration_database_url,
        redis_url=_redis_url(env),
        demo=demo,
        instance=instance,
        secret_key=_secret_key(env, demo, instance),
        field_keys=_field_keys(env, demo, instance),
        host=env.get("HUIQIAO_HOST") or "127.0.0.1",
        port=_whole_number(env, "PORT", default=8000, low=1, high=65535),
        real_data=_path(env, "HUIQIAO_REAL_DATA", Path("../shared/data")),
        workers=_whole_number(env, "HUIQIAO_WORKERS", default=2, low=1, high=64),
        web_workers=_whole_number(env, "HUIQIAO_WEB_WORKERS", default=2, low=1, high=64),
        web_threads=_whole_number(env, "HUIQIAO_WEB_THREADS", default=4, low=1, high=64),
        upload_limit=_whole_number(env, "HUIQIAO_UPLOAD_LIMIT_MB", default=200, low=1, high=4096) * MEGABYTE,
        model_path=_path(env, "HUIQIAO_MODEL", instance / "model.json"),
        papers=_path(env, "HUIQIAO_PAPERS", instance / "papers"),
        proxies=_whole_number(env, "HUIQIAO_PROXIES", default=0, low=0, high=9),
        smtp_url=_smtp_url(env),
        mail_from=env.get("HUIQIAO_MAIL_FROM", "").strip(),
        public_url=env.get("HUIQIAO_PUBLIC_URL", "").strip(),
    )


def _smtp_url(env: Mapping[str, str]) -> str | None:
    smtp_url, mail_from = env.get("HUIQIAO_SMTP_URL", "").strip(), env.get("HUIQIAO_MAIL_FROM", "").strip()
    public_url = env.get("HUIQIAO_PUBLIC_URL", "").strip()
    if smtp_url and not smtp_url.startswith(("smtp://", "smtps://")):
        raise SettingsError("HUIQIAO_SMTP_URL must begin with smtp:// or smtps://.")
    if smtp_url and "@" not in mail_from:
        raise SettingsError("HUIQIAO_SMTP_URL is set, so HUIQIAO_MAIL_FROM must be the address that letters come from.")
    if smtp_url and not public_url.startswith(("http://", "https://")):
        raise SettingsError("HUIQIAO_SMTP_URL is set, so HUIQIAO_PUBLIC_URL must be the address that letters lead to.")
    return smtp_url or None


def _path(env: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(env.get(name) or default).expanduser().absolute()


def _flag(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    if name not in env:
        return default
    word = env[name].strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise SettingsError(f"{name} must be 1 or 0, not {env[name]!r}.")


def _whole_number(env: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    text = env.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise SettingsError(f"{name} must be a whole number between {low} and {high}, not {text!r}.")
    return int(text)


def _database_url(env: Mapping[str, str], name: str) -> str | None:
    """SQLAlchemy picks its driver by the scheme, so other spellings are brought to psycopg 3's."""
    url = env.get(name, "").strip()
    if not url:
        return None
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise SettingsError(f"{name} must begin with postgresql://, since PostgreSQL is the only database.")
    return f"postgresql+psycopg://{rest}"


def _redis_url(env: Mapping[str, str]) -> str | None:
    url = env.get("REDIS_URL", "").strip()
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError("REDIS_URL must begin with redis://, rediss:// or unix://.")
    return url or None


def _secret_key(env: Mapping[str, str], demo: bool, instance: Path) -> str:
    key = env.get("HUIQIAO_SECRET_KEY", "").strip()
    if not key and demo:
        key = create_private_file(instance / "secret_key", lambda: secrets.token_urlsafe(48)).strip()
    if len(key) < 32:
        raise SettingsError(
            "HUIQIAO_SECRET_KEY must be set to at least 32 random characters, "
            "for example from: openssl rand -hex 32."
        )
    return key


def _field_keys(env: Mapping[str, str], demo: bool, instance: Path) -> tuple[str, ...]:
    text = env.get("HUIQIAO_FIELD_KEYS", "").strip()
    if not text and demo:
        text = create_private_file(instance / "field_keys", lambda: Fernet.generate_key().decode()).strip()
    keys = tuple(key.strip() for key in text.split(",") if key.strip())
    if not keys:
        raise SettingsError(
            "HUIQIAO_FIELD_KEYS must hold at least one Fernet key, for example from: huiqiao new-field-key."
        )
    for key in keys:
        try:
            Fernet(key)
        except ValueError as error:
            raise SettingsError(
                "HUIQIAO_FIELD_KEYS holds a value that is not a Fernet key (32 bytes in URL-safe base64)."
            ) from error
    return keys
