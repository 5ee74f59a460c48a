"""``huiqiao up``: owns the embedded servers and runs web, worker and ticker until it is told to stop."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType

import psycopg
import redis
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from app.core import database
from app.core.embedded import EmbeddedPostgres, EmbeddedRedis
from app.core.paths import ReadableError, prepare_folder
from app.core.settings import Settings
from workers.children import Child

READY_PATIENCE = 120.0  # seconds until the first page must have been answered
LOOK_INTERVAL = 0.3  # seconds between two looks at the children
Handler = Callable[[int, FrameType | None], object] | int | None


class StartError(ReadableError):
    """The portal cannot be started; the message is one sentence."""


class _Stopped(Exception):
    """The operator asked to stop while the portal was still starting."""


def run(settings: Settings) -> None:
    """Start everything, look after it, stop everything. Raises ``ReadableError`` where the start fails."""
    stop = threading.Event()
    before = _listen_for_stop(stop)
    try:
        check_port_is_free(settings.host, settings.port)
        prepare_folder(settings.instance)
        with ExitStack() as stack:
            _Portal(settings, stop, stack).run()
    except _Stopped:
        pass
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


class _Portal:
    def __init__(self, settings: Settings, stop: threading.Event, stack: ExitStack) -> None:
        self.settings = settings
        self.stop = stop
        self.stack = stack
        self.servers: list[EmbeddedPostgres | EmbeddedRedis] = []

    def run(self) -> None:
        settings = self._start_servers()
        check_database(settings)
        check_redis(settings)
        self._check_role(settings)
        self._migrate(settings)
        environment = child_environment(settings)
        if settings.demo:
            self._seed(environment)
        children = [
            Child("web", ["-m", "gunicorn", "-c", "python:workers.web", "wsgi:app"], environment),
            *(Child(f"worker {number}", ["-m", "workers.worker"], environment) for number in range(1, settings.workers + 1)),
            Child("ticker", ["-m", "workers.ticker"], environment),
        ]
        for child in children:
            self.stack.callback(child.stop)
        for child in children:  # unwound before the stops above: all of them end at the same time
            self.stack.callback(child.ask_to_stop)
        for child in children:
            child.start()
        self._wait_for_first_page(settings, children[0])
        announce(settings)
        self._look_after(children)

    def _start_servers(self) -> Settings:
        settings = self.settings
        app_url, owner_url, redis_url = (
            settings.database_url, settings.migration_database_url, settings.redis_url,
        )  # fmt: skip
        if app_url is None:
            postgres = EmbeddedPostgres(settings.instance)
            urls = self.stack.enter_context(postgres)
            self.servers.append(postgres)
            app_url, owner_url = urls.app_url, urls.owner_url
        if redis_url is None:
            server = EmbeddedRedis(settings.instance)
            redis_url = self.stack.enter_context(server)
            self.servers.append(server)
        self._unless_stopped()
        return settings.with_servers(
            database_url=app_url, migration_database_url=owner_url, redis_url=redis_url
        )

    def _check_role(self, settings: Settings) -> None:
        engine = create_engine(settings.database_url or "")
        try:
            database.check_role(engine)
        except RuntimeError as error:
            raise StartError(str(error)) from error
        finally:
            engine.dispose()

    def _migrate(self, settings: Settings) -> None:
        if settings.migration_database_url is None:
            print(
                "MIGRATION_DATABASE_URL is not set, so migrations are left to: huiqiao migrate.", flush=True
            )
            return
        try:
            database.migrate(settings.migration_database_url)
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
            raise StartError(f"The database could not be brought up to date: {reason}.") from error
        self._unless_stopped()

    def _seed(self, environment: dict[str, str]) -> None:
        """In a process of its own: training leaves threads and memory behind that nobody needs here."""
        seeding = Child("demo city", ["-m", "workers.seed"], environment)
        self.stack.callback(seeding.stop)
        self.stack.callback(seeding.ask_to_stop)
        seeding.start()
        while seeding.running:
            self.stop.wait(LOOK_INTERVAL)
            self._unless_stopped()
        if seeding.process is None or seeding.process.returncode != 0:
            raise StartError("The demo city could not be loaded; the reason stands above.")

    def _wait_for_first_page(self, settings: Settings, web: Child) -> None:
        deadline = time.monotonic() + READY_PATIENCE
        while not _answers(settings):
            if not web.running:
                raise StartError("The web server ended before it answered; the reason stands above.")
            if time.monotonic() > deadline:
                raise StartError(f"The web server did not answer within {READY_PATIENCE:.0f} seconds.")
            self.stop.wait(LOOK_INTERVAL)
            self._unless_stopped()

    def _look_after(self, children: list[Child]) -> None:
        while not self.stop.is_set():
            for server in self.servers:
                if not server.alive:
                    print(f"{server.name} ended; it starts again.", file=sys.stderr, flush=True)
                    server.start()
            for child in children:
                message = child.look_after()
                if message:
                    print(message, file=sys.stderr, flush=True)
            self.stop.wait(LOOK_INTERVAL)
        print("Stopping …", flush=True)

    def _unless_stopped(self) -> None:
        if self.stop.is_set():
            raise _Stopped


def _listen_for_stop(stop: threading.Event) -> dict[int, Handler]:
    """A second Ctrl-C only sets the same event again, so it cannot cut the orderly stop short."""
    before: dict[int, Handler] = {}
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        before[signum] = signal.getsignal(signum)
        signal.signal(signum, lambda *_: stop.set())
    return before


def check_port_is_free(host: str, port: int) -> None:
    """Bind and let go. Raises ``StartError`` where the address is taken, unknown or not allowed."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "something else listens there already; stop it, or choose another port with PORT"
        elif error.errno == errno.EACCES:
            reason = "this user may not open that port; choose one above 1023 with PORT"
        else:
            reason = f"{error.strerror}; check HUIQIAO_HOST"
        raise StartError(f"The portal cannot listen on {host}:{port}: {reason}.") from error


def check_database(settings: Settings) -> None:
    """Open and close one connection for each role. Raises ``StartError`` with the reason the server gave."""
    for name, url in (
        ("DATABASE_URL", settings.database_url),
        ("MIGRATION_DATABASE_URL", settings.migration_database_url),
    ):
        if url is None:
            continue
        parsed = make_url(url)
        try:
            plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            psycopg.connect(plain, connect_timeout=10).close()
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[0]
            place = f"{parsed.host or 'local socket'}:{parsed.port or 5432}/{parsed.database}"
            raise StartError(f"The database {place} cannot be reached ({reason}); check {name}.") from error


def check_redis(settings: Settings) -> None:
    """One ping. Raises ``StartError``."""
    client = redis.Redis.from_url(settings.redis_url or "", socket_connect_timeout=10)
    try:
        client.ping()
    except redis.RedisError as error:
        raise StartError(f"Redis cannot be reached ({error}); check REDIS_URL.") from error
    finally:
        client.close()


def child_environment(settings: Settings) -> dict[str, str]:
    """What web, worker and ticker are told: the login role's URL, never the owner's (design, decision 2)."""
    environment = {key: value for key, value in os.environ.items() if key != "MIGRATION_DATABASE_URL"}
    environment.update(
        DATABASE_URL=settings.database_url or "",
        REDIS_URL=settings.redis_url or "",
        HUIQIAO_DEMO="1" if settings.demo else "0",
        HUIQIAO_INSTANCE=str(settings.instance),
        HUIQIAO_REAL_DATA=str(settings.real_data),
        HUIQIAO_MODEL=str(settings.model_path),
        HUIQIAO_PAPERS=str(settings.papers),
        HUIQIAO_SECRET_KEY=settings.secret_key,
        HUIQIAO_FIELD_KEYS=",".join(settings.field_keys),
        HUIQIAO_HOST=settings.host,
        PORT=str(settings.port),
        OMP_NUM_THREADS="1",
        PYTHONUNBUFFERED="1",
    )
    return environment


def _answers(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=10)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def announce(settings: Settings) -> None:
    """Print the address, and in demo mode the accounts with their password."""
    shown = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host
    print(f"\n惠桥 Huiqiao: http://{shown}:{settings.port}/    (Ctrl-C stops it)", flush=True)
    if settings.demo:
        from app import demo

        print("\nDemo accounts · 演示账号")
        for account in demo.accounts():
            print("  " + "   ".join(str(part) for part in account))
        print(flush=True)
