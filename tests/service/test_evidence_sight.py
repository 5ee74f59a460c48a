"""Who reads which fact, asked of the database itself with the portal's own login role: no row without a consent in force."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import text

from app.core.cases import join_case, open_case
from app.core.context import Context
from app.core.database import Base, engine, session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Role
from app.evidence import consent_queries, fact_queries, service
from app.evidence.items import ITEMS, Subject
from app.evidence.rules import INVOICES, Purpose
from tests import cast
from tests.cast import SYSTEM
from tests.service.evidence_tools import deliver, line, uscc_of
from tests.service.fact_tools import delivery_of, firm_no_of, link, meter_of, one_of_everything, put

pytestmark = pytest.mark.service

TABLES = {code: item.table for code, item in ITEMS.items()} | {INVOICES: "invoice_line"}
PUBLIC = {"registration", "registration_changes", "annual_reports", "qualifications", "penalties", "dishonesty", "ip"}
COVERED = {
    "justice": {"justice"}, "tax": {"tax", "tax_grades", "tax_ledger"}, "invoices": {"invoices"},
    "social_insurance": {"social_insurance"}, "housing_fund": {"housing_fund"}, "customs": {"customs"},
    "electricity": {"electricity", "electricity_daily"}, "water": {"water"}, "gas": {"gas"}, "cash_flow": {"cash_flow"},
}
"""What each consent covers."""
COUNT = text("select " + ", ".join(f"(select count(*) from {table}) as {code}" for code, table in TABLES.items()))


@pytest.fixture
def provider(database):
    return cast.provider()


@pytest.fixture
def firm(provider):
    firm = cast.firm()
    one_of_everything(firm, provider)
    deliver(provider[Role.PROVIDER_CLERK], [line(uscc_of(firm))])
    return firm


@pytest.fixture
def bank(database):
    return cast.bank()


def items_seen(ctx, case=None):
    """The items of which the identity reads any row, whatever it asks for."""
    with transaction(ctx, read_only=True) as unit:
        consent_queries.name_case(case)
        return {code for code, rows in unit.session.execute(COUNT).mappings().one().items() if rows}


def give(firm, items, *receivers, **options):
    return service.give_consent(firm[Role.FIRM_REPRESENTATIVE], items, [bank.id for bank in receivers], **options)


def test_every_item_that_is_stored_has_its_rows_here(firm):
    assert items_seen(SYSTEM) == set(TABLES)
    assert set().union(*COVERED.values()) | PUBLIC | {"meter_links"} == set(TABLES)


def test_before_a_consent_no_row_of_any_table_is_readable_and_without_identity_none_ever(firm, bank):
    assert items_seen(bank[Role.BANK_OFFICER]) == set()
    give(firm, list(COVERED), bank)
    assert items_seen(Context.anonymous()) == set()
    for nobody in (cast.bureau()[Role.BUREAU_AUDITOR], cast.platform()[Role.DESK], cast.firm("广州别家有限公司")[Role.FIRM_CLERK],
                   cast.provider("广州供水公司")[Role.PROVIDER_CLERK]):
        assert items_seen(nobody) == set()


@pytest.mark.parametrize("item", COVERED)
def test_a_consent_opens_exactly_the_items_it_covers_to_exactly_the_bank_it_names(firm, bank, item):
    give(firm, [item], bank)
    assert items_seen(bank[Role.BANK_OFFICER]) == COVERED[item] | PUBLIC
    assert items_seen(cast.bank("南粤村镇银行")[Role.BANK_OFFICER]) == set()


def test_what_is_public_is_read_by_banks_that_share_a_case_with_the_firm_and_by_no_others(firm, bank):
    with transaction(SYSTEM):
        join_case(open_case("need", firm.id, "流动资金").id, bank.id)
    assert items_seen(bank[Role.BANK_OFFICER]) == PUBLIC
    assert items_seen(cast.bank("南粤村镇银行")[Role.BANK_OFFICER]) == set()


def test_a_revoked_consent_closes_every_table_at_once_even_on_a_connection_that_is_open(firm, bank):
    consents = give(firm, list(COVERED), bank)
    officer = bank[Role.BANK_OFFICER]
    with engine().connect() as connection:
        identity = text("select set_config('hq.org', :org, true), set_config('hq.kind', 'bank', true)")
        connection.execute(identity, {"org": str(bank.id)})
        before = connection.execute(COUNT).mappings().one()
        assert {code for code, rows in before.items() if rows} == set(TABLES) - {"meter_links"}
        for consent in consents[:-1]:
            service.revoke_consent(firm[Role.FIRM_CLERK], consent.id)
        # one transaction that is still open, and it sees what is in force at each statement
        left = connection.execute(COUNT).mappings().one()
        assert {code for code, rows in left.items() if rows} == COVERED[consents[-1].item_code] | PUBLIC
        service.revoke_all(firm[Role.FIRM_CLERK], bank.id)
        assert set(connection.execute(COUNT).mappings().one().values()) == {0}
    assert items_seen(officer) == set()


def test_a_consent_that_ran_out_opens_nothing_even_before_the_ticker_comes_by(firm, bank):
    (consent,) = give(firm, ["electricity"], bank)
    with transaction(SYSTEM):
        session().execute(text("update consent set state = 'REVOKED', ended_at = now() where id = :id"), {"id": consent.id})
        session().execute(text(
            "insert into consent select gen_random_uuid(), firm_id, item_code, receiver_org_id, receiver_kind, purpose, case_id, "
            "channel, text_version, signed_text, text_sha256, 'ACTIVE', now() - interval '91 days', given_by, "
            "now() - interval '1 second', null, null, null from consent where id = :id"), {"id": consent.id})
    assert items_seen(bank[Role.BANK_OFFICER]) == set()


def test_under_a_consent_for_one_case_nothing_is_readable_without_naming_that_case(firm, bank):
    with transaction(firm[Role.FIRM_CLERK]):
        case, other = (open_case("need", firm.id, title).id for title in ("流动资金", "设备"))
    give(firm, ["electricity"], bank, purpose=Purpose.CASE, case_id=case)
    officer = bank[Role.BANK_OFFICER]
    assert items_seen(officer) == PUBLIC
    assert items_seen(officer, other) == PUBLIC
    assert items_seen(officer, case) == COVERED["electricity"] | PUBLIC


def test_a_firm_that_the_desk_has_not_verified_reads_nothing_and_is_shown_to_nobody(firm, bank):
    give(firm, list(COVERED), bank)
    assert items_seen(firm[Role.FIRM_CLERK]) == set(TABLES)
    with transaction(SYSTEM):
        lost = text("update enterprise set state = 'unverified', verified_at = null where id = :id")
        session().execute(lost, {"id": firm.id})
    assert items_seen(firm[Role.FIRM_CLERK]) == set()
    assert items_seen(bank[Role.BANK_OFFICER]) == set()


# --- meters --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def workshop(provider):
    """A workshop whose power meter was one firm's till the end of March and another one's from then on."""
    before, after = cast.firm("广州旧厂有限公司"), cast.firm("广州新厂有限公司")
    with transaction(SYSTEM):
        meter = meter_of(provider)
        link(provider, meter, before, date(2025, 1, 1), date(2026, 3, 31))
        link(provider, meter, after, date(2026, 4, 1))
        for month in range(1, 7):
            put("electricity", delivery_of(provider, "electricity"), meter_no=meter, period=date(2026, month, 1),
                quantity_milli=month * 1000, metering="metered")
            put("electricity_daily", delivery_of(provider, "electricity_daily"), meter_no=meter, day=date(2026, month, 9),
                quantity_milli=month * 10)
    return before, after


def months(ctx, table="electricity_month", at="period"):
    with transaction(ctx, read_only=True) as unit:
        return [row.month for row in unit.session.execute(text(f"select {at} as month from {table} order by 1"))]


def test_what_the_tenant_before_used_is_readable_by_neither_the_next_tenant_nor_its_bank(workshop, bank):
    before, after = workshop
    give(after, ["electricity"], bank)
    for reader in (after[Role.FIRM_CLERK], bank[Role.BANK_OFFICER]):
        assert months(reader) == [date(2026, month, 1) for month in (4, 5, 6)]
        assert months(reader, "electricity_day", "day") == [date(2026, month, 9) for month in (4, 5, 6)]
    assert months(before[Role.FIRM_CLERK]) == [date(2026, month, 1) for month in (1, 2, 3)]


def test_a_bank_of_both_tenants_is_shown_each_with_its_own_months(workshop, bank):
    for tenant in workshop:
        give(tenant, ["electricity"], bank)
    assert len(months(bank[Role.BANK_OFFICER])) == 6
    seen = [service.look_at(bank[Role.BANK_OFFICER], tenant.id, ["electricity"])["electricity"] for tenant in workshop]
    assert [facts.held.rows for facts in seen] == [3, 3]
    assert [facts.monthly.series for facts in seen] == [[[1000, 2000, 3000]], [[4000, 5000, 6000]]]


# --- the read models say what the tables say -------------------------------------------------------------------------------


def test_every_item_is_read_by_one_description(firm):
    with transaction(firm[Role.FIRM_CLERK], read_only=True):
        held = fact_queries.held(firm_no_of(firm))
        rows = {code: fact_queries.facts_of(firm_no_of(firm), code) for code in TABLES}
    assert {code for code, found in rows.items() if len(found) == 1} == set(TABLES) == set(held)
    for code, found in held.items():
        assert found.rows == 1 and len(found.origins) == 1, code
        assert found.origins[0].provider == "广州市税务局", code
        subject = ITEMS[code].subject if code in ITEMS else Subject.FIRM
        assert hasattr(rows[code][0], "account_no") == (subject is Subject.METER), code


def test_a_month_that_the_landlord_bills_has_no_quantity_and_is_not_zero(firm, bank):
    give(firm, ["water", "gas", "electricity"], bank)
    seen = service.look_at(bank[Role.BANK_OFFICER], firm.id, ["water", "gas", "electricity"])
    assert seen["water"].monthly.series == [[None]] and seen["water"].unmetered == {"landlord": 1}
    assert seen["gas"].monthly.series == [[0]] and seen["gas"].unmetered == {}
    assert (seen["electricity"].paid.counted, seen["electricity"].paid.late) == (1, 1)


def test_a_look_records_each_item_with_its_ground_and_shows_none_that_is_not_covered(firm, bank):
    (consent,) = give(firm, ["electricity"], bank)
    officer = bank[Role.BANK_OFFICER]
    seen = service.look_at(officer, firm.id, ["electricity_daily", "penalties", "tax"])
    assert set(seen) == {"electricity_daily", "penalties"}
    with transaction(firm[Role.FIRM_CLERK], read_only=True) as unit:
        rows = unit.session.execute(text("select item_code, result, basis, consent_id from evidence_look order by 1")).all()
    assert [tuple(row) for row in rows] == [
        ("electricity_daily", "shown", "consent", consent.id), ("penalties", "shown", "public_record", None),
        ("tax", "refused", "none", None),
    ]
    with pytest.raises(Refusal) as refused:
        service.look_at(officer, firm.id, ["tax"])
    assert refused.value.code is ErrorCode.CONSENT_MISSING


def test_no_table_of_facts_is_left_out_of_this_proof(database):
    keyed = {table.name for table in Base.metadata.tables.values()
             if {"firm_no", "delivery_no"} <= set(table.c.keys()) or {"meter_no", "delivery_no"} <= set(table.c.keys())}
    assert keyed == set(TABLES.values())
