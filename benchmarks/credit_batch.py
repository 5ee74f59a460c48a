"""A city scored from its evidence, against the part of that work nobody can leave out.

Ours: ``credit.service.compute_profiles``, a chunk of firms to a transaction as a worker does it: how far the deliveries tell,
consents, facts of every source read under row-level security as the login role, features, score, exact reasons, profiles stored
with their snapshot and audit event; then the rank of everybody in one statement (a rank is told from the stored scores at the
moment it is asked: one firm's new score moves all others). Floor, in the same run: the same numbers, days and words of all facts
in force copied out of the same tables by the owner, as fast as libpq hands them over, into nothing; then ``Booster.predict`` and
the fast contributions on the finished matrix. Both are one client and one connection; ours has a second thread in which it waits
for the database. ``BENCH_FIRMS`` and ``BENCH_CHUNK``: other sizes. ``BENCH_TOWN``: a folder in which the town stays, so that
``python -m benchmarks.credit_batch`` fills it once, at any time, and measuring finds it there.
"""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import text

from app.core.database import session, transaction
from app.core.memory import keep_freed_memory
from app.credit import model_service
from app.credit.queries import array_text, consenting_firms
from app.credit.rules import PARAMETERS
from app.credit.service import compute_profiles
from app.evidence.items import ITEMS, Kind
from app.evidence.rules import INVOICES
from app.evidence.shapes import SHAPES
from benchmarks.measure import Bench, Result, bench_database
from benchmarks.town import MONTHS, SEED, SOURCES, SYSTEM, fill
from scoring.city_training import table
from scoring.contributions import Explainer
from scoring.model import Model
from scoring.training import train

FIRMS = int(os.environ.get("BENCH_FIRMS", "100000"))
TOWN = Path(os.environ["BENCH_TOWN"]) if "BENCH_TOWN" in os.environ else None
CHUNK = int(os.environ.get("BENCH_CHUNK", str(PARAMETERS.chunk)))
TRAINED_ON = 1500
TARGET = 2.5
PHASES = (
    ("app.credit.computing:answers_of", "waiting for facts"), ("app.credit.storing:News.write", "storing"),
    ("app.evidence.frames:Answers.frames", "facts taken apart"), ("scoring.features.compute:compute", "features"),
    ("scoring.reasons:account_table", "score and reasons"), ("app.credit.service:news", "profiles written down"),
)
"""What is timed apart inside ours: the first two in the database's thread, the others meanwhile in the caller's."""

_RANKS = text("select count(percent) from hq_profile_place(cast(:ids as uuid[]))")


class Stopwatch:
    """Seconds by phase of what runs inside it, and the rows that were scored."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.scored: list[NDArray[np.float64]] = []

    def timed(self, place: str, phase: str, stack: ExitStack) -> None:
        """Times every call of the function at ``place`` (``module:name`` or ``module:class.name``) under ``phase``."""
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


def run() -> list[Result]:
    """Firms a second of both, and where the time goes."""
    keep_freed_memory()  # as a worker does
    with bench_database(TOWN) as bench:
        model = _prepared(bench)
        with transaction(SYSTEM, read_only=True):
            firms = consenting_firms()
        _cleared(bench)
        compute_profiles(SYSTEM, firms[:CHUNK])  # libraries, kernels and plans are there by then
        _cleared(bench)
        total, watch, scored = _ours(firms)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        assert scored == sum(map(len, watch.scored)) > FIRMS // 2, scored
        print(f"ours, {CHUNK} firms a chunk: {total:.1f} s; {_told(watch.seconds)}; peak memory {peak:,.0f} MB", flush=True)
        floor = _floor(bench, np.concatenate(watch.scored), model)
        print(f"floor: {sum(floor.values()):.1f} s; {_told(floor)}", flush=True)
        again = time.perf_counter()
        for low in range(0, len(firms), CHUNK):
            compute_profiles(SYSTEM, firms[low : low + CHUNK])
        print(f"the same again, nothing new to write: {time.perf_counter() - again:.1f} s", flush=True)
        least = sum(floor.values())
        ours_rate, floor_rate = f"{FIRMS / total:,.0f}/s", f"{FIRMS / least:,.0f}/s"
        return [Result("credit.batch", ours_rate, floor_rate, total / least, TARGET, at_least=False)]


def _prepared(bench: Bench) -> Model:
    """The town and a model that scores, unless they are there already."""
    path = bench.folder / "model.json"
    if path.exists():
        return Model.load(path)
    started = time.perf_counter()
    rows = fill(bench, FIRMS)
    print(f"{FIRMS:,} firms, {rows:,} facts of {MONTHS} months, put there in {time.perf_counter() - started:.0f} s", flush=True)
    model = train(table(TRAINED_ON, MONTHS, SEED), trained_at=date(2026, 11, 1))
    model.save(bench.folder / "model.new")
    model_service.register_model(SYSTEM, bench.folder / "model.new")
    (bench.folder / "model.new").rename(path)
    return model


def _cleared(bench: Bench) -> None:
    """No profile stands, and no horizon of a delivery has been counted."""
    with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
        owner.execute("delete from credit_profile")
        for statement in ("alter table credit_horizon disable trigger user", "delete from credit_horizon",
                          "alter table credit_horizon enable trigger user", "vacuum credit_profile, credit_horizon, score_count"):
            owner.execute(statement)


def _ours(firms: Sequence[Any]) -> tuple[float, Stopwatch, int]:
    watch = Stopwatch()
    with ExitStack() as stack:
        for place, phase in PHASES:
            watch.timed(place, phase, stack)
        started, scored = time.perf_counter(), 0
        for low in range(0, len(firms), CHUNK):
            scored += compute_profiles(SYSTEM, firms[low : low + CHUNK])
        ranking = time.perf_counter()
        with transaction(SYSTEM, read_only=True):
            ranked = session().scalar(_RANKS, {"ids": array_text(firms)})
        watch.seconds["ranks"] = time.perf_counter() - ranking
        assert ranked == scored, (ranked, scored)
        return time.perf_counter() - started, watch, scored


def _copied(item: str) -> str:
    """The columns of an item that say anything to a score, of every fact in force."""
    shape = SHAPES[item]
    if item == INVOICES:
        names = ["side", "day", "counterparty", "net_fen", "tax_fen", "gross_fen", "void"]
    else:
        names = [one.stored for one in ITEMS[item].fields if one.kind not in (Kind.TEXT, Kind.FIRM)]
    columns = ", ".join([shape.subject_column, *names])
    return f"copy (select {columns} from {shape.name} where current) to stdout (format binary)"


def _copy_out(connection: Any, statement: str) -> None:
    """Every row of the answer, as libpq hands it over: half the time of psycopg's own loop."""
    connection.exec_(statement.encode())
    take = connection.get_copy_data
    while take(0)[0] > 0:
        pass
    while connection.get_result() is not None:
        pass


def _floor(bench: Bench, rows: NDArray[np.float64], model: Model) -> dict[str, float]:
    spent: dict[str, float] = {}
    started = time.perf_counter()
    with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
        for item in SOURCES:
            _copy_out(owner.pgconn, _copied(item))
    spent["facts"] = time.perf_counter() - started
    started = time.perf_counter()
    for tree in model.trees:
        tree.predict(rows, raw_score=True, num_threads=1)
    spent["score"] = time.perf_counter() - started
    started = time.perf_counter()
    Explainer.of(model.boosters).contributions(rows)
    spent["contributions"] = time.perf_counter() - started
    return spent


def _told(spent: Mapping[str, float]) -> str:
    return ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in spent.items())


if __name__ == "__main__":
    with bench_database(TOWN) as filled:
        _prepared(filled)
