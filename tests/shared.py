"""What the processes of one run make once: a folder in memory that the first of them opens and clears away."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

SHARED = "HUIQIAO_TEST_FOLDER"  # environment variable: where the workers find it
ENOUGH_MEMORY = 4 * 1024**3
"""Bytes free in /dev/shm from which the files of a run lie there; a run needs a quarter of it."""


def place() -> str:
    """In memory where there is room: a database a test is files made and thrown away again."""
    memory = Path("/dev/shm")
    room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ENOUGH_MEMORY
    return str(memory) if room else "/tmp"


def open_folder() -> Callable[[], None]:
    """Makes the folder, unless a process before this one has. Returns what clears it away."""
    if SHARED in os.environ:
        return lambda: None
    folder = os.environ[SHARED] = tempfile.mkdtemp(prefix="huiqiao-shared-", dir=place())

    def clear() -> None:
        del os.environ[SHARED]
        shutil.rmtree(folder, ignore_errors=True)

    return clear


def folder(name: str) -> Path:
    """A folder that every process of the run writes to."""
    path = Path(os.environ[SHARED]) / name
    path.mkdir(exist_ok=True)
    return path


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """A file that the first process to ask for it makes, while the others wait."""
    path = Path(os.environ[SHARED]) / name
    with open(path.with_suffix(".lock"), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not path.exists():
            make(path)
    return path
