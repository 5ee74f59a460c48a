"""Import of monthly electricity rows through the portal's door, against a bare COPY of the same file.

Ours: the delivery as a worker reads it: the file is parsed, every cell checked, meters found, facts stored idempotently under
row-level security as the login role, counts and transition written, committed. Floor: ``COPY … FROM STDIN`` of the same CSV
by the owner into a table of the same eight columns, typed, without index or constraint. Both on one database, in one run.
"""

from __future__ import annotations

import os
import resource
import time
from datetime import date
from pathlib import Path
from uuid import UUID

import numpy as np
import polars as pl
import psycopg

from app.core.context import Context
from app.core.permissions import OrgKind
from app.core.storage import take_in
from app.evidence import delivery_service
from app.identity.staff_service import create_organisation
from benchmarks.measure import Bench, Result, bench_database

SYSTEM = Context.of_system("bench")
MONTHS = 24
TARGET = 0.35
SMALL, ROUNDS = 100_000, 5
"""Up to this size both are measured so often, in turn on files of their own: a fraction of a second tells little once."""
AGAIN = 1_000_000
"""Up to this size the same file is delivered a second time too."""
SIZES = tuple(int(size) for size in os.environ.get("BENCH_ROWS", "100000,1000000,10000000").split(","))
FLOOR = """
create table bench_floor (
  account_no text, period text, quantity numeric, bill numeric, due_on date, paid_on date, arrears numeric, metering text
)
"""


def write_file(path: Path, rows: int, first: int) -> int:
    """A power company's file, sorted by account: ``rows`` rows of 24 months a meter. Returns how many."""
    rng = np.random.default_rng(first)
    meters = rows // MONTHS
    with path.open("wb") as out:
        for low in range(0, meters, 50_000):
            number = np.repeat(np.arange(first + low, first + min(low + 50_000, meters)), MONTHS)
            months = np.tile(np.arange(MONTHS), len(number) // MONTHS) + np.datetime64("2024-11", "M")
            quantity = rng.integers(1_000, 9_000_000, len(number))
            due = months.astype("datetime64[D]") + np.timedelta64(45, "D")
            frame = pl.DataFrame({
                "account_no": pl.Series(number).cast(pl.String).str.zfill(10),
                "period": pl.Series(months.astype("datetime64[D]")),
                "quantity": pl.Series(quantity) / 1000, "bill": pl.Series(quantity // 14) / 100, "due_on": pl.Series(due),
                "paid_on": pl.Series(due - rng.integers(0, 20, len(number)).astype("timedelta64[D]")),
                "arrears": pl.repeat("0.00", len(number), eager=True), "metering": pl.repeat("metered", len(number), eager=True),
            }).with_columns(pl.col("period").dt.strftime("%Y-%m"))
            frame.write_csv(out, include_header=low == 0)
    return meters * MONTHS


def _floor(bench: Bench, path: Path) -> float:
    with psycopg.connect(bench.owner_dsn, autocommit=True) as connection:
        connection.execute("truncate bench_floor")
        started = time.perf_counter()
        command = "copy bench_floor from stdin (format csv, header)"
        with path.open("rb") as stream, connection.cursor() as cursor, cursor.copy(command) as copy:
            while chunk := stream.read(1 << 20):
                copy.write(chunk)
        return time.perf_counter() - started


def _ours(path: Path, provider_id: UUID) -> tuple[float, tuple[int | None, ...]]:
    with path.open("rb") as stream:
        stored = take_in(stream, limit=20 * 1024**3, limit_text="20 GB")
    delivery = delivery_service.receive_delivery_for(
        SYSTEM, provider_id, "electricity", stored, path.name, source_label="benchmark", synthetic=True,
    )
    started = time.perf_counter()
    done = delivery_service.import_delivery(SYSTEM, delivery.id)
    spent = time.perf_counter() - started
    return spent, (done.rows_total, done.rows_taken, done.rows_identical, done.rows_superseding, done.rows_quarantined)


def _once(bench: Bench, provider_id: UUID, size: int, first: int) -> tuple[float, float]:
    """Seconds of the floor (the median of three) and of ours, on one file of new meters."""
    path = bench.folder / f"electricity_{first}.csv"
    rows = write_file(path, size, first)
    floor = sorted(_floor(bench, path) for _ in range(3))[1] if size <= AGAIN else _floor(bench, path)
    spent, counts = _ours(path, provider_id)
    assert counts == (rows, rows, 0, 0, 0), counts
    if SMALL < size <= AGAIN:
        again, counts = _ours(path, provider_id)
        assert counts == (rows, 0, rows, 0, 0), counts
        print(f"{rows:,} rows again, every row known: {again:.1f} s", flush=True)
    path.unlink()
    return floor, spent


def run() -> list[Result]:
    """One line a size (medians), and one that says how flat it is from the smallest to the largest."""
    results, speeds = [], []
    with bench_database() as bench:
        with psycopg.connect(bench.owner_dsn, autocommit=True) as connection:
            connection.execute(FLOOR)
        provider = create_organisation(SYSTEM, OrgKind.DATA_PROVIDER, "基准供电局")
        delivery_service.grant_items(SYSTEM, provider.id, ["electricity"])
        first = 1
        for size in SIZES:
            told = []
            for _ in range(ROUNDS if size <= SMALL else 1):
                told.append(_once(bench, provider.id, size, first))
                first += size // MONTHS
            floor, spent = (sorted(one[place] for one in told)[len(told) // 2] for place in (0, 1))
            ratio = sorted(floor / spent for floor, spent in told)[len(told) // 2]
            rows = size // MONTHS * MONTHS
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{date.today()} {rows:,} rows, {len(told)} times: ours {spent:.2f} s, floor {floor:.2f} s, "
                  f"peak memory of the process {peak:,.0f} MB", flush=True)
            speeds.append(rows / spent)
            results.append(Result(f"evidence.import_{size}", f"{rows / spent:,.0f}/s", f"{rows / floor:,.0f}/s", ratio, TARGET))
    if len(speeds) > 1:
        slow, fast = min(speeds), max(speeds)
        results.append(Result("evidence.import_flat", f"{slow:,.0f}/s", f"{fast:,.0f}/s", slow / fast))
    return results
