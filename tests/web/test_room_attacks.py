"""Requests to the rooms of loans, pool and bridges that somebody wrote by hand: whoever has no part finds nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.routing import AnyConverter, Rule, UUIDConverter
from werkzeug.test import TestResponse

from app.bridge import bank_service, correction_service, statement_service, trouble_service
from app.bridge.hops import acts_of
from app.bridge.trouble_rules import TroubleKind
from app.core.calendar import today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.money import WAN
from app.core.permissions import OrgKind, Permission, Role
from app.demo.statements import icbc_csv
from app.pool import budget_service, decision_service, objection_service, recovery_service
from app.pool import correction_service as corrections
from app.pool import service as pool
from app.pool.correction_service import Facts
from app.pool.objection_service import Grounds
from tests import bridge_cast as road
from tests import cast
from tests.batch_cast import csv_of, row_of, sent
from tests.database import TestDatabase
from tests.pool_cast import rule_set, terms
from tests.seal_tools import owner_sql
from tests.service.test_bridge_statements import custody_moves
from tests.service.test_guarantors import Guaranteed
from tests.web.visitors import visit

pytestmark = pytest.mark.service

ANYBODY = Context.anonymous()
ROOMS = ("pool", "bridge", "loans")
TABLES = {
    "agreement_id": {"pool": "pool_agreement", "bridge": "fund_agreement"}, "ask_id": "renewal_ask", "batch_id": "pool_batch",
    "booking_id": "booking", "bridge_id": "bridge", "ceiling_id": "bridge_ceiling", "claim_id": "claim",
    "closing_id": "budget_closing", "condition_id": "commitment_condition", "contract_id": "guarantee_contract",
    "correction_id": {"pool": "claim_correction", "bridge": "hop_correction"}, "difference_id": "pool_difference",
    "edition_id": "rule_set", "fund_id": "fund", "funding_id": "budget_funding", "loan_id": "loan",
    "objection_id": "claim_objection", "paper_id": "bridge_paper", "product_id": "fund_product", "proposal_id": "rule_proposal",
    "publicity_id": "claim_publicity", "quote_id": "bridge_quote", "recovery_id": "recovery", "repayment_id": "repayment",
    "row_id": "statement_row", "run_id": "stress_run", "sample_id": "audit_sample", "trouble_id": "bridge_trouble",
    "wait_id": "claim_wait",
}
"""Which table an id in an address is of."""
EMPTY = {"pool_difference", "stress_run", "rule_proposal", "bridge_ceiling", "claim_wait", "audit_sample"}
"""Tables of the city's own desk, which nobody of the four may enter at all; any id does."""
SHARED = {"pool.edition"}
"""Addresses that anybody with the permission may read: the rule in force is no secret."""
HANDWRITTEN = {
    "reason": "x", "note": "x", "amount": "1", "kind": "COURT_FREEZE", "principal": "100", "voucher_no": "v",
    "paid_on": "2026-01-05",
    "document_no": "x", "number": "x", "granted": "yes", "rate": "4", "on_day": "2026-01-05", "contract_no": "x", "note_no": "x",
    "drawn_on": "2026-01-05", "reported_on": "2026-01-05", "reported_class": "NORMAL", "overdue_days": "0", "state": "OPEN",
    "returned_on": "2026-01-05", "paid_out": "1", "statement": "x", "verdict": "confirm", "decision": "confirm",
}
"""Enough for most forms to reach their use case."""
QUIET = ("audit_event", "user_session", "notice", "saved_filter", "outbox", "message", "alembic_version", "export_record")


def everything(database: TestDatabase) -> dict[str, str]:
    """One digest a table of what an attacker would like to change."""
    names = [name for (name,) in owner_sql(
        database, "select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'")]
    return {
        name: owner_sql(database, f"select md5(coalesce(string_agg(x::text, '|' order by x::text), '')) from {name} x")[0][0]
        for name in names if name not in QUIET
    }


def newest(model: Any) -> Any:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalars(text(f"select id from {model} order by id desc limit 1")).one()


def full_pool() -> Guaranteed:
    """A city with something behind every address of the pool: loans of both modes, a claim paid, objected to, and corrected."""
    city = Guaranteed()
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CALM", stop_line=Decimal(1), publicity_days=0))
    city.guaranteed(terms(300))
    city.stated(city.drawn(terms(200)))
    loan = city.booked(terms(300), days_ago=20)
    city.repay(loan, 100, days_ago=5)
    paid = city.claimed(loan)
    city.at_decision(paid)
    decision_service.approve_claim(city.leader, paid.id)
    decision_service.pay_claim(city.cashier, paid.id, "付-1", today())
    recovery_service.report_recovery(city.officer, paid.id, today(), 90 * WAN, 10 * WAN, "执行款")
    corrections.propose_correction(city.auditor, paid.id, Facts(150 * WAN, False, False, False, 0), "损失多报")
    budget_service.propose_closing(city.cashier, today().year - 1, "年度终了")
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-SEEN", stop_line=Decimal(1), valid_from=date(2025, 10, 3)))
    seen = city.claimed(city.booked(terms(100)))
    city.at_decision(seen)
    decision_service.approve_claim(city.leader, seen.id)
    objection_service.object_to(ANYBODY, newest("claim_publicity"), Grounds("某人", "020-1", "仍在生产"))
    city.claimed(city.booked(terms(100)))
    sent(city.officer, csv_of([row_of(city, city.drawn(terms(50)))]))
    return city


def full_bridge() -> road.People:
    """A bridge on its way back, with a bank that promised under a condition, a trouble, a correction and a bank statement."""
    who = road.people()
    key = road.walk(who, "PRECHECKED")
    bank_service.commit(who.new_bank[Role.BANK_APPROVER], key, road.promise(open_kinds=("COLLATERAL",), conditions="登记后放款"))
    done = road.walk(who, "OLD_REPAID")
    trouble_service.report(who.boss, done, TroubleKind.RENEWAL_REFUSED, "银行说额度紧张")
    road.walk(who, "BRIDGE_RETURNED", bridge_id=done)
    with transaction(cast.SYSTEM, read_only=True):
        act = acts_of(done)[-1].first.id
    correction_service.propose_correction(who.clerk, done, act, "K1", "K2", "金额错了")
    statement_service.take_in(who.clerk, "明细.csv", icbc_csv(custody_moves(done)))
    return who


def ids(database: TestDatabase) -> dict[str, list[UUID]]:
    """Up to two ids of every table an address speaks of."""
    names = {table for one in TABLES.values() for table in ([one] if isinstance(one, str) else one.values())}
    found = {name: [row[0] for row in owner_sql(database, f"select id from {name} order by id desc limit 2")] for name in names}
    assert {name for name, rows in found.items() if not rows} <= EMPTY, {name for name, rows in found.items() if not rows}
    return found


def gaps(app: Flask, found: dict[str, list[UUID]]) -> Iterator[tuple[Rule, str]]:
    """Every address of the three rooms with ids of others in it."""
    for rule in app.url_map.iter_rules():
        where = rule.endpoint.partition(".")[0]
        permission = getattr(app.view_functions[rule.endpoint], "hq_permission", None)
        if where not in ROOMS or not isinstance(permission, Permission):
            continue
        names = list(rule._converters)
        tables = [TABLES.get(name) for name in names]
        tables = [one[where] if isinstance(one, dict) else one for one in tables]
        for nth in range(2):
            values: dict[str, Any] = {}
            for name, table in zip(names, tables, strict=True):
                converter, rows = rule._converters[name], found.get(table or "", [])
                if table is not None:
                    values[name] = rows[min(nth, len(rows) - 1)] if rows else UUID(int=7)
                elif isinstance(converter, AnyConverter):
                    values[name] = sorted(converter.items)[nth % len(converter.items)]
                else:
                    values[name] = "x"
            if nth and not any(tables):
                break
            with app.test_request_context():
                yield rule, app.url_map.bind("localhost").build(rule.endpoint, values, method=sorted(rule.methods)[0])


def inside(data: bytes) -> str:
    """The text of a page or, where it is one, of a workbook."""
    if not data.startswith(b"PK"):
        return data.decode(errors="replace")
    with ZipFile(BytesIO(data)) as book:
        return "".join(book.read(name).decode() for name in book.namelist() if name.endswith(".xml"))


def answers(client: FlaskClient, rule: Rule, address: str) -> Iterator[TestResponse]:
    """What an address says: read, as a workbook where it is a list, sent an empty form and a full one."""
    methods = rule.methods or set()
    if "GET" in methods:
        first = client.get(address)
        yield first
        if first.status_code == 403:
            return
        if not by_id(rule):
            yield client.get(f"{address}?format=xlsx")
    if "POST" in methods:
        yield client.post(address)
        yield client.post(address, data=HANDWRITTEN)


def by_id(rule: Rule) -> bool:
    """Whether an address speaks of one thing."""
    return any(isinstance(one, UUIDConverter) for one in rule._converters.values())


def test_whoever_has_no_part_finds_nothing_at_any_address(app: Flask, database: TestDatabase) -> None:
    city, who = full_pool(), full_bridge()
    found = ids(database)
    secrets = [city.firm.name, who.firm.name, *(one for (one,) in owner_sql(
        database, "select number from loan union select note_no from loan where note_no is not null "
        "union select old_note_no from bridge"))]
    strangers = (
        cast.bank("云城银行"), cast.firm("别家企业"), cast.organisation(OrgKind.GUARANTOR, "别的担保公司"),
        cast.funder("别的资金方"),
    )
    foes = [visit(app, one) for one in (
        strangers[0][Role.BANK_OFFICER], strangers[1][Role.FIRM_REPRESENTATIVE], strangers[2][Role.GUARANTOR_CLERK],
        strangers[3][Role.FUNDER_CLERK],
    )]
    before, holes = everything(database), []
    for rule, address in gaps(app, found):
        right = {302, 403, 404} if by_id(rule) and rule.endpoint not in SHARED else {200, 302, 403, 404}
        for foe in foes:
            for answer in answers(foe, rule, address):
                told = inside(answer.data)
                if answer.status_code not in right or any(secret in told for secret in secrets):
                    holes.append((answer.request.method, address, answer.status_code, [one for one in secrets if one in told]))
    assert holes == []
    after = everything(database)
    assert [name for name in before if before[name] != after[name]] == [], "nothing has moved"
    for foe in foes:
        for (paper,) in owner_sql(database, "select id from paper"):
            assert foe.get(f"/papers/{paper}").status_code == 404


def test_a_year_or_a_day_that_no_calendar_has_is_answered_in_words(app: Flask, database: TestDatabase) -> None:
    leader = visit(app, cast.bureau()[Role.BUREAU_LEADER])
    for year in ("99999", "-1", "0", "9" * 30, "x"):
        for page in ("cockpit", "cockpit?format=xlsx", "ledger"):
            address = f"/pool/{page}{'&' if '?' in page else '?'}year={year}"
            assert leader.get(address).status_code == 200, address
    who = road.people()
    key, clerk = road.walk(who, "PICKED"), visit(app, who.clerk)
    for day in ("9999-12-31", "0001-01-01"):
        for button in ({}, {"check": "1"}):
            answer = clerk.post(f"/bridges/{key}/hold", data={"starts_on": day, "days": "365", **button})
            assert answer.status_code == 200 and today().isoformat() in answer.text, "told from when to when"
    assert owner_sql(database, "select count(*) from fund_hold")[0][0] == 0
