"""A city scored from its evidence, against the part of that work nobody can leave out.

Ours: ``credit.service.compute_profiles``, a chunk of firms to a transaction, by the workers that ``huiqiao up`` starts: how far
the deliveries tell, consents, facts of every source read under row-level security as the login role, features, score, exact
reasons, profiles stored with their snapshot and audit event; then the rank of everybody in one statement (a rank is told from
the stored scores at the moment it is asked: one firm's new score moves all others). Floor, in the same run: the same numbers,
days and words of all facts in force copied out of the same tables by the owner, as fast as libpq hands them over, into nothing;
then ``Booster.predict`` and the fast contributions on the finished matrix, by one client on one connection. How long as many
clients as ours has would copy is told beside it. ``BENCH_FIRMS``, ``BENCH_WORKERS`` and ``BENCH_CHUNK``: other sizes.
``BENCH_TOWN``: a folder in which the town stays, so that ``python -m benchmarks.credit_batch`` fills it once, at any time, and
measuring finds it there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import text

from app.core.database import session, transaction
from app.credit import model_service
from app.credit.queries import array_text, consenting_firms
from app.credit.rules import PARAMETERS
from app.credit.run_service import cut
from app.evidence.items import ITEMS, Kind
from app.evidence.rules import INVOICES
from app.evidence.shapes import SHAPES
from benchmarks.crew import Crew
from benchmarks.measure import Bench, Result, bench_database
from benchmarks.town import MONTHS, SEED, SOURCES, SYSTEM, fill
from scoring.city_training import table
from scoring.contributions import Explainer
from scoring.model import Model
from scoring.training import train

FIRMS = int(os.environ.get("BENCH_FIRMS", "100000"))
TOWN = Path(os.environ["BENCH_TOWN"]) if "BENCH_TOWN" in os.environ else None
CHUNK = int(os.environ.get("BENCH_CHUNK", str(PARAMETERS.chunk)))
WORKERS = int(os.environ.get("BENCH_WORKERS", "2"))
"""As many as the portal starts where nothing else is said."""
TRAINED_ON = 1500
TARGET = 2.5

_RANKS = text("select count(percent) from hq_profile_place(cast(:ids as uuid[]))")


def run() -> list[Result]:
    """Firms a second of both, and where the time goes."""
    with bench_database(TOWN) as bench, ExitStack() as stack:
        model = _prepared(bench)
        with transaction(SYSTEM, read_only=True):
            firms = consenting_firms()
            chunks = cut(firms, CHUNK)
        crew = Crew(stack, bench.app_url, bench.folder, WORKERS)
        _cleared(bench)
        crew.score(chunks[:WORKERS])  # libraries, kernels and plans are there by then
        crew.told()
        _cleared(bench)
        total, ranks = _ours(crew, chunks, firms)
        spent, rows, peak = crew.told()
        print(f"ours, {WORKERS} workers, {CHUNK} firms a chunk: {total:.1f} s; of all of them together {_told(spent)}; "
              f"ranks {ranks:.1f} s; peak memory {peak:,.0f} MB each", flush=True)
        floor = _floor(bench, rows, model)
        least = sum(floor.values())
        print(f"floor: {least:.1f} s; {_told(floor)}", flush=True)
        print(f"the same facts copied out by {WORKERS} clients at once: {_copied_by(WORKERS, bench):.1f} s", flush=True)
        again = time.perf_counter()
        crew.score(chunks)
        print(f"the same again, nothing new to write: {time.perf_counter() - again:.1f} s", flush=True)
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


def _ours(crew: Crew, chunks: Sequence[Sequence[UUID]], firms: Sequence[UUID]) -> tuple[float, float]:
    started = time.perf_counter()
    scored = crew.score(chunks)
    ranking = time.perf_counter()
    with transaction(SYSTEM, read_only=True):
        ranked = session().scalar(_RANKS, {"ids": array_text(firms)})
    ended = time.perf_counter()
    assert ranked == scored > FIRMS // 2, (ranked, scored)
    return ended - started, ended - ranking


def _copied(item: str, among: str = "") -> str:
    """The columns of an item that say anything to a score, of every fact in force."""
    shape = SHAPES[item]
    if item == INVOICES:
        names = ["side", "day", "counterparty", "net_fen", "tax_fen", "gross_fen", "void"]
    else:
        names = [one.stored for one in ITEMS[item].fields if one.kind not in (Kind.TEXT, Kind.FIRM)]
    columns = ", ".join([shape.subject_column, *names])
    return f"copy (select {columns} from {shape.name} where current {among}) to stdout (format binary)"


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
    Explainer.of(model.boosters).contributions(rows[:100])  # compiled by then, as it is in our workers
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


def _copied_by(clients: int, bench: Bench) -> float:
    """Seconds in which so many clients at once copy out what the floor does; all lines of invoices are as many parts."""
    parts = [_copied(INVOICES, f"and firm_no > {FIRMS * part // clients} and firm_no <= {FIRMS * (part + 1) // clients}")
             for part in range(clients)]

    def copy(statement: str) -> None:
        with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
            _copy_out(owner.pgconn, statement)

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(copy, parts + [_copied(item) for item in SOURCES if item != INVOICES]))
    return time.perf_counter() - started


def _told(spent: Mapping[str, float]) -> str:
    return ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in spent.items())


if __name__ == "__main__":
    with bench_database(TOWN) as filled:
        _prepared(filled)
