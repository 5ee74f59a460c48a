"""Words that benchmarks share: a result with its line, and a portal's database to measure on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import make_url

from app.core import database, outbox, storage
from app.core.embedded import EmbeddedPostgres
from app.core.secrets import configure_keys


@dataclass(frozen=True)
class Result:
    """Our figure and the floor's, of one run. ``target``: the ratio asked for, at least or at most; none asks for a report."""

    name: str
    ours: str
    floor: str
    ratio: float
    target: float | None = None
    at_least: bool = True

    @property
    def ok(self) -> bool:
        """Whether the ratio meets its target."""
        return self.target is None or (self.ratio >= self.target if self.at_least else self.ratio <= self.target)

    def line(self) -> str:
        """The one line a benchmark ends with."""
        asked = "none" if self.target is None else f"{'>=' if self.at_least else '<='}{self.target:g}"
        return (f"bench {self.name} ours={self.ours} floor={self.floor} ratio={self.ratio:.2f} target={asked} "
                f"{'ok' if self.ok else 'short'}")


@dataclass(frozen=True)
class Bench:
    """A migrated database as the portal runs on it, its two doors, and the operator's own. ``app_url``: the first, for a process
    of its own."""

    app_url: str
    app_dsn: str
    owner_dsn: str
    super_dsn: str
    folder: Path


@contextmanager
def bench_database(kept: Path | None = None) -> Iterator[Bench]:
    """An embedded PostgreSQL with the portal's own settings (fsync on), in a folder of its own, or in ``kept``, which stays."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
    folder = kept or Path(tempfile.mkdtemp(prefix="huiqiao-bench-"))
    folder.chmod(0o711)
    postgres = EmbeddedPostgres(folder)
    try:
        urls = postgres.start()
        database.migrate(urls.owner_url)
        database.configure(urls.app_url)
        configure_keys([Fernet.generate_key().decode()])
        storage.configure_storage(folder / "papers")
        outbox.configure_queue(None)
        owner = _plain(urls.owner_url)
        operator = make_conninfo(postgres.superuser_dsn(), dbname=make_url(urls.owner_url).database)
        yield Bench(urls.app_url, _plain(urls.app_url), owner, operator, folder)
    finally:
        database.dispose()
        postgres.stop()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
