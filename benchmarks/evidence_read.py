"""Reading one firm's 24 months of all sources as arrays, against one bare indexed SELECT of the same rows.

Ours: ``firm_arrays`` of every item as scoring calls it: as the login role under row-level security, joined over meters and
their terms, turned into columns. Floor: the same facts of the same firm laid side by side in one table, keyed by firm, fetched
by one prepared ``SELECT *`` of the owner. Firms are drawn at random; both read the same firms, in turn.
"""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import numpy as np
import psycopg

from app.core.context import Context
from app.core.database import transaction
from app.core.permissions import OrgKind
from app.evidence.arrays import firm_arrays
from app.identity.staff_service import create_organisation
from benchmarks.measure import Result, bench_database

SYSTEM = Context.of_system("bench")
FIRMS = 2_000
READS = 400
MONTHS = 24
SINCE = date(2024, 11, 1)
ITEMS = (
    "electricity", "water", "gas", "tax", "tax_grades", "social_insurance", "housing_fund", "customs", "cash_flow", "justice",
    "penalties", "dishonesty", "qualifications", "ip", "registration", "registration_changes", "annual_reports",
)
TARGET = 5.0

FILL = """
insert into reserved_firm (firm_no, uscc, reserved_at) select g, lpad(g::text, 18, '0'), now() from generate_series(1, {firms}) g;
insert into meter (meter_no, provider_org_id, account_no, first_seen_at)
  select g, '{provider}', g::text, now() from generate_series(1, {firms} * 3) g;
insert into delivery (id, number, provider_org_id, provider_kind, item_code, filename, media_type, size, sha256, source_label,
    synthetic, state, progress_rows, attempt, failure_params, created_at, channel)
  values (gen_random_uuid(), 1, '{provider}', 'data_provider', 'electricity', 'f', 'text/csv', 1,
    decode(repeat('00', 32), 'hex'), 'x', true, 'READING', 0, 1, '{{}}', now(), 'command');
insert into meter_link (meter_no, firm_no, version, current, valid_from, basis, delivery_no)
  select m, (m - 1) / 3 + 1, 1, true, '2020-01-01', 'own', 1 from generate_series(1, {firms} * 3) m;
create temp table months as select (date '2024-11-01' + make_interval(months => g))::date as p from generate_series(0, {last}) g;
insert into electricity_month select 3 * f - 2, 1, true, p, 1000, 700, p + 45, p + 40, 0, 'metered', 0, 1
  from generate_series(1, {firms}) f, months;
insert into water_month select 3 * f - 1, 1, true, p, 1000, 700, p + 45, p + 40, 0, 'metered', 0, 1
  from generate_series(1, {firms}) f, months;
insert into gas_month select 3 * f, 1, true, p, 1000, 700, p + 45, p + 40, 0, 'metered', 0, 1
  from generate_series(1, {firms}) f, months;
insert into tax_filing select f, 1, true, 'vat', p, 'month', 100, 10, 10, 0, p + 45, p + 40, 1
  from generate_series(1, {firms}) f, months;
insert into tax_grade select f, 1, true, y, 'B', null, 1 from generate_series(1, {firms}) f, generate_series(2024, 2026) y;
insert into social_insurance_month select f, 1, true, 'all', p, 12, 0, 100, 100, 100, p + 40, 1
  from generate_series(1, {firms}) f, months;
insert into housing_fund_month select f, 1, true, p, 12, 100, 100, 100, p + 40, 1 from generate_series(1, {firms}) f, months;
insert into customs_month select f, 1, true, 'export', p, 100, 3, null, 1 from generate_series(1, {firms}) f, months;
insert into cash_flow_month select f, 1, true, '1234', p, 100, 90, 7, 50, 1 from generate_series(1, {firms}) f, months;
insert into court_case select f, 1, true, 'case ' || f, 'defendant', 'judgment', 'x', 5, '2025-05-05', null, null, 1
  from generate_series(1, {firms}) f;
insert into registration select f, 1, true, 'firm', 'company', 100, '2015-01-01', 'open', 'x', '2026-10-31', 1
  from generate_series(1, {firms}) f;
"""
FLOOR = """
create table bench_floor (firm_no bigint, item text, period date, a bigint, b bigint, c date, d date, e bigint, f text, g bigint);
insert into bench_floor
  select l.firm_no, 'electricity', u.period, quantity_milli, bill_fen, due_on, paid_on, arrears_fen, metering, cut_days
    from electricity_month u join meter_link l using (meter_no)
  union all select l.firm_no, 'water', u.period, quantity_milli, bill_fen, due_on, paid_on, arrears_fen, metering, cut_days
    from water_month u join meter_link l using (meter_no)
  union all select l.firm_no, 'gas', u.period, quantity_milli, bill_fen, due_on, paid_on, arrears_fen, metering, cut_days
    from gas_month u join meter_link l using (meter_no)
  union all select firm_no, 'tax', period, sales_fen, due_fen, due_on, filed_on, paid_fen, cycle, arrears_fen from tax_filing
  union all select firm_no, 'tax_grades', null, year, null, null, null, null, grade, null from tax_grade
  union all select firm_no, 'social', period, heads, base_fen, null, paid_on, due_fen, kind, paid_fen from social_insurance_month
  union all select firm_no, 'fund', period, heads, base_fen, null, paid_on, due_fen, null, paid_fen from housing_fund_month
  union all select firm_no, 'customs', period, value_fen, declarations, null, null, null, direction, null from customs_month
  union all select firm_no, 'flow', period, inflow_fen, outflow_fen, null, null, counterparties, account_tail, balance_fen
    from cash_flow_month
  union all select firm_no, 'justice', filed_on, amount_fen, unpaid_fen, closed_on, null, null, case_no, null from court_case
  union all select firm_no, 'registration', as_of, capital_fen, null, established_on, null, null, name, null from registration;
create index on bench_floor (firm_no);
analyze;
"""
BARE = "select * from bench_floor where firm_no = %s"


def _percentile(seconds: list[float]) -> float:
    return float(np.percentile(np.array(seconds), 95) * 1000)


def run() -> list[Result]:
    """95th percentile of our read and of the floor, in ms."""
    with bench_database() as bench, psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
        provider = create_organisation(SYSTEM, OrgKind.DATA_PROVIDER, "基准供电局")
        owner.execute(FILL.format(firms=FIRMS, provider=provider.id, last=MONTHS - 1))
        owner.execute(FLOOR)
        rng = np.random.default_rng(20261125)
        ours: list[float] = []
        floor: list[float] = []
        rows = 0
        with transaction(SYSTEM, read_only=True):
            for number, firm in enumerate(rng.integers(1, FIRMS + 1, READS + 20)):
                started = time.perf_counter()
                found = firm_arrays(int(firm), ITEMS, SINCE)
                between = time.perf_counter()
                bare: list[Any] = owner.execute(BARE, [int(firm)], prepare=True).fetchall()
                ended = time.perf_counter()
                if number >= 20:  # both sides have planned their statements by then
                    ours.append(between - started)
                    floor.append(ended - between)
                rows = len(bare)
                have = sum(len(next(iter(columns.values()))) for columns in found.values())
                assert have == rows, (have, rows)
        mine, theirs = _percentile(ours), _percentile(floor)
        print(f"{READS} firms of {FIRMS}, {rows} rows each: median ours {np.median(ours) * 1000:.2f} ms, "
              f"floor {np.median(floor) * 1000:.2f} ms", flush=True)
        return [Result("evidence.read", f"{mine:.2f}ms", f"{theirs:.2f}ms", mine / theirs, TARGET, at_least=False)]
