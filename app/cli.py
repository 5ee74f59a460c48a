"""The ``huiqiao`` command."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import click
from cryptography.fernet import Fernet
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from app.core import backup as backups
from app.core import database
from app.core.embedded import servers
from app.core.paths import REASONS, ReadableError
from app.core.settings import Settings, SettingsError, load_settings
from app.credit import commands as credit_commands
from app.evidence import commands as evidence_commands
from app.identity import commands as identity_commands
from app.market import commands as market_commands
from app.pool import commands as pool_commands


class Portal(click.Group):
    """A group whose errors are one sentence on stderr and exit code 1, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ReadableError as error:
            raise click.ClickException(str(error)) from error
        except OperationalError as error:
            reason = str(error.orig).strip().splitlines()[0]
            raise click.ClickException(f"The database cannot be used: {reason}.") from error
        except OSError as error:
            if error.errno not in REASONS or error.filename is None:
                raise
            raise click.ClickException(f"Cannot use {error.filename}: {REASONS[error.errno]}.") from error


@click.group(cls=Portal, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """惠桥 Huiqiao, the growth service platform for small firms."""


@main.command()
def up() -> None:
    """Start everything: own servers where no URL is set, migrations, web, worker, ticker."""
    from workers import supervisor

    supervisor.run(load_settings())


@main.command()
def web() -> None:
    """Run the web server alone (for systemd)."""
    _run_alone(["-m", "gunicorn", "-c", "python:workers.web", "wsgi:app"])


@main.command()
def worker() -> None:
    """Run one worker alone (for systemd)."""
    _run_alone(["-m", "workers.worker"])


@main.command()
def ticker() -> None:
    """Run the ticker alone; a second one stands by (for systemd)."""
    _run_alone(["-m", "workers.ticker"])


@main.command()
def migrate() -> None:
    """Bring the database up to date, as its owner."""
    with servers(load_settings(), with_redis=False) as ready:
        database.migrate(_owner_url(ready))
    click.echo("The database is up to date.")


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Write database and papers into FILE (a tar archive with hashes)."""
    with servers(load_settings(), with_redis=False) as ready:
        manifest = backups.backup(ready, file)
    click.echo(f"{file}: {len(manifest.files)} files, {sum(entry.size for entry in manifest.files):,} bytes.")


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace what the database holds.")
def restore(file: Path, force: bool) -> None:
    """Read database and papers back from FILE, after checking its hashes."""
    with servers(load_settings(), with_redis=False) as ready:
        manifest = backups.restore(ready, file, force=force)
    click.echo(f"Restored the state of {manifest.made_at}.")


@main.command("new-field-key")
def new_field_key() -> None:
    """Print a fresh key for HUIQIAO_FIELD_KEYS."""
    click.echo(Fernet.generate_key().decode())


@main.group("db")
def db() -> None:
    """Look after the database."""


@db.command("check-role")
def check_role() -> None:
    """Prove that the portal's role is neither superuser nor allowed past row-level security."""
    with servers(load_settings(), with_redis=False) as ready:
        _check_role(ready)
    click.echo("The portal's role is as it must be.")


def _check_role(settings: Settings) -> None:
    if settings.database_url is None:
        raise SettingsError("DATABASE_URL is not set.")
    engine = create_engine(settings.database_url)
    try:
        database.check_role(engine)
    except RuntimeError as error:
        raise ReadableError(str(error)) from error
    finally:
        engine.dispose()


def _owner_url(settings: Settings) -> str:
    if settings.migration_database_url is None:
        raise SettingsError("MIGRATION_DATABASE_URL is not set; it names the owner of the tables.")
    return settings.migration_database_url


def _run_alone(arguments: list[str]) -> None:
    """Become that process, so that systemd's signals reach it; it never learns the owner's URL."""
    settings = load_settings()
    if settings.database_url is None or settings.redis_url is None:
        raise SettingsError("DATABASE_URL and REDIS_URL must be set; without them use: huiqiao up.")
    _check_role(settings)
    os.environ.pop("MIGRATION_DATABASE_URL", None)
    os.environ["HUIQIAO_DEMO"] = "1" if settings.demo else "0"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.chdir(Path(__file__).resolve().parents[1])
    try:
        os.execv(sys.executable, [sys.executable, *arguments])
    except OSError as error:
        raise ReadableError(
            f"Cannot start {arguments[1]}: {os.strerror(error.errno or errno.EIO)}."
        ) from error


def register(group: click.Group) -> None:
    """The one place where rooms add their commands, each named explicitly."""
    evidence_commands.add_to(group, _prepare)
    credit_commands.add_to(group, _prepare)
    identity_commands.add_to(group, _prepare)
    pool_commands.add_to(group, _prepare)
    group.add_command(market_commands.market)


def _prepare(settings: Settings) -> None:
    """Rooms and database; imported late, since most commands need neither."""
    from app.factory import prepare

    prepare(settings)


register(main)

if __name__ == "__main__":
    main()
