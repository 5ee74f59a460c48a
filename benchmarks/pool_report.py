"""A month of 100,000 loans by file (贷款月报) through the portal's door, against bare statements that leave the same rows.

Ours: the released file as a worker takes it in: every cell read, each loan found with its schedule and repayments, the row asked
what a single report is asked and held against what the portal saw; repayment, schedule, class and report stored under row-level
security as the login role, committed with what the database itself adds up. A second line tells the speed together with the
review that the second person of the bank sees before, a third one of the same file sent again.
Floor: the owner copies as many repayments, class reports and rows of the report into their tables and updates as many loans and
instalments from values at hand, each table in one statement, committed with the same adding up. Each loan has twelve
instalments; the first fell due ten days ago and came in. One turn: a database in which it was done once is another.
"""

from __future__ import annotations

import csv
import os
import resource
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from app.core.calendar import today
from app.core.context import Context
from app.core.storage import take_in
from app.core.uscc import synthetic
from app.market.rules import REGULAR_MONTHS, Instalment, RepaymentMethod, schedule
from app.pool import batch_service
from app.pool.batch_items import labels_of
from app.pool.batch_states import BatchKind
from benchmarks.measure import Bench, Result, bench_database
from benchmarks.pool_booking import _CITY, _LOANS, FIRMS, SYSTEM, people

ROWS = int(os.environ.get("BENCH_ROWS", "100000"))
PRINCIPAL = 30_000_000
_SCHEDULES = """
insert into instalment (loan_id, no, due_on, principal_fen, interest_fen, balance_fen, principal_left_fen, interest_left_fen)
  select md5('loan ' || n)::uuid, s.no, s.due, s.principal, s.interest, s.balance, s.principal, s.interest
  from generate_series(%(first)s::bigint, %(last)s::bigint) n cross join unnest(%(nos)s::int[], %(dues)s::date[],
    %(principals)s::bigint[], %(interests)s::bigint[], %(balances)s::bigint[]) s (no, due, principal, interest, balance)
"""
_FLOOR = (
    """create temp table paid on commit drop as select md5('loan ' || n)::uuid as loan_id, n
       from generate_series(%(first)s::bigint, %(last)s::bigint) n""",
    """insert into repayment (id, loan_id, paid_on, amount_fen, principal_fen, interest_fen, kind, reference, reported_at)
       select gen_random_uuid(), loan_id, %(day)s, %(principal)s::bigint + %(interest)s, %(principal)s, %(interest)s, 'normal',
         '月报', now() from paid""",
    """insert into class_report (id, loan_id, reported_on, reported_class, overdue_days, derived_class, reported_at)
       select gen_random_uuid(), loan_id, %(day)s, 'NORMAL', 0, 'NORMAL', now() from paid""",
    """insert into pool_report (batch_id, row_no, org_id, loan_id, as_of, balance_fen, five_class, overdue_days, paid_fen,
         paid_on, reported_at) select %(batch)s, n, %(bank)s, loan_id, %(day)s, 0, 'NORMAL', 0, 0, %(day)s, now() from paid""",
    """update instalment i set principal_left_fen = 0, interest_left_fen = 0 from paid p
       where i.loan_id = p.loan_id and i.no = 1""",
    """update loan l set principal_repaid_fen = %(principal)s, interest_paid_fen = %(interest)s, reported_class = 'NORMAL',
         reported_on = %(day)s, classed_on = %(day)s from paid p where l.id = p.loan_id""",
)


def lend(bench: Bench, bank_id: UUID, first: int) -> list[Instalment]:
    """Drawn loans of equal principal with their schedules: ``ROWS`` for the file, as many for the floor. Returns the schedule."""
    drawn = today() - timedelta(days=41)
    plan = schedule(PRINCIPAL, Decimal("0.0385"), 12, RepaymentMethod.EQUAL_PRINCIPAL, drawn, REGULAR_MONTHS)
    values: dict[str, Any] = {
        "first": first, "last": first + 2 * ROWS - 1, "firms": FIRMS, "bank": bank_id, "drawn": drawn,
        "nos": [row.no for row in plan], "dues": [row.due for row in plan], "principals": [row.principal_fen for row in plan],
        "interests": [row.interest_fen for row in plan], "balances": [row.balance_fen for row in plan],
    }
    with psycopg.connect(bench.super_dsn, autocommit=True) as owner:
        owner.execute("set session_replication_role = replica")
        for statement in [*_LOANS.split(";\n")[:-1], _SCHEDULES]:
            owner.execute(statement, values)
        owner.execute("update loan set method = 'EQUAL_PRINCIPAL', due_on = %s", [plan[-1].due])
        owner.execute("vacuum analyze loan, instalment, case_file, case_party")
    return list(plan)


def write_file(path: Path, first: int, paid: Instalment) -> None:
    """The bank's file of the month: each loan paid its first instalment on the day it fell due."""
    labels = labels_of(BatchKind.REPORT)
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(list(labels.values()))
        for n in range(first, first + ROWS):
            row = {
                "note_no": f"借据-{n}", "as_of": today() - timedelta(days=1),
                "balance": f"{(PRINCIPAL - paid.principal_fen) / 100:.2f}", "five_class": "正常",
                "overdue_days": 0, "paid": f"{paid.total_fen / 100:.2f}", "paid_on": paid.due,
            }
            writer.writerow([row.get(code, "") for code in labels])


def ours(path: Path, officer: Context, approver: Context, ending: str) -> tuple[UUID, float, float]:
    """The file's id, seconds until the second person can look, and from the release to the end."""
    with path.open("rb") as stream:
        stored = take_in(stream, limit=1024**3, limit_text="1 GB")
    batch = batch_service.receive_batch(officer, BatchKind.REPORT, stored, path.name)
    started = time.perf_counter()
    batch = batch_service.work_on(SYSTEM, batch.id)
    judged = time.perf_counter() - started
    assert getattr(batch, ending) == ROWS, (batch.rows_done, batch.rows_known, batch.rows_waiting, batch.rows_refused)
    batch_service.release_batch(approver, batch.id)
    started = time.perf_counter()
    batch = batch_service.work_on(SYSTEM, batch.id)
    assert getattr(batch, ending) == ROWS
    return batch.id, judged, time.perf_counter() - started


def floor(bench: Bench, batch_id: UUID, bank_id: UUID, first: int, paid: Instalment) -> float:
    """Seconds of bare statements over loans of their own."""
    values = {"first": first + ROWS, "last": first + 2 * ROWS - 1, "batch": batch_id, "bank": bank_id, "day": paid.due,
              "principal": paid.principal_fen, "interest": paid.interest_fen}
    with psycopg.connect(bench.owner_dsn) as owner:
        started = time.perf_counter()
        for statement in _FLOOR:
            owner.execute(statement, values)
        owner.commit()
        return time.perf_counter() - started


def run() -> list[Result]:
    first = 1_000_000
    with bench_database() as bench:
        bank, officer, approver = people()
        approver = replace(approver, permissions=approver.permissions | officer.permissions)
        codes = [synthetic("440112", 2_000_000 + n) for n in range(FIRMS)]
        with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
            for statement in _CITY.split(";\n")[:-1]:
                owner.execute(statement, {"codes": codes})
        paid = lend(bench, bank.id, first)[0]
        path = bench.folder / "report.csv"
        write_file(path, first, paid)
        batch_id, judged, written = ours(path, officer, approver, "rows_done")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        path.write_bytes(path.read_bytes() + b"\r\n")  # other bytes, the same month
        _, _, again = ours(path, officer, approver, "rows_known")
        bare = floor(bench, batch_id, bank.id, first, paid)
    both = judged + written
    print(f"{ROWS:,} rows: judged {judged:.1f} s, judged again and written {written:.1f} s, sent again {again:.1f} s, bare "
          f"statements {bare:.1f} s, peak memory of the process {peak:,.0f} MB", flush=True)
    return [
        Result("pool.report", f"{ROWS / written:,.0f}/s", f"{ROWS / bare:,.0f}/s", bare / written),
        Result("pool.report_with_review", f"{ROWS / both:,.0f}/s", f"{ROWS / bare:,.0f}/s", bare / both),
        Result("pool.report_again", f"{ROWS / again:,.0f}/s", f"{ROWS / bare:,.0f}/s", bare / again),
    ]
