"""A child of the supervisor: started, watched, started again when it dies, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.core.tether import stop_process, tethered

ROOT = Path(__file__).resolve().parents[1]
FIRST_DELAY = 1.0  # seconds before the first new start
LONGEST_DELAY = 30.0  # seconds
HEALTHY_AFTER = 60.0  # seconds after which a child counts as well again


@dataclass
class Child:
    """One process of the portal. ``arguments`` follow the Python interpreter."""

    name: str
    arguments: list[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    _delay: float = FIRST_DELAY
    _started: float = field(default_factory=time.monotonic)
    _next_start: float = 0.0

    def start(self) -> None:
        """Start the process in a session of its own, so that Ctrl-C reaches the supervisor alone."""
        self._started = time.monotonic()
        self._next_start = 0.0
        self.process = subprocess.Popen(
            [sys.executable, *self.arguments],
            cwd=ROOT,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=tethered(signal.SIGTERM),
        )

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def look_after(self) -> str | None:
        """Start a dead child again, later each time; returns what happened, for the operator."""
        if self.running:
            return None
        now = time.monotonic()
        if self._next_start == 0.0:
            if now - self._started > HEALTHY_AFTER:
                self._delay = FIRST_DELAY
            self._clear_group()
            self._next_start = now + self._delay
            code = self.process.returncode if self.process else None
            message = f"{self.name} ended (code {code}); it starts again in {self._delay:.0f} s."
            self._delay = min(self._delay * 2, LONGEST_DELAY)
            return message
        if now >= self._next_start:
            self.start()
        return None

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting: a job or a request that runs is finished first."""
        if self.running and self.process is not None:
            with suppress(ProcessLookupError):
                self.process.terminate()

    def stop(self) -> None:
        """After ``ask_to_stop``: wait for the end, insist, and clear what is left of the process group."""
        if self.process is not None:
            # Signal 0 only looks: a second SIGTERM would cut the running job short.
            stop_process(self.process, [(0, 20.0), (signal.SIGTERM, 5.0)])
            self._clear_group()

    def _clear_group(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
