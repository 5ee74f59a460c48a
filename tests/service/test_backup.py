"""Backup and restore of database and papers."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from app.core.backup import BackupError, backup, read_manifest, restore
from app.core.settings import Settings
from tests.database import TestDatabase


def plain(url: str) -> str:
    """A SQLAlchemy URL as psycopg reads it."""
    return url.replace("postgresql+psycopg://", "postgresql://")


def rows(url: str) -> list[tuple[object, ...]]:
    """What the table of these tests holds."""
    with psycopg.connect(plain(url)) as connection:
        return connection.execute("SELECT id, word FROM backup_probe ORDER BY id").fetchall()


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A portal with two rows under row-level security and two papers."""
    assert settings.migration_database_url is not None
    with psycopg.connect(plain(settings.migration_database_url)) as connection:
        connection.execute("CREATE TABLE backup_probe (id int PRIMARY KEY, word text NOT NULL)")
        connection.execute("INSERT INTO backup_probe VALUES (1, '惠桥'), (2, '转贷')")
        connection.execute("ALTER TABLE backup_probe ENABLE ROW LEVEL SECURITY")
        connection.execute("GRANT SELECT ON backup_probe TO huiqiao_app")
        connection.execute("CREATE POLICY see ON backup_probe FOR SELECT TO huiqiao_app USING (id = 1)")
    (settings.papers / "ab").mkdir(parents=True)
    (settings.papers / "ab" / "contract").write_bytes(b"%PDF-1.7 contract")
    (settings.papers / "授信批复").write_bytes(b"x" * 3_000_000)
    return settings


@pytest.fixture
def elsewhere(settings: Settings, empty_database: TestDatabase, tmp_path: Path) -> Settings:
    """Another, empty portal."""
    return replace(
        settings,
        database_url=empty_database.app_url,
        migration_database_url=empty_database.owner_url,
        papers=tmp_path / "elsewhere" / "papers",
    )


def test_a_restored_portal_holds_the_same_rows_papers_rights_and_policies(
    filled: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    made = backup(filled, tmp_path / "backup.tar")
    restored = restore(elsewhere, tmp_path / "backup.tar")
    assert restored == made
    assert rows(elsewhere.migration_database_url or "") == [(1, "惠桥"), (2, "转贷")]
    assert rows(elsewhere.database_url or "") == [(1, "惠桥")], (
        "the portal's role must stay behind its policy"
    )
    assert (elsewhere.papers / "ab" / "contract").read_bytes() == b"%PDF-1.7 contract"
    assert (elsewhere.papers / "授信批复").stat().st_size == 3_000_000


def test_the_manifest_names_every_file_and_the_migration_it_stands_at(
    filled: Settings, tmp_path: Path
) -> None:
    backup(filled, tmp_path / "backup.tar")
    manifest = read_manifest(tmp_path / "backup.tar")
    assert {entry.name for entry in manifest.files} == {
        "database.dump",
        "papers/ab/contract",
        "papers/授信批复",
    }
    assert manifest.revision


def test_a_backup_is_readable_by_its_owner_alone_and_never_overwrites_another(
    filled: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "backup.tar"
    backup(filled, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(BackupError, match="exists already"):
        backup(filled, file)
    assert [
        path for path in tmp_path.iterdir() if ".part" in path.name or "huiqiao-backup" in path.name
    ] == []


def test_a_database_that_holds_tables_is_replaced_only_by_force(filled: Settings, tmp_path: Path) -> None:
    backup(filled, tmp_path / "backup.tar")
    with psycopg.connect(plain(filled.migration_database_url or "")) as connection:
        connection.execute("UPDATE backup_probe SET word = 'later'")
    (filled.papers / "later").write_bytes(b"later")
    with pytest.raises(BackupError, match="--force"):
        restore(filled, tmp_path / "backup.tar")
    assert rows(filled.migration_database_url or "")[0] == (1, "later")
    restore(filled, tmp_path / "backup.tar", force=True)
    assert rows(filled.migration_database_url or "")[0] == (1, "惠桥")
    assert not (filled.papers / "later").exists()


def tampered(source: Path, target: Path, name: str, content: bytes) -> None:
    """A copy of the archive in which one file has another content."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            data = content if member.name == name else (old.extractfile(member) or io.BytesIO()).read()
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))


def test_a_changed_paper_is_found_by_its_hash_before_anything_is_touched(
    filled: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    backup(filled, tmp_path / "backup.tar")
    tampered(tmp_path / "backup.tar", tmp_path / "changed.tar", "papers/ab/contract", b"%PDF-1.7 forged!!")
    with pytest.raises(BackupError, match="papers/ab/contract has another hash"):
        restore(elsewhere, tmp_path / "changed.tar")
    assert not elsewhere.papers.exists()
    restore(elsewhere, tmp_path / "backup.tar")


def test_an_archive_cannot_write_outside_of_its_folder(
    filled: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    backup(filled, tmp_path / "backup.tar")
    with tarfile.open(tmp_path / "backup.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json") or io.BytesIO())
    manifest["files"][1]["name"] = "papers/../../escaped"
    text = json.dumps(manifest).encode()
    tampered(tmp_path / "backup.tar", tmp_path / "evil.tar", "manifest.json", text)
    with pytest.raises(BackupError, match="outside of the backup"):
        restore(elsewhere, tmp_path / "evil.tar")


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\0" * 20480])
def test_a_file_that_is_no_backup_is_refused_in_one_sentence(
    elsewhere: Settings, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "file.tar").write_bytes(content)
    with pytest.raises(BackupError, match="not a backup of this portal"):
        restore(elsewhere, tmp_path / "file.tar")


def test_a_backup_cut_short_is_refused(filled: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    backup(filled, tmp_path / "backup.tar")
    whole = (tmp_path / "backup.tar").read_bytes()
    (tmp_path / "short.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackupError):
        restore(elsewhere, tmp_path / "short.tar")


def test_a_restore_into_a_database_in_use_says_so(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(filled, tmp_path / "backup.tar")
    monkeypatch.setattr("app.core.backup.LOCK_PATIENCE", "200ms")
    with psycopg.connect(plain(filled.migration_database_url or "")) as busy:
        busy.execute("SELECT * FROM backup_probe")
        with pytest.raises(BackupError, match="in use"):
            restore(filled, tmp_path / "backup.tar", force=True)
    assert rows(filled.migration_database_url or "") == [(1, "惠桥"), (2, "转贷")]
