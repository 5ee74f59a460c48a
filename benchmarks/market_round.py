"""A matching round as the worker computes it: 20,000 open needs of a batch, 300 products of thirty banks; seconds by part.

What each bank sees of each need is read inside that bank's identity, every pair is asked what keeps it apart, lists and scores
are made, needs and seats matched, the outcome stored. The floor is the matching alone, on the same wishes; wall time, once.
``BENCH_NEEDS`` makes a smaller town, ``BENCH_BANKS`` fewer banks (ten products each).
"""

from __future__ import annotations

import os
import resource
import time
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg

from app.core.context import Context
from app.core.database import session, transaction
from app.core.ids import new_id
from app.core.money import WAN
from app.core.permissions import OrgKind, Role, permissions_of
from app.identity.models import Organisation, Person
from app.identity.staff_service import create_organisation
from app.market import product_service, round_service
from benchmarks.market_queue import _FIRMS, SYSTEM, _model, _people
from benchmarks.measure import Bench, Result, bench_database

NEEDS = int(os.environ.get("BENCH_NEEDS", "20000"))
BANKS = int(os.environ.get("BENCH_BANKS", "30"))
SHELF, SEATS = 10, 40
KINDS = ("CREDIT", "MORTGAGE", "IP_PLEDGE", "CREDIT", "TAX_LOAN")
DISTRICTS = ("440103", "440104", "440105", "440106", "440111", "440112", "440113", "440114", "440115", "440117", "440118")


def _shelf(bank: Organisation, place: int) -> None:
    """Ten products that differ in kind, money, term, rate, regions and industries."""
    for number in range(SHELF):
        low = 10 + 15 * number
        product_service.create_product(SYSTEM, product_service.ProductFields(
            f"产品{number}", KINDS[(place + number) % len(KINDS)], low * WAN, (low + 200 + 80 * number) * WAN, 3, 24 + number,
            () if number % 2 else ("13", "34", "39", "5"), () if number % 3 else DISTRICTS[place % 6 : place % 6 + 5],
            min_rate=Decimal(300 + place) / 10_000, max_rate=Decimal(400 + 5 * number) / 10_000, seats=SEATS,
            budget_fen=SEATS * 300 * WAN, officer_capacity=SEATS,
        ), bank.id)  # fmt: skip


def _town(bench: Bench) -> tuple[Context, UUID]:
    """Fills the town; a person of the desk and the batch in which every need is stands ready."""
    banks = [create_organisation(SYSTEM, OrgKind.BANK, f"基准银行{number}") for number in range(BANKS)]
    for place, bank in enumerate(banks):
        _shelf(bank, place)
    values = {"needs": NEEDS, "model": _model(bench), "banks": [bank.id for bank in banks]}
    tables = ("consent", "enterprise", "credit_profile", "need", "batch_need", "batch_bank")
    _people(banks)
    desk = create_organisation(SYSTEM, OrgKind.PLATFORM, "服务台")
    person = Person(id=new_id(), org_id=desk.id, login="desk", name="服务台", state="active", password_hash="x",
                    password_changed_at=desk.created_at, created_at=desk.created_at)  # fmt: skip
    with transaction(SYSTEM):
        session().add(person)
        session().flush()
        at_desk = Context(person.id, desk.id, OrgKind.PLATFORM, frozenset({Role.DESK}), permissions_of(frozenset({Role.DESK})))
    batch = new_id()
    with psycopg.connect(bench.super_dsn) as owner:
        for name in tables:
            owner.execute(f"alter table {name} disable trigger user")
        for statement in _FIRMS.split(";\n")[:-1]:
            owner.execute(statement, values)
        owner.execute("insert into need_batch values (%s, '基准批次', 'list', 20, %s, now())", (batch, person.id))
        owner.execute("insert into batch_need select %s, id, now() from need", (batch,))
        owner.execute("insert into batch_bank select %s, id, kind, now() from organisation where kind = 'bank'", (batch,))
        for name in tables:
            owner.execute(f"alter table {name} enable trigger user")
    with psycopg.connect(bench.super_dsn, autocommit=True) as owner:
        owner.execute("vacuum analyze")
    return at_desk, batch


def _watched(name: str, spent: dict[str, float]) -> Any:
    """The part of the round's use case, told how long it takes; what it returned stands beside."""
    call = getattr(round_service, name)

    def watched(*values: Any) -> Any:
        began = time.perf_counter()
        told = call(*values)
        spent[name] = time.perf_counter() - began
        kept[name] = told
        return told

    return watched


kept: dict[str, Any] = {}


def run() -> list[Result]:
    """Seconds of each part, and of the whole against the matching alone."""
    spent: dict[str, float] = {}
    with bench_database() as bench:
        desk, batch = _town(bench)
        found = round_service.start_round(desk, batch)
        for name in ("load_terms", "gather", "match"):
            setattr(round_service, name, _watched(name, spent))
        began = time.perf_counter()
        round_service.compute_round(SYSTEM, found.id)
        whole = time.perf_counter() - began
    inputs, outcome = kept["gather"], kept["match"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{NEEDS:,} needs, {len(inputs.terms.products)} products, {len(inputs.reasons):,} wishes, "
          f"{float((outcome.row >= 0).mean()):.0%} matched: read {spent['load_terms']:.2f} s, prepared {spent['gather']:.1f} s, "
          f"matched {spent['match']:.2f} s, the whole with storing {whole:.1f} s; {peak:.0f} MB at most", flush=True)
    return [Result("market.round", f"{whole:.1f}s", f"{spent['match']:.2f}s", whole / spent["match"])]
