"""The bureau's cockpit over 400,000 booked loans of a year and 20,000 claims, against the same sums asked by bare SQL.

Ours: everything that the page reads, under row-level security as the login role, made into the objects that it shows. Floor: the
owner asks for the same sums past every policy and throws them away. Loans and claims are those of ``pool.check``, spread over
30 banks, 11 districts, 5 products and the states of a claim. Medians of five turns, by turns.
"""

from __future__ import annotations

import re
import time
from datetime import date, timedelta
from uuid import uuid4

import psycopg

from app.core.calendar import today
from app.core.context import Context
from app.core.permissions import OrgKind, Permission, Role
from app.core.use_case import reading
from app.pool import budget_queries, cockpit_queries, recovery_queries
from app.pool.cockpit_filters import IN_POOL
from app.pool.states import NOT_COUNTED
from benchmarks.measure import Bench, Result, bench_database
from benchmarks.pool_check import _PARTIES, _ROWS, EVERY, _write

CLAIMS = 20_000
TURNS = 5
PACE = 90
_SPREAD = """
insert into organisation (id, kind, name, uscc, state, created_at)
  select md5('bank ' || n)::uuid, 'bank', '基准银行' || n, 'BENCH' || lpad(n::text, 13, '0'), 'active', now()
  from generate_series(1, 30) n;
update booking b set org_id = md5('bank ' || (substr(note_no, 2)::bigint %% 30 + 1))::uuid,
  firm_id = md5('firm ' || (substr(note_no, 2)::bigint %% 100000))::uuid,
  product = (array['CREDIT', 'IP_PLEDGE', 'RECEIVABLE_PLEDGE', 'ENVIRONMENT_PLEDGE', 'LOAN_INSURANCE'])
    [substr(note_no, 2)::bigint %% 5 + 1],
  booked_on = %(first)s::date + (substr(note_no, 2)::bigint %% %(days)s)::int,
  snapshot = snapshot || jsonb_build_object('district', (440103 + substr(note_no, 2)::bigint %% 11)::text,
    'size_class', (array['micro', 'small', 'medium'])[substr(note_no, 2)::bigint %% 3 + 1],
    'first_loan', substr(note_no, 2)::bigint %% 4 = 0);
update claim c set org_id = b.org_id, firm_id = b.firm_id, submitted_on = least(b.booked_on + 100, current_date),
  state = (array['PAID', 'AUDIT', 'SUBMITTED', 'PAID', 'RECOVERING', 'DECISION', 'REFUSED', 'PAID'])
    [(substr(b.note_no, 2)::bigint / %(every)s) %% 8 + 1]
from booking b where b.id = c.booking_id;
vacuum analyze booking;
vacuum analyze claim
"""
_FLOOR = (
    "select state, count(*), sum(compensation_fen), count(*) filter (where submitted_on >= current_date - 30), "
    "count(*) filter (where submitted_on < current_date - 30 and submitted_on >= current_date - 90), "
    "count(*) filter (where submitted_on < current_date - 90 and submitted_on >= current_date - 180), "
    "count(*) filter (where submitted_on < current_date - 180) from claim where submitted_on is not null group by state",
    "select count(*), sum(l.principal_fen - l.principal_repaid_fen) from booking b join loan l on l.id = b.loan_id "
    "where b.state = 'BOOKED' and l.five_class in ('SUBSTANDARD', 'DOUBTFUL', 'LOSS')",
    "select count(*), sum(c.net_principal_loss_fen), sum(c.paid_fen) from claim c where c.paid_fen is not null",
    "select sum(recovered_fen), sum(cost_fen) from recovery",
)


def ours(ctx: Context, year: int) -> int:
    """What the page reads; returns the loans that it counts."""
    with reading(ctx, Permission.POOL_READ):
        budget_queries.year_moneys(year)
        cockpit_queries.claims_by_state()
        cockpit_queries.bank_years(year, PACE)
        slices = cockpit_queries.slices(year)
        recovery_queries.flow()
        cockpit_queries.bad_unclaimed()
    return slices["all"][0].loans


def floor(bench: Bench, year: int) -> None:
    """The same sums, asked by the owner past every policy."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    values = {"since": today() - timedelta(days=PACE), "first": first, "last": last, "live": list(IN_POOL),
              "uncounted": [one.value for one in NOT_COUNTED], "year": year, "now": today().year}
    with psycopg.connect(bench.owner_dsn) as owner:
        for statement in _FLOOR:
            owner.execute(statement).fetchall()
        for ask in (budget_queries._YEAR, cockpit_queries._BANKS, cockpit_queries._SLICES):
            text = str(ask).replace("%'", "%%'")
            for name in values:
                text = re.sub(rf"(?<!:):{name}\b", f"%({name})s", text)
            owner.execute(text, values).fetchall()


def run() -> list[Result]:
    """Both by turns, once to warm up."""
    year, size = today().year, CLAIMS * EVERY
    with bench_database() as bench:
        _write(bench, _PARTIES)
        _write(bench, _ROWS % {"after": 0, "size": size})
        days = (today() - date(year, 1, 1)).days + 1
        _write(bench, _SPREAD % {"first": f"'{year}-01-01'", "days": days, "every": EVERY})
        bureau = Context(uuid4(), uuid4(), OrgKind.BUREAU, frozenset({Role.BUREAU_LEADER}), frozenset({Permission.POOL_READ}))
        told: list[tuple[float, float]] = []
        for turn in range(TURNS + 1):
            start = time.perf_counter()
            loans = ours(bureau, year)
            middle = time.perf_counter()
            floor(bench, year)
            if loans != size:
                raise AssertionError(f"{loans} loans counted of {size}")
            if turn:
                told.append((middle - start, time.perf_counter() - middle))
    mine, bare = (sorted(one[place] for one in told)[TURNS // 2] for place in range(2))
    return [Result("pool.cockpit", f"{mine * 1000:.0f}ms", f"{bare * 1000:.0f}ms", mine / bare)]
