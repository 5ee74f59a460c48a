"""Who reads the book and who writes it, asked of the database itself with each identity in turn."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core import database as portal_database
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.ids import new_id
from app.core.money import WAN
from app.core.permissions import Role
from app.pool import decision_service as decisions
from app.pool import service as pool
from tests import bridge_cast as road
from tests import cast
from tests.cast import Cast
from tests.pool_cast import City, ballast, rule_set

pytestmark = pytest.mark.usefixtures("database")

REFUSED = "row-level security"


class Town:
    """A paid claim of one bank, a settled bridge of one firm on one funder's fund, and everybody who looks on."""

    def __init__(self) -> None:
        self.city = City()
        pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CALM", stop_line=Decimal(1), publicity_days=0))
        ballast(self.city)
        claim = self.city.at_decision(self.city.claimed(self.city.booked()))
        decisions.approve_claim(self.city.leader, claim.id)
        decisions.pay_claim(self.city.cashier, claim.id, "凭证-1", today())
        self.who = road.people()
        with time_machine.travel(now() - timedelta(days=3)):
            self.bridge = road.walk(self.who, "NEW_DRAWN")
        road.walk(self.who, "SETTLED", bridge_id=self.bridge)
        self.other_bank, self.other_firm = cast.bank("云山银行"), cast.firm("广州别家有限公司")
        self.other_funder = cast.funder()
        self.other_fund = road.fund(self.who.centre, self.other_funder, 100 * WAN, name="转贷二号")
        year = today().year
        self.codes = {
            "treasury": "pool:treasury", "budget": f"pool:budget:{year}", "paid": f"pool:paid:{self.city.bank.id}",
            "funder": f"funder:{self.who.funder.id}", "fund": f"fund:{self.who.fund_id}",
            "fee": f"fund-fee:{self.who.fund_id}", "receivable": f"bridge:{self.bridge}", "firm": f"firm:{self.who.firm.id}",
            "other": f"fund:{self.other_fund}",
        }

    def key(self, name: str) -> UUID:
        with transaction(cast.SYSTEM, read_only=True):
            return session().execute(
                text("select id from ledger_account where code = :code"), {"code": self.codes[name]}).scalar_one()


@pytest.fixture
def town(database: Any) -> Town:
    return Town()


def someone(org: Cast) -> Context:
    return next(iter(org.people.values()))


def accounts_seen(ctx: Context) -> set[str]:
    with transaction(ctx, read_only=True):
        return set(session().execute(text("select code from ledger_account")).scalars())


def transfers_seen(ctx: Context) -> set[str]:
    with transaction(ctx, read_only=True):
        return set(session().execute(text("select reference from ledger_transfer")).scalars())


def move(
    ctx: Context, debit: UUID, credit: UUID, kind: str = "single", pending: UUID | None = None, *, reference: str = "",
) -> None:
    with transaction(ctx):
        session().execute(text(
            "insert into ledger_transfer (id, kind, debit_account_id, credit_account_id, amount_fen, pending_id, reference, "
            "memo, at) values (:id, :kind, :debit, :credit, 1, :pending, :reference, '', :at)"
        ), {"id": new_id(), "kind": kind, "debit": debit, "credit": credit, "pending": pending, "at": now(),
            "reference": reference or str(new_id())})


def open_(ctx: Context, code: str, kind: str, org_id: UUID | None = None, *, bounded: bool = True) -> None:
    with transaction(ctx):
        session().execute(text(
            "insert into ledger_account (id, code, kind, org_id, bounded, debits_pending_fen, debits_posted_fen, "
            "credits_pending_fen, credits_posted_fen, opened_at) values (:id, :code, :kind, :org, :bounded, 0, 0, 0, 0, :at)"
        ), {"id": new_id(), "code": code, "kind": kind, "org": org_id, "bounded": bounded, "at": now()})


def test_everybody_reads_the_accounts_of_their_own_office_or_organisation_and_no_other(town: Town) -> None:
    codes = town.codes
    bridges = {codes[name] for name in ("funder", "fund", "fee", "receivable")}
    of_other = {codes["other"], f"fund-fee:{town.other_fund}", f"funder:{town.other_funder.id}"}
    pool = {codes["treasury"], codes["budget"], codes["paid"]}
    assert accounts_seen(cast.SYSTEM) == pool | bridges | of_other | {codes["firm"]}
    assert accounts_seen(town.city.leader) == pool
    assert accounts_seen(town.who.clerk) == bridges | of_other | {codes["firm"]}
    assert accounts_seen(someone(town.who.funder)) == bridges
    assert accounts_seen(someone(town.other_funder)) == of_other
    assert accounts_seen(town.city.officer) == {codes["paid"]}
    assert accounts_seen(town.who.boss) == {codes["firm"]}
    for stranger in (town.other_bank, town.other_firm, town.who.old_bank, cast.platform(), cast.provider()):
        assert accounts_seen(someone(stranger)) == set()


def test_a_movement_is_read_from_either_of_its_accounts_and_from_nowhere_else(town: Town) -> None:
    whole = transfers_seen(cast.SYSTEM)
    of_pool = {one for one in whole if one.startswith(("pool:", "claim:"))}
    assert transfers_seen(town.city.leader) == of_pool
    assert transfers_seen(town.who.clerk) == whole - of_pool
    assert transfers_seen(town.city.officer) == {one for one in whole if one.startswith("claim:")}
    other = {one for one in whole if one.startswith(f"fund:{town.other_fund}")}
    assert transfers_seen(someone(town.other_funder)) == other
    assert transfers_seen(someone(town.who.funder)) == whole - of_pool - other
    assert transfers_seen(town.who.boss) == {f"bridge:{town.bridge}:fee"}
    for stranger in (town.other_bank, town.other_firm, town.who.old_bank, cast.platform()):
        assert transfers_seen(someone(stranger)) == set()


def test_without_an_identity_the_book_is_empty_and_closed(town: Town) -> None:
    with portal_database.engine().begin() as connection:
        assert connection.execute(text("select count(*) from ledger_account")).scalar() == 0
        assert connection.execute(text("select count(*) from ledger_transfer")).scalar() == 0
    with pytest.raises(DBAPIError, match=REFUSED):
        move(Context.anonymous(), town.key("budget"), town.key("paid"))


def test_a_claimant_whom_the_desk_has_not_verified_reads_nothing_of_the_firms_account(town: Town) -> None:
    with transaction(cast.SYSTEM):
        session().execute(text("update enterprise set state = 'unverified', verified_at = null where id = :id"),
                          {"id": town.who.firm.id})
    assert accounts_seen(town.who.boss) == set()
    assert transfers_seen(town.who.boss) == set()


def test_only_the_bureau_moves_the_pools_money_and_only_along_its_ways(town: Town) -> None:
    leader, budget, paid = town.city.leader, town.key("budget"), town.key("paid")
    move(leader, budget, paid)
    move(leader, paid, budget)
    treasury = town.key("treasury")
    for debit, credit, missing in ((treasury, budget, "nobody confirmed"), (treasury, paid, "nobody confirmed"),
                                   (budget, treasury, "no closing")):
        with pytest.raises(DBAPIError, match=missing):
            move(leader, debit, credit)
    for debit, credit in ((budget, town.key("fund")), (town.key("fund"), budget), (town.key("fund"), town.key("receivable"))):
        with pytest.raises(DBAPIError, match=REFUSED):
            move(leader, debit, credit)
    for ctx in (town.city.officer, someone(town.other_bank), town.who.boss, town.who.clerk, someone(town.who.funder),
                someone(cast.platform())):
        with pytest.raises(DBAPIError, match=REFUSED):
            move(ctx, budget, paid)


def test_only_the_centre_moves_bridge_funds_and_never_from_one_funder_to_another(town: Town) -> None:
    clerk, fund, funder = town.who.reviewer, town.key("fund"), town.key("funder")
    move(clerk, funder, fund)
    move(clerk, fund, funder)
    for debit, credit in ((fund, town.key("other")), (town.key("other"), town.key("receivable")), (funder, town.key("other")),
                          (town.key("budget"), fund), (fund, town.key("paid")), (fund, town.key("firm"))):
        with pytest.raises(DBAPIError, match=REFUSED):
            move(clerk, debit, credit)
    for ctx in (someone(town.who.funder), someone(town.other_funder), town.who.boss, someone(town.who.new_bank),
                town.city.leader):
        with pytest.raises(DBAPIError, match=REFUSED):
            move(ctx, funder, fund)


def test_no_firm_bank_or_funder_voids_a_reservation_by_its_own_hand(town: Town) -> None:
    key = road.walk(town.who, "APPROVED")
    with transaction(cast.SYSTEM, read_only=True):
        pending = session().execute(text("select pending_transfer_id from bridge where id = :id"), {"id": key}).scalar_one()
        credit = session().execute(text("select id from ledger_account where code = :code"),
                                   {"code": f"bridge:{key}"}).scalar_one()
    for ctx in (town.who.boss, someone(town.who.new_bank), someone(town.who.funder), town.city.leader):
        with pytest.raises(DBAPIError, match=REFUSED):
            move(ctx, town.key("fund"), credit, "void", pending)


def test_an_account_is_opened_by_its_own_office_under_its_own_code_and_with_its_bound(town: Town) -> None:
    leader, clerk, bank, funder = town.city.leader, town.who.reviewer, town.other_bank.id, town.other_funder.id
    open_(leader, "pool:budget:2099", "pool_budget")
    open_(leader, f"pool:paid:{bank}", "pool_paid", bank)
    open_(clerk, f"fund:{new_id()}", "bridge_fund", funder)
    wrong: list[tuple[Context, str, str, UUID | None, bool]] = [
        (leader, "pool:budget:2098", "pool_budget", None, False), (leader, "pool:budget:2098", "pool_budget", bank, True),
        (leader, f"fund:{new_id()}", "bridge_fund", funder, True), (leader, f"pool:paid:{new_id()}", "pool_paid", bank, True),
        (clerk, "pool:budget:2098", "pool_budget", None, True), (clerk, "pool:budget:2098", "bridge_fund", funder, True),
        (clerk, f"fund:{new_id()}", "bridge_fund", funder, False), (clerk, f"funder:{new_id()}", "funder", funder, False),
    ]
    wrong += [(ctx, f"pool:paid:{ctx.org_id}", "pool_paid", ctx.org_id, True)
              for ctx in (town.city.officer, town.who.boss, someone(town.who.funder), Context.anonymous())]
    for ctx, code, kind, org_id, bounded in wrong:
        with pytest.raises(DBAPIError, match=REFUSED):
            open_(ctx, code, kind, org_id, bounded=bounded)


@pytest.mark.parametrize("statement", [
    "update ledger_account set credits_posted_fen = 10", "delete from ledger_account",
    "update ledger_transfer set amount_fen = 1", "delete from ledger_transfer",
])
def test_nobody_changes_a_balance_or_a_movement_by_hand(town: Town, statement: str) -> None:
    for ctx in (town.city.leader, town.who.clerk, cast.SYSTEM):
        with pytest.raises(DBAPIError, match=r"permission denied|append-only"), transaction(ctx):
            session().execute(text(statement))


def test_a_firm_that_withdraws_and_a_bank_that_declines_still_give_the_reservation_back() -> None:
    from app.bridge import bank_service, service

    who = road.people()
    before = road.available(who.fund_id)
    key = road.walk(who, "APPROVED")
    assert road.available(who.fund_id) < before
    service.cancel(who.boss, key, "不需要了")
    assert road.available(who.fund_id) == before
    key = road.walk(who, "APPROVED")
    bank_service.decline(who.new_bank[Role.BANK_APPROVER], key, "不再续贷")
    assert road.available(who.fund_id) == before
