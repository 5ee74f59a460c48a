"""Workers of the portal as processes of their own, who score chunks of firms by turns, as the queue ``long`` deals them out."""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import reduce
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import numpy as np
from cryptography.fernet import Fernet
from numpy.typing import NDArray

from app.core import database, outbox, storage
from app.core.context import Context
from app.core.memory import keep_freed_memory
from app.core.secrets import configure_keys
from app.credit.service import compute_profiles

SYSTEM = Context.of_system("bench")
PHASES = (
    ("app.credit.computing:answers_of", "waiting for facts"), ("app.credit.storing:News.write", "storing"),
    ("app.evidence.frames:Answers.frames", "facts taken apart"), ("scoring.features.compute:compute", "features"),
    ("scoring.reasons:account_table", "score and reasons"), ("app.credit.service:news", "profiles written down"),
)
"""What is timed apart: the first two in the database's thread, the others meanwhile in the caller's."""


class Stopwatch:
    """Seconds by phase of what runs inside it, and the rows that were scored."""

    def __init__(self, stack: ExitStack) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.scored: list[NDArray[np.float64]] = []
        for place, phase in PHASES:
            module, _, names = place.partition(":")
            *owners, name = names.split(".")
            holder = reduce(getattr, owners, import_module(module))
            stack.enter_context(patch.object(holder, name, self._around(getattr(holder, name), phase)))

    def _around(self, inner: Callable[..., Any], phase: str) -> Callable[..., Any]:
        def outer(*given: Any, **named: Any) -> Any:
            started = time.perf_counter()
            answer = inner(*given, **named)
            self.seconds[phase] += time.perf_counter() - started
            if phase == "score and reasons":
                self.scored.append(np.asarray(given[2]))
            return answer

        return outer


class Crew:
    """So many workers on one database. They end, finished or not, with ``stack``."""

    def __init__(self, stack: ExitStack, app_url: str, folder: Path, workers: int) -> None:
        context = get_context("spawn")
        self._folder = folder
        self._ends: list[Connection] = []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, app_url, folder))
            process.start()
            theirs.close()
            self._ends.append(ours)
            stack.callback(process.join)
            stack.callback(ours.close)  # before the join: a worker ends when nobody is left to ask it

    def score(self, chunks: Iterable[Sequence[UUID]]) -> int:
        """Each chunk by whoever is free first. Returns how many firms have a score afterwards."""
        left = iter(chunks)
        busy, scored = [], 0
        for end, chunk in zip(self._ends, left, strict=False):
            end.send(chunk)
            busy.append(end)
        while busy:
            for end in [end for end in busy if end in wait(busy)]:
                scored += end.recv()
                following = next(left, None)
                if following is None:
                    busy.remove(end)
                else:
                    end.send(following)
        return scored

    def told(self) -> tuple[defaultdict[str, float], NDArray[np.float64], float]:
        """Seconds by phase of all workers together, the rows they scored, and the peak memory (MB) of the largest of them, since
        this was asked last."""
        seconds: defaultdict[str, float] = defaultdict(float)
        rows, peaks = [], []
        for number, end in enumerate(self._ends):
            path = self._folder / f"scored-{number}.npy"
            end.send(path)
            spent, peak = end.recv()
            for phase, part in spent.items():
                seconds[phase] += part
            peaks.append(peak)
            rows.append(np.load(path))
            path.unlink()
        return seconds, np.concatenate(rows), max(peaks)


def _work(end: Connection, app_url: str, folder: Path) -> None:
    keep_freed_memory()  # as a worker does
    database.configure(app_url)
    configure_keys([Fernet.generate_key().decode()])
    storage.configure_storage(folder / "papers")
    outbox.configure_queue(None)
    with ExitStack() as stack:
        watch = Stopwatch(stack)
        while True:
            try:
                asked = end.recv()
            except EOFError:
                break
            if isinstance(asked, Path):
                np.save(asked, np.concatenate(watch.scored))
                end.send((watch.seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
                watch.seconds.clear()
                watch.scored.clear()
            else:
                end.send(compute_profiles(SYSTEM, asked))
    database.dispose()
