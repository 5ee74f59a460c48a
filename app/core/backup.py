"""Backup and restore: the database, the papers and a manifest of SHA-256 in one tar archive.

The keys that encrypt single fields (HUIQIAO_FIELD_KEYS) are not inside: who finds the archive must not find
them too.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Any

import psycopg
from sqlalchemy.engine import make_url

from app.core.embedded import postgres_programs
from app.core.paths import ReadableError, folder_error
from app.core.settings import Settings

FORMAT = 1
DUMP = "database.dump"
MANIFEST = "manifest.json"
PAPERS = "papers/"
PIECE = 1024 * 1024
LOCK_PATIENCE = "30s"
ENVIRONMENT = {  # libpq: how a connection parameter is called after PG
    "host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "DATABASE",
    "sslmode": "SSLMODE", "sslrootcert": "SSLROOTCERT", "sslcert": "SSLCERT", "sslkey": "SSLKEY",
}  # fmt: skip


class BackupError(ReadableError):
    """A backup or a restore did not happen; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive; ``size`` in bytes, ``sha256`` in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds; ``made_at`` is ISO 8601 in UTC."""

    format: int
    made_at: str
    revision: str | None
    server_version: int
    files: tuple[Entry, ...]


def backup(settings: Settings, file: Path) -> Manifest:
    """Write the archive. Papers are only ever added, so a dump taken first never misses one.

    Needs ``migration_database_url``: the owner sees every row. Raises ``BackupError`` where the file
    exists, the tools lack or the dump fails; nothing half-written stays behind.
    """
    url = _owner_url(settings)
    if file.exists():
        raise BackupError(f"{file} exists already; choose another name.")
    part = file.with_name(f".{file.name}-{secrets.token_hex(4)}.part")
    try:
        with tempfile.TemporaryDirectory(prefix="huiqiao-backup-", dir=file.absolute().parent) as folder:
            dump = Path(folder) / DUMP
            version, revision = _server_state(url)
            _run(_tool("pg_dump", version), ["--format=custom", f"--file={dump}", "--no-owner"], url)
            with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                manifest = _write_archive(handle, dump, settings.papers, version, revision)
                handle.flush()
                os.fsync(handle.fileno())
        part.rename(file)
    except OSError as error:
        raise folder_error(file, error) from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


def restore(settings: Settings, file: Path, *, force: bool = False) -> Manifest:
    """Check every hash, then replace database and papers; the database changes wholly or not at all.

    Raises ``BackupError`` where a hash differs, where the database holds tables and ``force`` is not given,
    or where the restore fails.
    """
    url = _owner_url(settings)
    settings.papers.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="huiqiao-restore-", dir=settings.papers.parent) as folder:
            manifest = _unpack(file, Path(folder))
            if not force and _holds_tables(url):
                raise BackupError("The database is not empty; restore with --force to replace what it holds.")
            _replace_database(url, Path(folder))
            _replace_papers(settings.papers, Path(folder) / "papers")
    except OSError as error:
        raise folder_error(settings.papers, error) from error
    return manifest


def read_manifest(file: Path) -> Manifest:
    """The manifest of an archive. Raises ``BackupError`` where the file is no archive of ours."""
    with _opened(file) as archive:
        return _manifest_of(file, archive)


def _write_archive(
    handle: IO[bytes], dump: Path, papers: Path, version: int, revision: str | None
) -> Manifest:
    entries = []
    with tarfile.open(fileobj=handle, mode="w", format=tarfile.PAX_FORMAT) as archive:
        sources = [(DUMP, dump)]
        if papers.is_dir():
            sources += [
                (PAPERS + path.relative_to(papers).as_posix(), path)
                for path in sorted(papers.rglob("*"))
                if path.is_file() and not path.is_symlink()
            ]
        for name, path in sources:
            entries.append(_add(archive, name, path))
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = Manifest(FORMAT, made_at, revision, version, tuple(entries))
        text = json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode()
        archive.addfile(_header(MANIFEST, len(text)), io.BytesIO(text))
    return manifest


class _Hashing(io.RawIOBase):
    """Reads a file and remembers the hash of what was read."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source = source
        self.digest = sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.source.read(size)
        self.digest.update(data)
        return data


def _add(archive: tarfile.TarFile, name: str, path: Path) -> Entry:
    with path.open("rb") as source:
        hashing = _Hashing(source)
        size = os.fstat(source.fileno()).st_size
        archive.addfile(_header(name, size), hashing)
    return Entry(name, size, hashing.digest.hexdigest())


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o600
    return header


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:") as archive:
            yield archive
    except tarfile.TarError as error:
        raise BackupError(f"{file} is not a backup of this portal, or it is cut short.") from error


def _manifest_of(file: Path, archive: tarfile.TarFile) -> Manifest:
    try:
        handle = archive.extractfile(MANIFEST)
        raw: dict[str, Any] = json.load(handle) if handle else {}
        entries = tuple(Entry(**entry) for entry in raw.pop("files"))
        manifest = Manifest(files=entries, **raw)
    except (KeyError, TypeError, ValueError) as error:
        raise BackupError(f"{file} is not a backup of this portal, or it is cut short.") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{file} has format {manifest.format}; this version reads format {FORMAT}.")
    return manifest


def _unpack(file: Path, folder: Path) -> Manifest:
    """Write the files the manifest names, and nothing else, while comparing their hashes."""
    with _opened(file) as archive:
        manifest = _manifest_of(file, archive)
        if DUMP not in {entry.name for entry in manifest.files}:
            raise BackupError(f"{file} holds no database.")
        for entry in manifest.files:
            target = folder / _safe_name(file, entry.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                source = archive.extractfile(entry.name)
            except KeyError:
                source = None
            if source is None:
                raise BackupError(f"{file} is damaged: {entry.name} is missing.")
            digest = sha256()
            with source, target.open("xb") as out:
                while piece := source.read(PIECE):
                    digest.update(piece)
                    out.write(piece)
            if digest.hexdigest() != entry.sha256:
                raise BackupError(f"{file} is damaged: {entry.name} has another hash than the manifest.")
    return manifest


def _safe_name(file: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if name != DUMP and (not name.startswith(PAPERS) or ".." in path.parts or path.is_absolute()):
        raise BackupError(f"{file} names a file outside of the backup: {name}.")
    return path


def _replace_database(url: str, folder: Path) -> None:
    version, _ = _server_state(url)
    script, clear = folder / "restore.sql", folder / "clear.sql"
    _run(_tool("pg_restore", version), ["--no-owner", f"--file={script}", str(folder / DUMP)], None)
    clear.write_text(f"SET lock_timeout = '{LOCK_PATIENCE}';\nDROP OWNED BY CURRENT_USER;\n")
    try:
        _run(
            _tool("psql", version),
            ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null",
             f"--file={clear}", f"--file={script}"],
            url,
        )  # fmt: skip
    except BackupError as error:
        if "lock timeout" in str(error):
            raise BackupError("The database is in use; stop web, worker and ticker first.") from error
        raise


def _replace_papers(papers: Path, fresh: Path) -> None:
    fresh.mkdir(exist_ok=True)
    old = papers.with_name(f".{papers.name}-{secrets.token_hex(4)}.old")
    if papers.exists():
        papers.rename(old)
    fresh.rename(papers)
    shutil.rmtree(old, ignore_errors=True)


def _holds_tables(url: str) -> bool:
    with psycopg.connect(_plain(url)) as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema'))"
        ).fetchone()
    return bool(row and row[0])


def _server_state(url: str) -> tuple[int, str | None]:
    """Major version of the server, and the migration it stands at."""
    try:
        with psycopg.connect(_plain(url), connect_timeout=10) as connection:
            major = connection.info.server_version // 10000
            known = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
            row = None
            if known and known[0]:
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise BackupError(f"The database cannot be reached ({reason}).") from error
    return major, str(row[0]) if row else None


def _tool(name: str, server: int) -> Path:
    """The oldest tool not older than the server: newer ones write settings that older servers refuse."""
    found: dict[int, Path] = {}
    for major in (16, 18):
        found.setdefault(major, postgres_programs(major=major) / name)
    candidates = [
        Path("/usr/lib/postgresql") / str(major) / "bin" / name for major in range(server, server + 10)
    ]
    on_path = shutil.which(name)
    for path in [*candidates, *([Path(on_path)] if on_path else [])]:
        if path.exists() and (match := re.search(r"\) (\d+)", _version_text(path))):
            found.setdefault(int(match[1]), path)
    fitting = [major for major in found if major >= server]
    if not fitting:
        raise BackupError(
            f"PostgreSQL {server} needs its own {name}; "
            f"install it with: apt-get install postgresql-client-{server}."
        )
    return found[min(fitting)]


def _version_text(path: Path) -> str:
    return subprocess.run([path, "--version"], check=False, capture_output=True, text=True).stdout


def _run(tool: Path, arguments: list[str], url: str | None) -> None:
    """Run a PostgreSQL tool; the connection goes through the environment, where ``ps`` does not show it."""
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    if url is not None:
        parsed = psycopg.conninfo.conninfo_to_dict(_plain(url))
        environment |= {f"PG{ENVIRONMENT[key]}": str(parsed[key]) for key in ENVIRONMENT if parsed.get(key)}
    done = subprocess.run(
        [str(tool), *arguments], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode != 0:
        said = done.stderr.splitlines()
        lines = [line for line in said if "error" in line.lower()] or said
        raise BackupError(f"{tool.name} failed: {(lines or ['no reason given'])[0].strip()}")


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _owner_url(settings: Settings) -> str:
    if settings.migration_database_url is None:
        raise BackupError(
            "MIGRATION_DATABASE_URL is not set; backup and restore work as the owner of the tables."
        )
    return settings.migration_database_url
