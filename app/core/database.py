"""The one engine: PostgreSQL through psycopg 3. Identity of a transaction is set here and nowhere else (design §4.1, 2, 10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from select import POLLIN, poll
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from sqlalchemy import BigInteger, Connection, DateTime, Engine, MetaData, Numeric, Text, Uuid, create_engine, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InternalError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app.core.context import Context
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.permissions import OrgKind

RATE = Numeric(9, 6)
"""A yearly rate or a ratio as a fraction: 0.038500."""

T = TypeVar("T")

APP_ROLE = "huiqiao_app"


class Base(DeclarativeBase):
    """Typed models. Constraint names follow one convention, since errors are found by them."""

    metadata = MetaData(naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    })
    type_annotation_map = {  # noqa: RUF012
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        str: Text,
        int: BigInteger,
        UUID: Uuid,
        Decimal: RATE,
    }


class Identified:
    """An object with an unguessable, time-ordered id."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)


@dataclass
class Unit:
    """One transaction: its session, its actor, what leaves after the commit."""

    session: Session
    context: Context
    read_only: bool
    outbox_ids: list[UUID] = field(default_factory=list)


_engine: list[Engine] = []
_unit: ContextVar[Unit | None] = ContextVar("unit", default=None)


def configure(url: str) -> None:
    """Points the portal at a database (the login role's URL). Disposes of an engine that points elsewhere."""
    wanted = make_url(url)
    if _engine and _engine[0].url == wanted:
        return
    dispose()
    built = create_engine(wanted, pool_size=5, max_overflow=10)
    event.listen(built, "checkout", _alive)
    event.listen(built, "begin", _begin)
    _engine[:] = [built]


def _alive(connection: Any, record: Any, proxy: Any) -> None:
    """A pooled connection that rests has nothing to say; where something waits to be read, the server has gone or is going."""
    if connection.closed:
        raise DisconnectionError()
    waits = poll()
    waits.register(connection.fileno(), POLLIN)
    if waits.poll(0):
        raise DisconnectionError()


def _begin(connection: Connection) -> None:
    """Begins a transaction in our own words, which set its identity on the same way to the server and back.

    psycopg would send a BEGIN of its own before the first statement, and the identity would be another statement.
    """
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    driver: Any = connection.connection.driver_connection
    words = options.get("hq_begin", "BEGIN")
    try:
        if not driver.autocommit:
            driver.autocommit = True  # commit and rollback still end what our own BEGIN began
        driver.execute(words, prepare=False)
    except psycopg.Error as error:
        connection.invalidate(error)
        raise OperationalError(words, None, error, connection_invalidated=True) from error


def engine() -> Engine:
    """The engine in use. Raises ``RuntimeError`` before ``configure``."""
    if not _engine:
        raise RuntimeError("app.core.database.configure was not called")
    return _engine[0]


def dispose(*, close: bool = True) -> None:
    """Drops pooled connections; ``close=False`` after a fork, when they belong to the parent."""
    if _engine:
        _engine[0].dispose(close=close)


def check_role(checked: Engine | None = None) -> None:
    """Refuses a login role that could see past row-level security (design §4.2). Raises ``RuntimeError``."""
    with (checked or engine()).connect() as connection:
        row = connection.execute(text(
            "select session_user as name, rolsuper, rolbypassrls, rolcreaterole, "
            "exists(select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "       where n.nspname = 'public' and c.relkind = 'r' and pg_has_role(session_user, c.relowner, 'member')) as owns "
            "from pg_roles where rolname = session_user"
        )).one()
    if row.rolsuper or row.rolbypassrls or row.rolcreaterole or row.owns:
        raise RuntimeError(
            f"The portal must not connect as {row.name}: the role is a superuser, may bypass row-level security, or owns "
            f"the tables. Use DATABASE_URL with the login role {APP_ROLE}."
        )


def migrate(owner_url: str, revision: str = "head") -> None:
    """Brings the database to ``revision`` as its owner."""
    from alembic import command
    from alembic.config import Config

    root = Path(__file__).resolve().parents[2]
    config = Config()
    config.set_main_option("script_location", str(root / "migrations"))
    config.set_main_option("sqlalchemy.url", owner_url.replace("%", "%%"))
    command.upgrade(config, revision)


_IDENTIFY = text(
    "select set_config('hq.actor', :actor, true), set_config('hq.org', :org, true), set_config('hq.kind', :kind, true)"
)


def identify(session: Session, ctx: Context) -> None:
    """Changes the row-level-security identity of a running transaction; ``transaction`` begins with one."""
    session.execute(_IDENTIFY, _identity(ctx))


def _identity(ctx: Context) -> dict[str, str]:
    """What row-level security asks for. Ids are made anew, so that nothing but an id comes into the words of a BEGIN."""
    return {
        "actor": str(UUID(int=ctx.actor_id.int)) if ctx.actor_id else "",
        "org": str(UUID(int=ctx.org_id.int)) if ctx.org_id else "",
        "kind": OrgKind(ctx.org_kind).value if ctx.org_kind else "",
    }


def _named(ctx: Context) -> str:
    return "; ".join(f"SET LOCAL hq.{name} = '{value}'" for name, value in _identity(ctx).items())


def _words(ctx: Context, read_only: bool) -> str:
    return f"BEGIN {'READ ONLY' if read_only else 'READ WRITE'}; {_named(ctx)}"


def ask_as(ctx: Context, query: str) -> Any:
    """The first row of one reading statement with the identity of ``ctx``, in a transaction of its own: one way to the server and
    back, for a page that reads the same statement very often.

    From the second time on a connection keeps its plan. No value of a visitor may stand in it but one that was checked.
    """
    pooled = engine().raw_connection()
    driver: Any = pooled.driver_connection
    plans: dict[str, str] = pooled.info.setdefault("hq_plans", {})
    # Several statements in one message are one transaction, which the server ends by itself.
    identity = f"SET TRANSACTION READ ONLY; {_named(ctx)}"
    try:
        driver.autocommit = True
        try:
            cursor = driver.execute(f"{identity}; {_planned(driver, plans, query)}", prepare=False)
        except psycopg.errors.InvalidSqlStatementName:  # psycopg drops every plan of a connection after a ROLLBACK
            plans.clear()
            cursor = driver.execute(f"{identity}; {query}", prepare=False)
        return cursor.set_result(-1).fetchone()
    except psycopg.Error as error:
        if driver.closed:
            pooled.invalidate(error)
        raise DBAPIError(query, None, error, connection_invalidated=driver.closed) from error
    finally:
        pooled.close()


MOST_PLANS = 100
"""Plans of ``ask_as`` that one connection keeps."""


def _planned(driver: Any, plans: dict[str, str], query: str) -> str:
    """What runs the query: itself the first time, since most filters are asked for once; then its plan."""
    name = plans.get(query)
    if name is None:
        while len(plans) >= MOST_PLANS:
            if dropped := plans.pop(next(iter(plans))):
                driver.execute(f"DEALLOCATE {dropped}", prepare=False)
        plans[query] = ""
        return query
    if not name:
        name = f"hq_{new_id().hex}"
        driver.execute(f"PREPARE {name} AS {query}", prepare=False)
        plans[query] = name
    return f"EXECUTE {name}"


def ask_alone(query: str, values: Sequence[Any]) -> Any:
    """The first row of one statement in a transaction of its own without identity; ``None`` without a row.

    For a function of the owner that decides by its arguments alone what it tells: it costs one way to the server and back.
    """
    pooled = engine().raw_connection()
    driver: Any = pooled.driver_connection
    try:
        driver.autocommit = True
        return driver.execute(query, values).fetchone()
    except psycopg.Error as error:
        if driver.closed:
            pooled.invalidate(error)
        raise OperationalError(query, None, error) from error
    finally:
        pooled.close()


def unit() -> Unit:
    """The running transaction. Raises ``RuntimeError`` outside a use case or ``reading``."""
    current = _unit.get()
    if current is None:
        raise RuntimeError("no transaction: call this inside a use case or reading()")
    return current


def running() -> Unit | None:
    """The running transaction, or ``None``."""
    return _unit.get()


def session() -> Session:
    """The session of the running transaction."""
    return unit().session


@contextmanager
def transaction(ctx: Context, *, read_only: bool = False) -> Iterator[Unit]:
    """Opens a transaction with the actor's identity; commits at the end, rolls back on any exception."""
    with Session(engine(), expire_on_commit=False, autoflush=True) as opened:
        current = Unit(opened, ctx, read_only)
        mark = _unit.set(current)
        try:
            opened.connection(execution_options={"hq_begin": _words(ctx, read_only)})
            yield current
            opened.commit()
        except BaseException:
            opened.rollback()
            raise
        finally:
            _unit.reset(mark)


@contextmanager
def elevated(ctx: Context, name: str) -> Iterator[Context]:
    """The same transaction with the portal's own identity, for what one room tells another.

    The person stays the actor of the audit events; only row-level security and permissions are the system's.
    """
    current = unit()
    current.session.flush()
    system = Context.of_system(name)
    acting = Context(
        ctx.actor_id, ctx.org_id, system.org_kind, system.roles, system.permissions,
        person_name=ctx.person_name, org_name=ctx.org_name, system=name, request_id=ctx.request_id,
    )
    identify(current.session, acting)
    before, current.context = current.context, acting
    try:
        yield acting
        current.session.flush()
    finally:
        current.context = before
        if current.session.is_active:
            # In a transaction that a statement has broken nothing more can run, and the first error is to be told.
            with suppress(InternalError):
                identify(current.session, before)


def get_or_404(model: type[T], key: UUID | None, *, lock: bool = False) -> T:
    """Loads by id what the actor may see. Raises ``Refusal(NOT_FOUND)``."""
    found = session().get(model, key, with_for_update=True if lock else None, populate_existing=lock) if key else None
    if found is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    return found
