"""Servers and databases for tests: one PostgreSQL and one Redis per run, a database as good as fresh for every test.

The workers of pytest-xdist share the servers, which the process that ran pytest starts and stops. A template is migrated once
per set of migrations; databases are copies of it by ``CREATE DATABASE … TEMPLATE``. A test commits for real and never sees
another: afterwards a superuser takes every row away that the template has not and puts back those it has; a changed schema or a
lock somebody still holds makes the next test start on a new copy. Connections stay: a new backend that must read the catalogue
and plan everything anew costs more than most tests.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import redis
from psycopg import sql
from sqlalchemy.engine import make_url

from app.core import database
from app.core.embedded import OWNER_ROLE, EmbeddedPostgres, EmbeddedRedis
from tests.shared import folder, place

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = ("TEST_DATABASE_URL", "TEST_MIGRATION_DATABASE_URL", "TEST_REDIS_URL")
PATIENCE = 120
"""Seconds within which the servers of a run start, on a machine with much else to do."""
MIGRATING = 20261126
"""Advisory lock of the server while its template is made."""
USES = 100
"""Tests after which a database is dropped: rows taken away stay as dead ones that every scan steps over."""
CLEANING = """
create temp table tables as
  select c.oid::regclass::text as name, row_number() over (order by c.oid) as no,
         false as filled, null::text as mark from pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r';
-- rows of the template by place and writer
create function pg_temp.mark(name text, out mark text) language plpgsql as $$
  begin execute format('select md5(string_agg(ctid::text || xmin::text, '','' order by ctid)) from %s', name) into mark; end $$;
-- schema and functions by their writers
create function pg_temp.schema(out schema text) language sql as $$
  select md5(string_agg(told, ',' order by told)) from (
    select c.oid || 'c' || c.xmin from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind <> 'S'
    union all select oid || 'p' || xmin from pg_proc where pronamespace = 'public'::regnamespace
    union all select oid || 't' || xmin from pg_trigger where oid >= 16384
    union all select oid || 'r' || xmin from pg_policy) x(told) $$;
do $$ declare t record; has boolean; begin
  for t in select name, no from tables loop
    execute format('select exists(select 1 from %s)', t.name) into has;
    if has then execute format('create temp table kept_%s as select * from %s', t.no, t.name); end if;
    update tables set filled = has, mark = pg_temp.mark(name) where no = t.no;
  end loop; end $$;
create function pg_temp.clean(out schema text, out locks bigint) language plpgsql as $$
  declare t record; has boolean; begin
    for t in select * from tables loop
      if t.filled then
        if pg_temp.mark(t.name) is distinct from t.mark then
          execute format('delete from %s', t.name);
          execute format('insert into %s select * from kept_%s', t.name, t.no);
          update tables set mark = pg_temp.mark(name) where no = t.no;
        end if;
      else
        execute format('select exists(select 1 from %s)', t.name) into has;
        if has then execute format('delete from %s', t.name); end if;
      end if;
    end loop;
    perform setval(s.seqrelid, s.seqstart, false) from pg_sequence s
      join pg_class c on c.oid = s.seqrelid where pg_sequence_last_value(s.seqrelid) is not null;
    schema := pg_temp.schema();
    select count(*) into locks from pg_locks l join pg_database d on d.oid = l.database
      where d.datname = current_database() and l.locktype = 'advisory';
  end $$;
"""
SPEED = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
}


@dataclass(frozen=True)
class Servers:
    """URLs of the servers of this run; the owner may create databases."""

    app_url: str
    owner_url: str
    redis_url: str
    superuser: str | None = None
    """How to reach the server as its superuser (TEST_SUPERUSER_DSN for external ones); without it every test gets a new copy."""


@dataclass(frozen=True)
class TestDatabase:
    """A fresh, migrated database of one test."""

    __test__ = False

    name: str
    app_url: str
    owner_url: str


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Servers for this run: external ones where TEST_… variables name them, else embedded without fsync."""
    outside = [os.environ.get(name) for name in OUTSIDE]
    if all(outside):
        superuser = os.environ.get("TEST_SUPERUSER_DSN")
        yield Servers(_psycopg(outside[0] or ""), _psycopg(outside[1] or ""), outside[2] or "", superuser)
        return
    if any(outside):
        raise RuntimeError(f"Set all of {', '.join(OUTSIDE)}, or none.")
    folder = Path(tempfile.mkdtemp(prefix="huiqiao-tests-", dir=place()))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    postgres, redis_server = EmbeddedPostgres(folder, SPEED), EmbeddedRedis(folder)
    try:
        urls, redis_url = postgres.start(), redis_server.start()
        with psycopg.connect(postgres.superuser_dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(OWNER_ROLE)))
        yield Servers(urls.app_url, urls.owner_url, redis_url, postgres.superuser_dsn())
    finally:
        postgres.stop()
        redis_server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def publish(servers: Servers) -> None:
    """Tell the workers where the servers listen."""
    beside = folder("servers") / "draft.json"
    beside.write_text(json.dumps(astuple(servers)))
    beside.rename(folder("servers") / "ready.json")


def published() -> Servers | None:
    """The servers another process of this run starts; ``None`` in a process that has no other before it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return None
    ready = folder("servers") / "ready.json"
    give_up = time.monotonic() + PATIENCE
    while not ready.exists():
        if time.monotonic() > give_up:
            raise RuntimeError("The servers of this run have not started; the first process says why.")
        time.sleep(0.05)
    return Servers(*json.loads(ready.read_text()))


def template(servers: Servers) -> str:
    """The name of the migrated template, made on first use; one process migrates while the others of the same server wait."""
    name = f"hq_template_{_fingerprint()}"
    with _owner(servers) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATING])
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return name
        draft = f"{name}_draft"
        _drop(connection, draft)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
        database.migrate(_named(servers.owner_url, draft))
        connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(draft), sql.Identifier(name)))
    return name


@contextmanager
def fresh_database(servers: Servers, template_name: str | None) -> Iterator[TestDatabase]:
    """A copy of the template (an empty database where it is ``None``), dropped afterwards."""
    name = f"hq_test_{uuid4().hex[:16]}"
    with _owner(servers) as connection:
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template_name is not None:
            create += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template_name))
        connection.execute(create)
        try:
            yield TestDatabase(name, _named(servers.app_url, name), _named(servers.owner_url, name))
        finally:
            _drop(connection, name)


class Pool:
    """The databases of one process, one at a time: used again while it can be made as good as fresh."""

    def __init__(self, servers: Servers, template_name: str) -> None:
        self._servers, self._template = servers, template_name
        self._open = ExitStack()
        self._at_hand: tuple[TestDatabase, Cleaner] | None = None

    def take(self) -> TestDatabase:
        """A database without a trace of an earlier test."""
        if self._at_hand is None:
            fresh = self._open.enter_context(fresh_database(self._servers, self._template))
            if self._servers.superuser is None:
                return fresh
            self._at_hand = fresh, self._open.enter_context(closing(Cleaner(self._servers.superuser, fresh.name)))
        return self._at_hand[0]

    def give_back(self) -> None:
        """After a test, its connections returned: cleans the database, or drops it."""
        if self._at_hand is None or not self._at_hand[1].clean():
            self.close()

    def close(self) -> None:
        """Drops the database; the portal must not be connected to it after that."""
        self._at_hand = None
        database.dispose()
        self._open.close()


class Cleaner:
    """Takes away what a test left in its database, as the superuser, whom neither keys nor guards hold."""

    def __init__(self, superuser: str, name: str) -> None:
        self._connection = psycopg.connect(superuser, dbname=name, autocommit=True)
        self._connection.execute("set session_replication_role = replica")
        self._connection.execute("set lock_timeout = '2s'")
        self._connection.execute(CLEANING)
        self._schema = self._connection.execute("select pg_temp.schema()").fetchone()
        self._uses = 0

    def clean(self) -> bool:
        """Whether the database is as good as fresh now."""
        self._uses += 1
        if self._uses >= USES:
            return False
        try:
            found = self._connection.execute("select * from pg_temp.clean()").fetchone()
        except psycopg.errors.LockNotAvailable:
            return False
        return found is not None and found[1] == 0 and self._schema == (found[0],)

    def close(self) -> None:
        """Lets the database be dropped: sessions that a test left open end, which only a superuser may bring about."""
        self._connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        self._connection.close()


def redis_database(servers: Servers, worker: int) -> str:
    """The URL of an empty Redis database that belongs to this worker process alone."""
    base, _, _ = servers.redis_url.partition("?")
    if base.startswith("unix://"):
        url = f"{base}?db={worker + 1}"
    else:
        scheme, _, rest = base.partition("://")
        url = f"{scheme}://{rest.split('/')[0]}/{worker + 1}"
    client = redis.Redis.from_url(url)
    client.flushdb()
    client.close()
    return url


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted((ROOT / "migrations").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _psycopg(url: str) -> str:
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _owner(servers: Servers) -> psycopg.Connection[tuple[object, ...]]:
    plain = make_url(servers.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def _drop(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """The owner may not end the login role's connections; those just closed need a moment to be gone."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    for wait in (0.02, 0.1, 0.5, 1.0, 2.0):
        try:
            connection.execute(statement)
            return
        except psycopg.errors.ObjectInUse:
            time.sleep(wait)
    connection.execute(statement)
