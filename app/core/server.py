"""A server program as a child process: locked, logged, and never left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar

from app.core.accounts import Account, run_as
from app.core.paths import ReadableError, folder_error, prepare_folder
from app.core.tether import stop_process, tethered

SOCKET_NAME_ROOM = 93  # bytes: a socket's path holds 107, and PostgreSQL adds "/.s.PGSQL.5432"
LOG_LIMIT = 10 * 1024 * 1024  # bytes kept of an old server log


class ServerError(ReadableError):
    """An embedded server cannot be started; the message is one sentence."""


class AlreadyRunning(ServerError):
    """Another process holds the servers of this instance folder."""


class Server:
    """What both servers share: the lock on the instance folder, the log, the child process.

    ``stop_steps`` are signals with the seconds each is given before the next.
    """

    name: str
    stop_steps: ClassVar[list[tuple[int, float]]]

    def __init__(self, instance: Path) -> None:
        self.instance = instance.absolute()
        self.process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._short_folder: Path | None = None

    @property
    def log(self) -> Path:
        """Where the server writes what happens to it."""
        return self.instance / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """Whether the server that ``start`` started is still there."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Stop the server cleanly and let go of the instance folder; harmless when it does not run."""
        if self.process is not None:
            stop_process(self.process, self.stop_steps)
            self.process = None
        if self._short_folder is not None:
            shutil.rmtree(self._short_folder, ignore_errors=True)
            self._short_folder = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def take_lock(self) -> None:
        """Hold the instance folder until ``stop``. Raises ``AlreadyRunning`` where another holds it."""
        if self._lock is not None:
            return
        prepare_folder(self.instance)
        path = self.instance / f"{self.name}.lock"
        try:
            handle = open(path, "a")  # noqa: SIM115 - held until stop
        except OSError as error:
            raise folder_error(path, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            raise AlreadyRunning(
                f"{self.instance} is already used by another huiqiao process; stop that one first, "
                "or choose another folder with HUIQIAO_INSTANCE."
            ) from error
        self._lock = handle

    def socket_folder(self, home: Path, account: Account | None) -> Path:
        """A folder only the server's account enters, short enough for the name of a socket."""
        folder = home / "socket"
        if len(os.fsencode(folder)) > SOCKET_NAME_ROOM:
            if self._short_folder is None:
                self._short_folder = Path(tempfile.mkdtemp(prefix="huiqiao-", dir="/tmp"))
            folder = self._short_folder
        folder.mkdir(exist_ok=True, mode=0o700)
        if account is not None:
            os.chown(folder, account.uid, account.gid)
        return folder

    def spawn(self, command: list[str], account: Account | None, signum: int) -> None:
        """Start the program under the account; it is sent ``signum`` should this process be killed."""
        try:
            keep = self.log.exists() and self.log.stat().st_size < LOG_LIMIT
            with open(self.log, "ab" if keep else "wb") as log:
                self.log.chmod(0o600)
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for the supervisor, which stops in order
                    preexec_fn=tethered(signum),  # a change of user would clear an earlier wish
                    **run_as(account),
                )
        except OSError as error:
            raise folder_error(self.log, error) from error

    def failure(self, what: str) -> ServerError:
        """The sentence for a server that did not come up, from the end of its log."""
        tail = ""
        with suppress(OSError):
            tail = self.log.read_bytes()[-4000:].decode(errors="replace")
        if "No space left on device" in tail:
            return ServerError(f"{what} could not start: the disk that holds {self.instance} is full.")
        return ServerError(f"{what} could not start; the reason stands at the end of {self.log}.")
