"""Two hundred clerks at once for the last quota of twenty funds, against a bare row-lock update in the same run.

Ours: the portal's own use case, ``hold_service.hold``, as the login role under row-level security: bridge locked, ledger
reservation, the quota of each of five days judged under the lock of the fund's account, hold, step, notices and audit event
written, committed. Ten bridges want each fund, whose daily quota has room for one: nine of ten are refused.
Floor: as many threads over as many connections each add to one counter row per fund where the sum stays within its limit, and
commit. Ours and floor by turns, each turn on days of its own; medians of the turns. After every turn each day of each fund is
counted from the rows: one seat, never two.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg

from app.bridge import deed_service, fund_service, hold_service, notes, quota_service
from app.bridge.account_numbers import account_digest
from app.bridge.fund_models import BridgeQuote
from app.bridge.models import Bridge, Commitment, RenewalAsk
from app.bridge.rules import SAME_BANK, BridgeKind
from app.bridge.terms import stored
from app.core.calendar import now, today
from app.core.cases import open_case
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.money import WAN
from app.core.permissions import OrgKind, Role, permissions_of
from app.core.uscc import synthetic
from app.enterprises.models import Enterprise
from app.identity.models import Organisation, Person
from app.identity.staff_service import create_organisation
from benchmarks.measure import Bench, Result, bench_database

SYSTEM = Context.of_system("bench")
FUNDS, CLERKS, TURNS, CONNECTIONS = 20, 200, 7, 15
"""The portal's pool holds at most fifteen connections; the floor gets as many."""
AMOUNT_FEN, DAYS = 300 * WAN, 5


def _person(org_id: UUID, role: Role, name: str) -> Context:
    with transaction(SYSTEM):
        person = Person(id=new_id(), org_id=org_id, login=f"bench-{name}", name=name, state="active", created_at=now(),
                        password_hash="no password", password_changed_at=now())
        session().add(person)
        session().flush()
    roles = frozenset({role})
    return Context(person.id, org_id, OrgKind.BRIDGE_CENTRE, roles, permissions_of(roles), org_name="基准中心")


def _firm(bank_id: UUID) -> UUID:
    with transaction(SYSTEM):
        code = synthetic("440112", 900_001)
        firm = Organisation(id=new_id(), kind="enterprise", name="基准企业", uscc=code, created_at=now())
        session().add(firm)
        session().flush()
        session().add(Enterprise(
            id=firm.id, firm_no=900_001, uscc=code, form="company", district="440112", industry_code="34", size_class="small",
            size_working=[], state="verified", verified_at=now(), synthetic=True, created_at=now(),
        ))
    return firm.id


def _bridge(number: int, firm_id: UUID, bank_id: UUID, fund_id: UUID, funder_id: UUID) -> UUID:
    """A bridge whose firm has picked the fund's quote."""
    with transaction(SYSTEM):
        db, due, terms = session(), today() + timedelta(days=30), stored(SAME_BANK)
        ask = RenewalAsk(
            firm_id=firm_id, firm_name="基准企业", firm_uscc=synthetic("440112", 900_001), bank_org_id=bank_id,
            note_no=f"B-{number}", reason="OTHER",
            due_on=due, due_fen=AMOUNT_FEN, working_capital=True, asked_on=today(), source="STATED", state="REFUSED", note="基准",
            stored_at=now(),
        )
        db.add(ask)
        db.flush()
        bridge = Bridge(
            case_id=open_case("bridge", firm_id, "转贷").id, firm_id=firm_id, firm_name="基准企业", ask_id=ask.id,
            old_bank_org_id=bank_id, new_bank_org_id=bank_id, kind="SAME_BANK", old_note_no=ask.note_no, old_due_fen=AMOUNT_FEN,
            old_due_on=due, own_money_fen=0, requested_fen=AMOUNT_FEN, planned_days=DAYS, urgent=False, state="PARTNER_OFFERED",
            state_since=now(), applied_at=now(), checks=[],
        )
        db.add(bridge)
        db.flush()
        notes.put(bridge, [notes.Due(ask, None, AMOUNT_FEN, due)])
        quote = BridgeQuote(
            bridge_id=bridge.id, firm_id=firm_id, fund_id=fund_id, org_id=funder_id, fund_name="基准", state="PICKED",
            amount_fen=AMOUNT_FEN, terms=terms, valid_until=due, invited_at=now(), offered_at=now(),
        )
        db.add_all([quote, Commitment(
            bridge_id=bridge.id, org_id=bank_id, signer_id=new_id(), signer_name="基准", branch="营业部",
            promised_fen=2 * AMOUNT_FEN,
            rate_low=Decimal("0.04"), rate_high=Decimal("0.04"), term_months=12, method="INTEREST_ONLY", conditions="",
            latest_drawdown_on=today() + timedelta(days=150), receiving_account="6222000000000000", seal_digest=bytes(32),
            receiving_digest=account_digest("6222000000000000"), borrower_uscc=synthetic("440112", 900_001),
            old_note_no=ask.note_no, old_due_fen=AMOUNT_FEN, old_due_on=due,
            valid_until=today() + timedelta(days=150), state="LIVE", signed_at=now(),
        )])
        db.flush()
        bridge.quote_id, bridge.fund_id, bridge.funder_org_id = quote.id, fund_id, funder_id
        bridge.amount_fen, bridge.terms = AMOUNT_FEN, terms
    return bridge.id


def city() -> tuple[Context, list[UUID], list[UUID]]:
    """The clerk, the funds, and the bridges: ten for each fund, in turn."""
    bank, centre = (create_organisation(SYSTEM, kind, name) for kind, name in (
        (OrgKind.BANK, "基准银行"), (OrgKind.BRIDGE_CENTRE, "基准中心")))
    clerk = _person(centre.id, Role.CENTRE_CLERK, "clerk")
    reviewer = _person(centre.id, Role.CENTRE_REVIEWER, "reviewer")
    firm_id, funds, bridges = _firm(bank.id), [], []
    for number in range(FUNDS):
        funder = create_organisation(SYSTEM, OrgKind.FUNDER, f"基准资金方{number}")
        deed = deed_service.Deed(f"XY-{number}", tuple(BridgeKind), today(), today() + timedelta(days=365), "甲", "乙")
        made = deed_service.draft(clerk, funder.id, deed, "基准")
        deed_service.decide(reviewer, made.id, "confirm", "基准")
        fund = fund_service.open_fund(reviewer, funder.id, f"基准资金{number}", SAME_BANK)
        fund_service.top_up(reviewer, fund.id, 100 * AMOUNT_FEN, "IN")
        quota_service.set_quotas(reviewer, fund.id, {("DAY", None, None): AMOUNT_FEN})
        funds.append(fund.id)
        bridges += [_bridge(number * 10 + place, firm_id, bank.id, fund.id, funder.id) for place in range(CLERKS // FUNDS)]
    return clerk, funds, bridges


def at_once(calls: list[Callable[[], str]]) -> tuple[Counter[str], float]:
    """Runs every call in a thread of its own behind one gate: what they said, and seconds from the gate to the last."""
    said: list[str] = []
    gate = threading.Barrier(len(calls) + 1)

    def one(call: Callable[[], str]) -> None:
        gate.wait()
        said.append(call())

    threads = [threading.Thread(target=one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    gate.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return Counter(said), time.perf_counter() - started


def ours(bench: Bench, clerk: Context, bridges: list[UUID], start: date) -> float:
    """Seconds for all clerks at once; every fund's quota went to exactly one."""

    def take(bridge_id: UUID) -> str:
        try:
            return hold_service.hold(clerk, bridge_id, start, DAYS).state
        except Refusal as refusal:
            return refusal.code.value

    said, spent = at_once([lambda key=key: take(key) for key in bridges])  # type: ignore[misc]
    assert said == {"HELD": FUNDS, ErrorCode.QUOTA_EXCEEDED.value: CLERKS - FUNDS}, said
    with psycopg.connect(bench.owner_dsn) as owner:
        taken = owner.execute(
            "select count(*), min(taken), max(taken) from (select fund_id, day, sum(amount_fen)::bigint as taken from fund_hold, "
            "generate_series(starts_on, ends_on - 1, interval '1 day') day where state = 'HELD' group by 1, 2) days").fetchone()
        held = [row[0] for row in owner.execute("select bridge_id from fund_hold where state = 'HELD'")]
    assert taken == (FUNDS * DAYS, AMOUNT_FEN, AMOUNT_FEN), taken
    for key in held:
        hold_service.let_go(clerk, key)
    return spent


def floor(bench: Bench) -> float:
    """Seconds for as many threads over as many connections that each take a row's lock, add within its limit and commit."""
    free: queue.Queue[psycopg.Connection[Any]] = queue.Queue()
    with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
        owner.execute("drop table if exists seat")
        owner.execute("create table seat (fund bigint primary key, used bigint not null, most bigint not null)")
        owner.execute("insert into seat select n, 0, %s from generate_series(0, %s) n", [AMOUNT_FEN, FUNDS - 1])
        for _ in range(CONNECTIONS):
            free.put(psycopg.connect(bench.owner_dsn))

        def take(fund: int) -> str:
            connection = free.get()
            try:
                with connection.transaction():
                    done = connection.execute("update seat set used = used + %s where fund = %s and used + %s <= most",
                                              [AMOUNT_FEN, fund, AMOUNT_FEN])
                return "HELD" if done.rowcount else "FULL"
            finally:
                free.put(connection)

        said, spent = at_once([lambda fund=n // 10: take(fund) for n in range(CLERKS)])  # type: ignore[misc]
        assert said == {"HELD": FUNDS, "FULL": CLERKS - FUNDS}, said
        while not free.empty():
            free.get().close()
    return spent


def run() -> list[Result]:
    """The figures of the bench."""
    with bench_database() as bench:
        clerk, _, bridges = city()
        told = []
        for turn in range(TURNS):
            told.append((ours(bench, clerk, bridges, today() + timedelta(days=10 + 7 * turn)), floor(bench)))
            print(f"turn {turn}: ours {told[-1][0]:.2f} s, bare {told[-1][1]:.3f} s", flush=True)
    booked, bare = (sorted(one[place] for one in told)[len(told) // 2] for place in range(2))
    return [Result("bridge.booking", f"{CLERKS / booked:,.0f}/s", f"{CLERKS / bare:,.0f}/s", bare / booked)]
