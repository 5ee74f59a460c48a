"""The nightly check of the pool over 10⁴, 10⁵ and 10⁶ booked loans, one in twenty claimed and paid: time, memory, growth.

Each claim is computed anew by the rule that judged it, each balance added up from its transfers, each booking looked at. The
floor reads the same rows once and does nothing with them. Rows are made so that they add up: the check must find nothing, and
one tampered claim must be found at every size.
"""

from __future__ import annotations

import resource
import time

import psycopg

from app.core.context import Context
from app.core.permissions import Permission
from app.core.use_case import reading
from app.pool.check_service import check_pool
from benchmarks.measure import Bench, Result, bench_database

SIZES = (10_000, 100_000, 1_000_000)
EVERY = 20
"""One loan in so many is claimed."""


def _id(kind: str, number: str = "n") -> str:
    """A key by kind and number, rising with the number, so that an index grows at its end."""
    return f"('{kind}0000000-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"


_FIRM, _BANK, _CASE, _BUDGET, _PAID = (_id(kind, "1") for kind in "abcde")
_PARTIES = f"""
insert into organisation (id, kind, name, uscc, state, created_at) values
  ({_FIRM}, 'enterprise', '广州基准有限公司', '91440112MA0000001X', 'active', now()),
  ({_BANK}, 'bank', '基准银行', '91440112MA0000002X', 'active', now());
insert into enterprise (id, firm_no, uscc, form, district, industry_code, headcount, revenue_fen, assets_fen, figures_year,
    figures_source, size_class, size_rule, size_working, state, verified_at, synthetic, created_at)
  values ({_FIRM}, 1, '91440112MA0000001X', 'company', '440112', '34', 10, 1, 1, 2025, 'self', 'micro', 'bench', '[]',
    'verified', now(), true, now());
insert into case_file (id, number, kind, subject_org_id, title, opened_at)
  values ({_CASE}, 'HQ-B-1', 'loan', {_FIRM}, '基准', now());
insert into ledger_account (id, code, kind, org_id, bounded, debits_pending_fen, debits_posted_fen, credits_pending_fen,
    credits_posted_fen, opened_at) values
  ({_BUDGET}, 'pool:budget:2026', 'pool_budget', null, false, 0, 0, 0, 0, now()),
  ({_PAID}, 'pool:paid:bench', 'pool_paid', null, false, 0, 0, 0, 0, now())
"""
# What each row is asked as it comes in, by trigger and foreign key, would be asked a million times: a superuser's session leaves
# it out. CHECKs and unique indexes hold all the same.
_ROWS = f"""
insert into loan (id, case_id, firm_id, org_id, number, origin, product_kind, purpose, state, amount_fen, annual_rate,
    term_months, method, conventions, opened_at, contract_no, note_no, principal_fen, drawn_on, due_on, principal_repaid_fen,
    interest_paid_fen, overdue_days, reported_overdue_days, five_class)
  select {_id("1")}, {_CASE}, {_FIRM}, {_BANK}, 'B-' || n, 'offline', 'CREDIT', '周转', 'DRAWN', 100000000, 0.04, 12,
    'INTEREST_ONLY', '{{}}', now(), 'C' || n, 'N' || n, 100000000, date '2026-03-01', date '2027-03-01', 0, 0, 0, 0, 'NORMAL'
  from generate_series(%(after)s + 1, %(size)s) n;
insert into booking (id, case_id, loan_id, org_id, firm_id, version, state, mode, product, note_no, principal_fen, rule_set_id,
    snapshot, checks, submitted_on, judged_on, booked_on, created_at)
  select {_id("2")}, {_CASE}, {_id("1")}, {_BANK}, {_FIRM}, 1, case when n %% {EVERY} = 0 then 'CLAIMED' else 'BOOKED' end,
    'BANK', 'CREDIT', 'N' || n, 100000000, r.id,
    '{{"principal_fen": 100000000, "on_key_list": false, "ip_certificate_no": "", "policy_tool": "", "loan_number": "B"}}', '[]',
    date '2026-03-02', date '2026-03-02', date '2026-03-02', now()
  from generate_series(%(after)s + 1, %(size)s) n cross join (select id from rule_set where code = 'GZ-2025') r;
insert into ledger_transfer (id, kind, debit_account_id, credit_account_id, amount_fen, pending_id, reference, memo, at)
  select {_id("3")}, 'pending', {_BUDGET}, {_PAID}, 24000000, null::uuid, 'hold ' || n, '', now()
  from generate_series(%(after)s + 1, %(size)s) n where n %% {EVERY} = 0;
insert into ledger_transfer (id, kind, debit_account_id, credit_account_id, amount_fen, pending_id, reference, memo, at)
  select {_id("4")}, 'post', {_BUDGET}, {_PAID}, 24000000, {_id("3")}, 'post ' || n, '', now()
  from generate_series(%(after)s + 1, %(size)s) n where n %% {EVERY} = 0;
insert into claim_decision (id, claim_id, case_id, org_id, year, serial, verdict, computed_fen, approved_fen, deductions, reason,
    decided_at)
  select {_id("6")}, {_id("5")}, {_CASE}, {_BANK}, 2026, n, 'APPROVED', 24000000, 24000000, '[]', '', now()
  from generate_series(%(after)s + 1, %(size)s) n where n %% {EVERY} = 0;
insert into claim (id, case_id, loan_id, booking_id, org_id, firm_id, mode, state, principal_drawn_fen, principal_repaid_fen,
    guarantor_paid_fen, collateral_fen, other_public_fen, net_principal_loss_fen, overdue_days, five_class, statement,
    rule_set_id, tier_method, basis_fen, compensation_fen, working, stop_line, approved_fen, returns_count, prepared_at,
    submitted_on, reservation_id, voucher_no, paid_fen, paid_on, decision_id)
  select {_id("5")}, {_CASE}, {_id("1")}, {_id("2")}, {_BANK}, {_FIRM}, 'BANK', 'PAID', 100000000, 40000000, 0, 0, 0, 60000000,
    120, 'LOSS', '催收', r.id, 'BRACKET', 100000000, 24000000, '[]', '[]', 24000000, 0, now(), date '2026-10-01', {_id("3")},
    'V' || n, 24000000, date '2026-11-01', {_id("6")}
  from generate_series(%(after)s + 1, %(size)s) n cross join (select id from rule_set where code = 'GZ-2025') r
  where n %% {EVERY} = 0;
update ledger_account set debits_posted_fen = (%(size)s / {EVERY}) * 24000000::bigint where code = 'pool:budget:2026';
update ledger_account set credits_posted_fen = (%(size)s / {EVERY}) * 24000000::bigint where code = 'pool:paid:bench'
"""
_READ = (
    "select note_no, state, principal_fen, snapshot ->> 'principal_fen' from booking",
    "select c.*, b.mode, b.product, b.snapshot from claim c join booking b on b.id = c.booking_id",
    "select kind, debit_account_id, credit_account_id, amount_fen, pending_id from ledger_transfer",
)
_TAMPER = f"update claim set compensation_fen = compensation_fen %(sign)s 1 where id = {_id('5', str(EVERY))}"


def run() -> list[Result]:
    """Three sizes in one growing database; seconds by the clock."""
    told: list[tuple[float, float]] = []
    with bench_database() as bench:
        _write(bench, _PARTIES)
        before = 0
        for size in SIZES:
            start = time.perf_counter()
            _write(bench, _ROWS % {"after": before, "size": size})
            before, made = size, time.perf_counter() - start
            _write(bench, _TAMPER % {"sign": "+"})
            _look(size, 1)
            _write(bench, _TAMPER % {"sign": "-"})
            ours, claims, transfers = _look(size, 0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            floor = _floor(bench)
            print(f"{size:,} bookings, {claims:,} claims, {transfers:,} transfers: {ours:.2f} s, read once {floor:.2f} s "
                  f"(rows made in {made:.0f} s); peak memory of the process so far {peak:.0f} MB", flush=True)
            told.append((ours, floor))
    (_, _), (middle, _), (large, floor) = told
    return [
        Result("pool.check", f"{large:.2f}s", f"{floor:.2f}s", large / floor),
        Result("pool.check_growth", f"{large:.2f}s", f"{middle:.2f}s", large / middle),
    ]


def _look(size: int, expected: int) -> tuple[float, int, int]:
    """The check itself, with what it must find. Returns seconds, claims and transfers."""
    start = time.perf_counter()
    with reading(Context.of_system("bench"), Permission.CLAIM_TICK):
        outcome = check_pool()
    seconds = time.perf_counter() - start
    if outcome.found != expected or outcome.bookings != size or outcome.claims != size // EVERY:
        raise AssertionError(f"{expected} findings expected, {outcome.found} found: {outcome.findings[:3]}")
    return seconds, outcome.claims, outcome.transfers


def _write(bench: Bench, script: str) -> None:
    with psycopg.connect(bench.super_dsn, autocommit=True) as owner:
        owner.execute("set session_replication_role = replica")
        owner.execute("set maintenance_work_mem = '256MB'")
        for statement in script.split(";\n"):
            owner.execute(statement)
        owner.execute("analyze")


def _floor(bench: Bench) -> float:
    start = time.perf_counter()
    with psycopg.connect(bench.owner_dsn) as owner:
        for statement in _READ:
            with owner.cursor(name="floor") as cursor:
                cursor.itersize = 5_000
                cursor.execute(statement)
                for _ in cursor:
                    pass
    return time.perf_counter() - start
