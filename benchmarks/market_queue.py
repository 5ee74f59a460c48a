"""An officer's queue with 100,000 open needs, against a bare Flask page that reads and renders 50 rows.

Four banks with two products each; half of the firms have a scored profile, and of those a third each consents to three banks.
Both apps stand behind gunicorn with two workers; pages are asked for in turns, ours and the floor's, by four clients at once: an
officer of each bank, whose browser sends back the cookie that it was given last. First each worker of both apps is asked for all
addresses (told as ``market.queue.first``: rows, menus and filters are drawn once a worker), then it is measured.
"""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session, transaction
from app.core.ids import new_id
from app.core.money import WAN
from app.core.permissions import OrgKind, Role
from app.credit import model_service
from app.credit.score_counts import add_up_scores
from app.identity import service as identity
from app.identity.models import Membership, Organisation, Person
from app.identity.staff_service import create_organisation
from app.market import product_service, rank_service
from benchmarks.measure import Bench, Result, bench_database
from benchmarks.served import OURS, cookie, environment, portal_settings, served

SYSTEM = Context.of_system("bench")
NEEDS, BANKS = 100_000, 4
CLIENTS, ROUNDS, PAGES_A_ROUND = BANKS, 6, 80
PASSWORD = "Lian-2026-xing"
ADDRESSES = (
    "/queue?f=1&size=50", *(f"/queue?f=1&size=50&page={number}" for number in range(2, 6)),
    "/queue?f=1&size=50&district=440112", "/queue?f=1&size=50&industry=C&first=1",
    "/queue?f=1&size=50&amount_min=100&amount_max=300",
)  # fmt: skip
FIRST = 4 * CLIENTS * len(ADDRESSES)
"""Every address of every officer, as a rule by both workers."""
FLOOR_ADDRESSES = tuple(f"/queue?page={number}" for number in range(1, 6))
TARGET, SLOWEST, STATEMENTS = 0.4, 3.0, 12

_FIRMS = """
insert into organisation (id, kind, name, uscc, state, created_at)
  select md5('firm ' || n)::uuid, 'enterprise', '广州基准' || n || '有限公司', '91440112MA' || lpad(n::text, 7, '0') || 'X',
    'active', now()
  from generate_series(1, %(needs)s) n;
insert into enterprise (id, firm_no, uscc, form, district, industry_code, headcount, revenue_fen, assets_fen, figures_year,
    figures_source, size_class, size_rule, size_working, state, verified_at, synthetic, created_at)
  select md5('firm ' || n)::uuid, n, '91440112MA' || lpad(n::text, 7, '0') || 'X', 'company',
    (array['440103','440104','440105','440106','440111','440112','440113','440114','440115','440117','440118'])[1 + n %% 11],
    lpad((1 + n * 37 %% 96)::text, 2, '0'), 10 + n %% 200, 100000000, 100000000, 2025, 'self',
    (array['micro','small','small','medium'])[1 + n %% 4], 'bench', '[]', 'verified', now(), true, now()
  from generate_series(1, %(needs)s) n;
insert into case_file (id, number, kind, subject_org_id, title, opened_at)
  select md5('case ' || n)::uuid, 'HQ-B-' || n, 'need', md5('firm ' || n)::uuid, '基准', now()
  from generate_series(1, %(needs)s) n;
insert into seal (id) select md5('seal ' || n)::uuid from generate_series(1, %(needs)s) n;
insert into need (id, org_id, case_id, seal_id, state, amount_fen, term_months, purpose_kind, purpose_text, product_kind,
    repayment, first_loan, distribution, industry_code, district, size_class, firm_form, bookable, bookable_reasons,
    submitted_at, released_at, release_kind, published_at, closes_at, next_check_at, step, created_at)
  select md5('need ' || n)::uuid, e.id, md5('case ' || n)::uuid, md5('seal ' || n)::uuid, 'OPEN',
    (10 + n * 7919 %% 990) * 1000000, 3 + n %% 34, 'PURCHASE', '采购', (array['ANY','CREDIT','MORTGAGE','IP_PLEDGE'])[1 + n %% 4],
    'ANY', n %% 5 = 0, 'open', e.industry_code, e.district, e.size_class, 'company', n %% 3 = 0, '[]',
    now() - interval '1 day', now() - interval '1 day', 'auto', now() - interval '1 day',
    now() + interval '1 day' + n %% 4 * interval '1 day', now() + interval '9 days', 3, now()
  from generate_series(1, %(needs)s) n join enterprise e on e.firm_no = n;
insert into feature_list (sha, names) values (sha256(''), array['bench']);
insert into credit_profile (id, firm_id, at, current, state, as_of, partial, months_covered, scale, score, grade, points,
    probability, pd_low, pd_high, model_id, coverage, reasons, account, consent_ids, feature_list, snapshot)
  select gen_random_uuid(), md5('firm ' || n)::uuid, now(), true, 'scored', current_date, false, 24, 2, 300 + n * 31 %% 550,
    (array['A','B','C','D','E'])[1 + n %% 5], 0, 0.02, 0.01, 0.03, %(model)s, '{}', '[]', '{"base": 0}', '[]', sha256(''),
    array[0.5]
  from generate_series(1, %(needs)s, 2) n;
insert into score_count (score, firms)
  select score, count(*) from credit_profile where current and state = 'scored' group by score;
insert into consent (id, firm_id, item_code, receiver_kind, receiver_org_id, purpose, channel, text_version, signed_text,
    text_sha256, state, given_at, valid_until)
  select gen_random_uuid(), md5('firm ' || n)::uuid, 'invoices', 'bank', r.id, 'pre_approval', 'web', t.version, 'benchmark',
    sha256(convert_to('benchmark', 'UTF8')), 'ACTIVE', now(), now() + interval '300 days'
  from generate_series(1, %(needs)s, 2) n cross join (select min(version) as version from consent_text where kind = 'firm') t
    cross join lateral (select null::uuid as id union all
      select b.id from unnest(%(banks)s::uuid[]) with ordinality b(id, place) where (b.place + n / 2) %% 3 = 0) r;
"""


def _people(banks: list[Organisation]) -> list[str]:
    """Logins of an officer of each bank."""
    officers = []
    hashed = identity.hasher().hash(PASSWORD)
    with transaction(SYSTEM):
        for bank in banks:
            person = Person(
                id=new_id(), org_id=bank.id, login=f"officer-{bank.id.hex[-8:]}", name="客户经理", state="active",
                password_hash=hashed, password_changed_at=now(), created_at=now(),
                organisation=session().get_one(Organisation, bank.id), memberships=[Membership(
                    role=Role.BANK_OFFICER.value, org_id=bank.id, org_kind=bank.kind, approval_limit_fen=None,
                )],
            )  # fmt: skip
            session().add(person)
            session().flush()
            officers.append(person.login)
    return officers


def _shelves(banks: list[Organisation]) -> None:
    for number, bank in enumerate(banks):
        for name, kind, low, high in (("信用贷", "CREDIT", 10, 500), ("抵押贷", "MORTGAGE", 100, 3_000)):
            product_service.create_product(SYSTEM, product_service.ProductFields(
                name, kind, low * WAN, high * WAN, 3, 24 + number, ("13", "34", "39"), ("440112", "440106"),
                min_rate=Decimal("0.0345"), max_rate=Decimal("0.0485"),
            ), bank.id)  # fmt: skip


def _model(bench: Bench) -> Any:
    from scoring.city_training import table
    from scoring.settings import SETTINGS
    from scoring.training import train

    settings = SETTINGS.changed({"rounds": 30, "bootstrap": 2, "calibration_folds": 3})
    path = bench.folder / "model.json"
    train(table(400, 24, 11), settings, seed=11, trained_at=date(2026, 11, 22), metrics={"auc": 0.7}).save(path)
    return model_service.register_model(SYSTEM, path).id


def fill(bench: Bench) -> list[str]:
    """100,000 open needs and their places in every queue; the ticker has run. Returns the login of an officer of each bank."""
    banks = [create_organisation(SYSTEM, OrgKind.BANK, f"基准银行{number}") for number in range(BANKS)]
    _shelves(banks)
    values = {"needs": NEEDS, "model": _model(bench), "banks": [bank.id for bank in banks]}
    with psycopg.connect(bench.owner_dsn) as owner:
        for name in ("consent", "enterprise", "credit_profile", "need"):
            owner.execute(f"alter table {name} disable trigger user")
        for statement in _FIRMS.split(";\n")[:-1]:
            owner.execute(statement, values)
        for name in ("consent", "enterprise", "credit_profile", "need"):
            owner.execute(f"alter table {name} enable trigger user")
    with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
        owner.execute("vacuum analyze")
    start = time.perf_counter()
    places = sum(rank_service.rank_bank(SYSTEM, bank.id) for bank in banks)
    took = time.perf_counter() - start
    add_up_scores(SYSTEM)
    print(f"{places} places of {NEEDS} needs for {BANKS} banks in {took:.0f} s: {places / took:.0f} a second", flush=True)
    with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
        owner.execute("vacuum analyze")
    return _people(banks)


def _ask(port: int, addresses: tuple[str, ...], cookies: list[str], count: int) -> list[float]:
    """Seconds of each page, by ``CLIENTS`` clients at once."""

    def client(number: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        took = []
        for turn in range(count // CLIENTS):
            headers = {"Cookie": cookies[number]} if cookies else {}
            start = time.perf_counter()
            connection.request("GET", addresses[(number * 3 + turn) % len(addresses)], headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            took.append(time.perf_counter() - start)
            if cookies and (given := answer.getheader("Set-Cookie")):
                cookies[number] = given.partition(";")[0]
            if answer.status != 200 or body.count(b"<tr") < 50:
                raise RuntimeError(f"{answer.status}: {body.count(b'<tr')} rows")
        connection.close()
        return took

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [second for part in pool.map(client, range(CLIENTS)) for second in part]


def _statements(app: Any, cookie: str) -> int:
    """Messages to the database of the page that needs most, session and identity included; identity and page are one."""
    seen: list[str] = []
    execute = psycopg.Cursor.execute

    def count(cursor: Any, query: Any, *values: Any, **options: Any) -> Any:
        seen.append(str(query))
        return execute(cursor, query, *values, **options)

    client = app.test_client()
    name, value = cookie.split("=", 1)
    client.set_cookie(name, value, domain="localhost")
    most = 0
    psycopg.Cursor.execute = count  # type: ignore[assignment, method-assign]
    try:
        for address in ADDRESSES:
            seen.clear()
            assert client.get(address).status_code == 200
            most = max(most, len(seen))
    finally:
        psycopg.Cursor.execute = execute  # type: ignore[method-assign]
    return most


def run() -> list[Result]:
    """Pages a second, the 95th percentile, statements a page."""
    from app.factory import create_app

    with bench_database() as bench:
        officers = fill(bench)
        ours, bare = 8391, 8392
        settings = portal_settings(bench, ours)
        app = create_app(settings)
        cookies = [cookie(app, login, PASSWORD) for login in officers]
        most = _statements(app, cookies[0])
        values = environment(settings, FLOOR_DSN=bench.owner_dsn)
        same = ["--workers", "2", "--threads", "2", "--worker-class", "gthread", "--bind", f"127.0.0.1:{bare}"]
        quick: list[float] = []
        slow: list[float] = []
        spent = [0.0, 0.0]
        with (
            served("wsgi:app", ours, values, OURS),
            served("benchmarks.floor:app", bare, values, same),
        ):
            first = [0.0, 0.0]
            for place, (port, addresses, held) in enumerate(((ours, ADDRESSES, cookies), (bare, FLOOR_ADDRESSES, []))):
                start = time.perf_counter()
                _ask(port, addresses, held, FIRST)
                first[place] = FIRST / (time.perf_counter() - start)
            for _ in range(ROUNDS):
                for place, (port, addresses, held, times) in enumerate((
                    (ours, ADDRESSES, cookies, slow), (bare, FLOOR_ADDRESSES, [], quick),
                )):  # fmt: skip
                    start = time.perf_counter()
                    times += _ask(port, addresses, held, PAGES_A_ROUND)
                    spent[place] += time.perf_counter() - start
    rates = [len(slow) / spent[0], len(quick) / spent[1]]
    tails = [float(np.quantile(times, 0.95)) * 1000 for times in (slow, quick)]
    return [
        Result("market.queue", f"{rates[0]:.1f}pages/s", f"{rates[1]:.1f}pages/s", rates[0] / rates[1], TARGET),
        Result("market.queue.first", f"{first[0]:.1f}pages/s", f"{first[1]:.1f}pages/s", first[0] / first[1]),
        Result("market.queue.p95", f"{tails[0]:.0f}ms", f"{tails[1]:.0f}ms", tails[0] / tails[1], SLOWEST, at_least=False),
        Result("market.queue.statements", f"{most}", f"{STATEMENTS}", float(most), float(STATEMENTS), at_least=False),
    ]

