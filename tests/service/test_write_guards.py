"""Rows that several hands change: each hand its own part, refused by the database whatever the portal's code does."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.context import Context
from app.core.database import session, transaction
from app.core.money import WAN
from app.core.permissions import Role
from tests import bridge_cast as road
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import City

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def city(database: TestDatabase) -> City:
    return City()


def done(ctx: Context, statement: str, **values: Any) -> int:
    with transaction(ctx):
        return session().execute(text(statement), values).rowcount  # type: ignore[attr-defined, no-any-return]


def refused(ctx: Context, match: str, statement: str, **values: Any) -> None:
    with pytest.raises(DBAPIError, match=match):
        done(ctx, statement, **values)


def test_an_officer_gives_nobody_a_role_and_changes_no_colleague() -> None:
    bank = cast.bank()
    officer, admin = bank[Role.BANK_OFFICER], bank[Role.BANK_ADMIN]
    values = {"me": officer.actor_id, "org": bank.id}
    role = "insert into membership (person_id, role, org_id, org_kind) values (:me, 'bank_approver', :org, 'bank')"
    refused(officer, "row-level security", role, **values)
    assert done(officer, "update membership set approval_limit_fen = 1 where role = 'bank_approver'") == 0
    assert done(officer, "delete from membership") == 0
    assert done(officer, "update person set locked_until = null where id <> :me", me=officer.actor_id) == 0
    assert done(officer, "update person set locked_until = null where id = :me", me=officer.actor_id) == 1
    assert done(admin, role, **values) == 1


def test_an_organisation_does_not_rename_itself_past_the_platform() -> None:
    bank = cast.bank()
    rename = "update organisation set name = '别家' where id = :id"
    refused(bank[Role.BANK_ADMIN], "row-level security", rename, id=bank.id)
    firm, unproved = cast.firm(), cast.firm("广州未核验有限公司", verified=False)
    refused(firm[Role.FIRM_REPRESENTATIVE], "row-level security", rename, id=firm.id)
    assert done(unproved[Role.FIRM_REPRESENTATIVE], rename, id=unproved.id) == 1


def test_a_firm_does_not_verify_itself() -> None:
    firm = cast.firm(verified=False)
    verify = "update enterprise set state = 'verified', verified_at = now() where id = :id"
    refused(firm[Role.FIRM_REPRESENTATIVE], "does not verify itself", verify, id=firm.id)
    assert done(cast.platform()[Role.DESK], verify, id=firm.id) == 1


@pytest.mark.parametrize("change", ["approved_fen = 1", "paid_fen = 1", "voucher_no = 'x'", "decider_id = gen_random_uuid()",
                                    "state = 'PUBLICISED'"])
def test_a_bank_does_not_decide_its_own_claim(city: City, change: str) -> None:
    claim = city.claimed(city.booked())
    refused(city.officer, "does not decide its own claim", f"update claim set {change} where id = :id", id=claim.id)


def test_the_city_does_not_restate_a_loss(city: City) -> None:
    claim = city.claimed(city.booked())
    refused(city.leader, "stated by its payee", "update claim set compensation_fen = 1 where id = :id", id=claim.id)


def test_a_bank_neither_confirms_nor_rewrites_what_it_reported_as_recovered(city: City) -> None:
    claim = city.claimed(city.booked())
    values = {"claim": claim.id, "case": claim.case_id, "org": claim.org_id}
    row = ("insert into recovery (id, claim_id, case_id, org_id, kind, received_on, recovered_fen, cost_fen, due_fen, "
           "due_on, reference, reported_at, reminders, returned_on, voucher_no) values (gen_random_uuid(), "
           ":claim, :case, :org, 'recovery', current_date, 1, 0, 1, current_date, '', now(), 0, {})")
    refused(city.officer, "row-level security", row.format("current_date, 'x'"), **values)
    assert done(city.officer, row.format("null, null"), **values) == 1
    assert done(city.officer, "update recovery set returned_on = current_date, voucher_no = 'x'") == 0
    assert done(city.cashier, "update recovery set returned_on = current_date, voucher_no = 'x'") == 1


def test_nobody_but_its_funder_rewrites_a_quote() -> None:
    who = road.people()
    key = road.walk(who, "PARTNER_OFFERED")
    statement = "update bridge_quote set amount_fen = :amount where bridge_id = :key"
    for ctx in (who.boss, who.reviewer):
        refused(ctx, "is its funder", statement, amount=WAN, key=key)
    assert done(who.funder[Role.FUNDER_CLERK], statement, amount=100 * WAN, key=key) == 1
