"""A booking file of 100,000 drawn loans through the portal's door, against a bare COPY into the same table.

Ours: the released file as a worker takes it in: read, every cell checked, each loan found and compared, every automatic check of
the rule made and kept with its sentence, snapshot, booking, step and party of the case stored under row-level security as the
login role, committed. Before that the same file is read and judged whole for the second person of the bank, who sees what would
become of each row; a second line tells the speed of both together.
Floor: the owner COPYs as many bookings, equal but for their loans, into ``booking`` itself, with its indexes and constraints, in
one transaction. Floor and ours by turns on loans of their own; medians of three turns.
"""

from __future__ import annotations

import csv
import os
import resource
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from app.core.calendar import today
from app.core.context import Context
from app.core.permissions import OrgKind, Permission, Role, permissions_of
from app.core.storage import take_in
from app.core.uscc import synthetic
from app.identity.staff_service import create_organisation
from app.pool import batch_service
from app.pool.batch_items import labels_of
from app.pool.batch_states import BatchKind
from app.pool.partner_service import AgreementTerms, decide_agreement, draft_agreement
from benchmarks.measure import Bench, Result, bench_database

SYSTEM = Context.of_system("bench")
ROWS = int(os.environ.get("BENCH_ROWS", "100000"))
TURNS = 3
TARGET = 0.25
_CITY = """
insert into organisation (id, kind, name, uscc, state, created_at)
  select md5('firm ' || n)::uuid, 'enterprise', '基准企业' || n, u.code, 'active', now() from unnest(%(codes)s::text[])
  with ordinality u (code, n);
insert into enterprise (id, firm_no, uscc, form, district, industry_code, size_class, size_working, state, synthetic, created_at,
    verified_at, sized_at)
  select md5('firm ' || n)::uuid, nextval('firm_no_seq'), u.code, 'company', '440112', '34', 'small', '[]', 'verified', true,
    now(), now(), now() from unnest(%(codes)s::text[]) with ordinality u (code, n);
"""
_LOANS = """
insert into case_file (id, number, kind, subject_org_id, title, opened_at)
  select md5('case ' || n)::uuid, 'HQ-B-' || n, 'need', md5('firm ' || (n %% %(firms)s + 1))::uuid, '基准', now()
  from generate_series(%(first)s::bigint, %(last)s::bigint) n;
insert into case_party (case_id, org_id, since)
  select md5('case ' || n)::uuid, md5('firm ' || (n %% %(firms)s + 1))::uuid, now()
  from generate_series(%(first)s::bigint, %(last)s::bigint) n;
insert into loan (id, case_id, firm_id, org_id, number, origin, product_kind, purpose, state, amount_fen, annual_rate,
    term_months, method, conventions, opened_at, contract_no, note_no, principal_fen, drawn_on, due_on, principal_repaid_fen,
    interest_paid_fen, overdue_days, reported_overdue_days, five_class)
  select md5('loan ' || n)::uuid, md5('case ' || n)::uuid, md5('firm ' || (n %% %(firms)s + 1))::uuid, %(bank)s,
    'HQ-B-' || n || '/1', 'offline', 'CREDIT', '经营周转', 'DRAWN', 30000000, 0.0385, 12, 'INTEREST_ONLY', '{}', now(),
    '合同-' || n, '借据-' || n, 30000000, %(drawn)s, %(drawn)s::date + 365, 0, 0, 0, 0, 'NORMAL'
  from generate_series(%(first)s::bigint, %(last)s::bigint) n;
"""
FIRMS = 20_000


def people() -> tuple[Any, Context, Context]:
    """A bank, its officer and its approver."""
    bank = create_organisation(SYSTEM, OrgKind.BANK, "基准银行")
    city = replace(Context.of_system("bench"), permissions=frozenset({Permission.POOL_PROPOSE, Permission.POOL_FUND}))
    first = date(2025, 10, 1)
    drafted = draft_agreement(city, bank.id, AgreementTerms("协议", first, None, "行长", "局长", first))
    decide_agreement(city, drafted.id, "confirm", "基准")
    officer, approver = (
        Context(UUID(int=number), bank.id, OrgKind.BANK, frozenset({role}), permissions_of(frozenset({role})),
                org_name="基准银行", approval_limit_fen=10**12)
        for number, role in ((1, Role.BANK_OFFICER), (2, Role.BANK_APPROVER))
    )
    return bank, officer, approver


def lend(owner: psycopg.Connection[Any], bank_id: UUID, first: int) -> None:
    """Drawn loans of the bank, put there by the owner: ``ROWS`` for the file and as many for the floor."""
    for statement in _LOANS.split(";\n")[:-1]:
        owner.execute(statement, {
            "first": first, "last": first + 2 * ROWS - 1, "firms": FIRMS, "bank": bank_id, "drawn": today() - timedelta(days=5),
        })
    owner.execute("analyze loan, case_file, case_party")


def write_file(path: Path, first: int, codes: list[str]) -> None:
    """The bank's file of these loans."""
    labels = labels_of(BatchKind.BOOKING)
    drawn = today() - timedelta(days=5)
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(list(labels.values()))
        for n in range(first, first + ROWS):
            firm = n % FIRMS + 1
            row = {
                "note_no": f"借据-{n}", "contract_no": f"合同-{n}", "uscc": codes[firm - 1], "firm_name": f"基准企业{firm}",
                "drawn_on": drawn, "principal": "300000.00", "annual_rate": "3.85", "term_months": 12,
                "method": "按月付息，到期还本", "product": "信用贷款", "use_of_funds": "日常经营周转",
                "on_key_list": "是" if n % 5 == 0 else "否", "key_list_version": "2026 年第 1 批" if n % 5 == 0 else "",
                "first_loan": "是" if n % 3 == 0 else "否", "not_dishonest": "是",
            }
            writer.writerow([row.get(code, "") for code in labels])


def ours(path: Path, officer: Context, approver: Context) -> tuple[UUID, float, float]:
    """The file's id, seconds until the second person can look, and from the release to the end."""
    with path.open("rb") as stream:
        stored = take_in(stream, limit=1024**3, limit_text="1 GB")
    batch = batch_service.receive_batch(officer, BatchKind.BOOKING, stored, path.name)
    started = time.perf_counter()
    batch = batch_service.work_on(SYSTEM, batch.id)
    judged = time.perf_counter() - started
    assert (batch.rows_total, batch.rows_done) == (ROWS, ROWS), (batch.rows_total, batch.rows_done)
    batch_service.release_batch(approver, batch.id)
    started = time.perf_counter()
    batch = batch_service.work_on(SYSTEM, batch.id)
    assert batch.rows_done == ROWS
    return batch.id, judged, time.perf_counter() - started


_KEPT = """
copy (select md5('booking ' || t.n)::uuid, md5('case ' || t.n)::uuid, md5('loan ' || t.n)::uuid, b.org_id,
    md5('firm ' || (t.n %% %(firms)s + 1))::uuid, b.version, b.replaces_id, b.state, b.mode, b.product, '借据-' || t.n,
    b.principal_fen, b.rule_set_id, b.snapshot, b.checks, b.late_reason, b.late_accepted_by, b.submitted_by, b.submitted_on,
    b.judged_on, b.booked_on, b.created_at, b.batch_id
  from booking b cross join lateral (select substr(b.note_no, 4)::bigint + %(rows)s as n) t where b.batch_id = %(batch)s)
to stdout (format csv)
"""
_COLUMNS = (
    "id, case_id, loan_id, org_id, firm_id, version, replaces_id, state, mode, product, note_no, principal_fen, rule_set_id, "
    "snapshot, checks, late_reason, late_accepted_by, submitted_by, submitted_on, judged_on, booked_on, created_at, batch_id"
)


def floor(bench: Bench, batch_id: UUID) -> float:
    """Seconds of a bare COPY of as many bookings, equal but for their loans, into the table with every index and constraint."""
    kept = bench.folder / "bookings.copy"
    with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
        asked = psycopg.ClientCursor(owner).mogrify(_KEPT, {"firms": FIRMS, "rows": ROWS, "batch": batch_id})
        with kept.open("wb") as out, owner.cursor() as cursor, cursor.copy(asked) as taken:
            for chunk in taken:
                out.write(chunk)
        started = time.perf_counter()
        with kept.open("rb") as stream, owner.cursor() as cursor, cursor.copy(
            f"copy booking ({_COLUMNS}) from stdin (format csv)"
        ) as copy:
            while piece := stream.read(1 << 20):
                copy.write(piece)
        spent = time.perf_counter() - started
        found = owner.execute("select count(*) from booking where batch_id = %s", [batch_id]).fetchone()
        assert found == (2 * ROWS,), found
    kept.unlink()
    return spent


def run() -> list[Result]:
    told = []
    with bench_database() as bench:
        bank, officer, approver = people()
        codes = [synthetic("440112", 2_000_000 + n) for n in range(FIRMS)]
        with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
            for statement in _CITY.split(";\n")[:-1]:
                owner.execute(statement, {"codes": codes})
        for turn in range(TURNS):
            first = 1_000_000 + 2 * turn * ROWS
            with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
                owner.execute("alter table loan disable trigger user")  # the loans have no schedules: none is asked for here
                lend(owner, bank.id, first)
                owner.execute("alter table loan enable trigger user")
            path = bench.folder / f"booking_{turn}.csv"
            write_file(path, first, codes)
            batch_id, judged, written = ours(path, officer, approver)
            bare = floor(bench, batch_id)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{ROWS:,} rows: judged {judged:.1f} s, judged again and written {written:.1f} s, bare COPY {bare:.1f} s, "
                  f"peak memory of the process {peak:,.0f} MB", flush=True)
            told.append((written, judged + written, bare))
    booked, both, bare = (sorted(one[place] for one in told)[len(told) // 2] for place in range(3))
    return [
        Result("pool.booking", f"{ROWS / booked:,.0f}/s", f"{ROWS / bare:,.0f}/s", bare / booked, TARGET),
        Result("pool.booking_with_review", f"{ROWS / both:,.0f}/s", f"{ROWS / bare:,.0f}/s", bare / both),
    ]
