"""The unprivileged account under which embedded servers run, and where their files may lie.

PostgreSQL refuses to run as root. When the portal is started by root its servers run under another account,
and that account must reach its data folder and the server's programs. Home folders such as /root are closed
to it: then the data and a copy of the programs go to /var/lib/huiqiao, rather than opening somebody's home.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.paths import FolderError, folder_error

ACCOUNT_NAMES = ("huiqiao", "postgres", "nobody")
SHARED_PLACE = Path("/var/lib/huiqiao")


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group number to run a server with."""

    uid: int
    gid: int


def account_for(folder: Path) -> Account | None:
    """Who runs the server whose files lie in ``folder``; ``None`` means the user we already are.

    An existing data folder decides, since its owner must stay the same from one start to the next.
    """
    if os.geteuid() != 0:
        return None
    if folder.is_dir() and (owner := folder.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in ACCOUNT_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise FolderError(
        "PostgreSQL does not run as root and no other account was found; "
        "create one with: useradd --system huiqiao."
    )


def run_as(account: Account | None) -> dict[str, Any]:
    """Keyword arguments for ``subprocess`` that start a program under the account, outside of our folder."""
    clean = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    if account is None:
        return {"env": clean, "cwd": "/"}
    return {"env": clean, "cwd": "/", "user": account.uid, "group": account.gid, "extra_groups": []}


def data_folder(instance: Path, name: str) -> tuple[Path, Account | None]:
    """The folder for a server's files, owned by the account that shall run it, and that account."""
    folder = instance / name
    account = account_for(folder)
    try:
        if account is None:
            folder.mkdir(exist_ok=True, mode=0o700)
            _check_ownership(folder)
            return folder, None
        if not folder.exists():
            _make_folder(folder, account)
        place = folder.resolve()
    except OSError as error:
        raise folder_error(folder, error) from error
    if not _reaches(account, place):
        raise FolderError(
            f"{place} cannot be reached by the account that runs the database (user {account.uid}); "
            "choose another folder with HUIQIAO_INSTANCE."
        )
    return place, account


def _check_ownership(folder: Path) -> None:
    if folder.stat().st_uid != os.geteuid():
        raise FolderError(
            f"{folder} belongs to another user (was the portal started as root before?); "
            "start it as that user, or choose another folder with HUIQIAO_INSTANCE."
        )


def _make_folder(folder: Path, account: Account) -> None:
    """Make the data folder, or a link to one under /var/lib/huiqiao where the account cannot pass through."""
    if _reaches(account, folder.parent):
        place = folder
        place.mkdir(mode=0o700)
    else:
        if folder.is_symlink():
            folder.unlink()
        place = SHARED_PLACE / f"{folder.name}-{secrets.token_hex(6)}"
        SHARED_PLACE.mkdir(parents=True, exist_ok=True)
        SHARED_PLACE.chmod(0o755)
        place.mkdir(mode=0o700)
        folder.symlink_to(place)
    os.chown(place, account.uid, account.gid)


def reachable_programs(
    account: Account | None, root: Path, program: str, label: str, copy: Sequence[str]
) -> Path:
    """The folder under which ``program`` (a path below it) can be run by the account.

    That is ``root`` itself where it is open; else a copy of the parts ``copy`` under /var/lib/huiqiao that
    keeps the layout, because programs find libraries relative to themselves. ``label`` names the version.
    """
    if account is None or _reaches(account, root / program):
        return root
    place = SHARED_PLACE / label
    if place.is_dir():
        return place
    aside = SHARED_PLACE / f".{label}-{secrets.token_hex(4)}"
    try:
        SHARED_PLACE.mkdir(parents=True, exist_ok=True)
        SHARED_PLACE.chmod(0o755)
        for part in copy:
            shutil.copytree(root / part, aside / part, symlinks=True)
        for path in [aside, *aside.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        aside.rename(place)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if not place.is_dir():
            raise folder_error(place, error) from error
    return place


def _reaches(account: Account, path: Path) -> bool:
    """Ask the kernel, since mode bits alone do not tell about ACLs and mounts."""
    test = subprocess.run(["/usr/bin/test", "-x", str(path)], check=False, **run_as(account))
    return test.returncode == 0
