"""Folders and small private files, with errors an operator can read."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

REASONS = {
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.ENOTDIR: "a part of the path is a file",
    errno.ENOENT: "no folder can be made there",
}


class ReadableError(Exception):
    """An error whose message is one sentence for the operator; commands print it without a traceback."""


class FolderError(ReadableError):
    """A folder or file that the portal needs cannot be used."""


def folder_error(path: Path, error: OSError) -> FolderError:
    """The sentence for a file error: which path, and why in words."""
    reason = REASONS.get(error.errno or 0, error.strerror or str(error))
    return FolderError(f"Cannot write to {path}: {reason}.")


def prepare_folder(path: Path) -> None:
    """Make the folder if need be, and prove that it can be written. Raises ``FolderError``.

    A folder made by root may be passed through by others: the database server then runs under another
    account (see ``accounts``) and keeps its files below. The private files inside carry mode 0600.
    """
    try:
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        probe = path / f".probe-{secrets.token_hex(4)}"
        try:
            probe.write_bytes(b"probe")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise folder_error(path, error) from error


def create_private_file(path: Path, make: Callable[[], str]) -> str:
    """Return the text of the file; where it is absent, make it once, readable by its owner alone.

    Two processes that start together agree: the text is written aside and linked into place, and the loser
    reads what the winner wrote.
    """
    try:
        if not path.exists():
            aside = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
                handle.write(make())
                handle.flush()
                os.fsync(handle.fileno())
            try:
                os.link(aside, path)
            except FileExistsError:
                pass
            finally:
                aside.unlink()
        return path.read_text()
    except OSError as error:
        raise folder_error(path, error) from error


def create_private_json(path: Path, make: Callable[[], dict[str, str]]) -> dict[str, Any]:
    """``create_private_file`` for a JSON object."""
    text = create_private_file(path, lambda: json.dumps(make()))
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise FolderError(f"{path} is damaged; put back the original from your own backup.") from error
    if not isinstance(value, dict):
        raise FolderError(f"{path} is damaged; put back the original from your own backup.")
    return value
