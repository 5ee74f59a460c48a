"""Purposes, the second text of a sole trader, signing what was read, taking everything back: as the database holds them too."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import create_engine, text

from app.core import outbox
from app.core.cases import open_case
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Role
from app.evidence import consent_queries, queries, service
from app.evidence.rules import Choice, Purpose
from app.factory import load_rooms
from tests import cast
from tests.cast import SYSTEM

pytestmark = pytest.mark.service


@pytest.fixture
def bank(database):
    return cast.bank()


@pytest.fixture
def firm(database):
    return cast.firm()


@pytest.fixture
def trader(database):
    return cast.firm("陈记五金店", form="sole_trader")


def need_case(firm):
    with transaction(firm[Role.FIRM_CLERK]):
        return open_case("need", firm.id, "流动资金").id


def refusal_of(call):
    with pytest.raises(Refusal) as refused:
        call()
    return refused.value.code


def look(bank, firm, item="tax", **options):
    return service.look_at(bank[Role.BANK_OFFICER], firm.id, [item], **options)


# --- purpose ---------------------------------------------------------------------------------------------------------------


def test_a_consent_for_one_case_is_refused_for_another_case_and_for_pre_approval(firm, bank):
    mine, other = need_case(firm), need_case(firm)
    service.give_consent(firm[Role.FIRM_CLERK], ["tax"], [bank.id], purpose=Purpose.CASE, case_id=mine)
    assert set(look(bank, firm, purpose=Purpose.CASE, case_id=mine)) == {"tax"}
    for options in ({}, {"purpose": Purpose.CASE, "case_id": other}, {"purpose": Purpose.CASE}):
        assert refusal_of(lambda options=options: look(bank, firm, **options)) is ErrorCode.CONSENT_MISSING
    with transaction(firm[Role.FIRM_CLERK], read_only=True):
        rows = session().execute(text("select purpose, case_id, result, basis from evidence_look order by at, id")).all()
    assert [tuple(row) for row in rows] == [
        ("case", mine, "shown", "consent"), ("pre_approval", None, "refused", "none"), ("case", other, "refused", "none"),
        ("case", None, "refused", "none"),
    ]


def test_a_pre_approval_covers_the_firms_cases_too_and_stays_beside_a_consent_for_one_case(firm, bank):
    case = need_case(firm)
    clerk = firm[Role.FIRM_CLERK]
    (general,) = service.give_consent(clerk, ["tax"], [bank.id])
    assert set(look(bank, firm, purpose=Purpose.CASE, case_id=case)) == {"tax"}
    (narrow,) = service.give_consent(clerk, ["tax"], [bank.id], purpose=Purpose.CASE, case_id=case)
    with transaction(SYSTEM, read_only=True):
        assert {one.id for one in queries.active_consents(firm.id)} == {general.id, narrow.id}
        assert queries.has_consent(firm.id, "tax_grades", bank.id) == general.id
        assert queries.has_consent(firm.id, "tax_grades", bank.id, case) == narrow.id


def test_nobody_binds_a_consent_to_a_case_of_another_firm(firm, bank):
    foreign = need_case(cast.firm("广州别家有限公司"))
    clerk = firm[Role.FIRM_CLERK]
    assert refusal_of(lambda: service.give_consent(
        clerk, ["tax"], [bank.id], purpose=Purpose.CASE, case_id=foreign)) is ErrorCode.NOT_FOUND
    service.give_consent(clerk, ["tax"], [bank.id])
    with pytest.raises(Exception, match="case of another firm"), transaction(SYSTEM):
        copy_consent(purpose="'case'", case_id=f"'{foreign}'")


def test_the_database_keeps_no_look_that_its_consent_does_not_cover(firm, bank):
    case = need_case(firm)
    (consent,) = service.give_consent(firm[Role.FIRM_CLERK], ["tax"], [bank.id], purpose=Purpose.CASE, case_id=case)

    def record(item, purpose="case", case_id=case, org=bank.id, basis="consent", consent_id=consent.id):
        with transaction(SYSTEM):
            session().execute(text(
                "insert into evidence_look (id, firm_id, org_id, actor_role, at, item_code, purpose, case_id, consent_id, "
                "result, basis) values (gen_random_uuid(), :firm, :org, 'bank_officer', now(), :item, :purpose, :case, :consent, "
                "'shown', :basis)"), {"firm": firm.id, "org": org, "item": item, "purpose": purpose, "case": case_id,
                                      "consent": consent_id, "basis": basis})

    record("tax_grades")
    for wrong in ({"item": "invoices"}, {"item": "tax", "purpose": "pre_approval", "case_id": None},
                  {"item": "tax", "org": cast.bank("南粤村镇银行").id}):
        with pytest.raises(Exception, match="does not cover"):
            record(**wrong)
    with pytest.raises(Exception, match="needs a consent"):
        record("tax", basis="public_record", consent_id=None)


# --- the second text ---------------------------------------------------------------------------------------------------------


def test_a_sole_trader_signs_a_second_text_for_each_receiver_or_is_told_so(trader, bank):
    owner = trader[Role.FIRM_REPRESENTATIVE]
    assert refusal_of(lambda: service.give_consent(owner, ["tax"], [None, bank.id])) is ErrorCode.PERSONAL_TEXT_UNSIGNED
    assert refusal_of(lambda: service.give_consent(
        owner, ["tax"], [None, bank.id], personal=[bank.id])) is ErrorCode.PERSONAL_TEXT_UNSIGNED
    given = service.give_consent(owner, ["tax", "social_insurance"], [None, bank.id], personal=[None, bank.id])
    by_item = {(one.item_code, one.receiver_org_id): one for one in given}
    second = by_item["tax", bank.id]
    assert second.personal_text_version == "2026-P1"
    assert bank.name in second.personal_signed_text and "纳税数额" in second.personal_signed_text
    assert "降低授信额度" in second.personal_signed_text and "社会保险" not in second.personal_signed_text
    assert second.personal_text_sha256 == hashlib.sha256(second.personal_signed_text.encode()).digest()
    assert bank.name not in by_item["tax", None].personal_signed_text
    assert by_item["social_insurance", bank.id].personal_signed_text is None


def test_a_company_signs_one_text(firm, bank):
    (consent,) = service.give_consent(firm[Role.FIRM_CLERK], ["tax"], [bank.id])
    assert consent.personal_text_version is None


def copy_consent(**changes):
    """Inserts a consent like the newest one, with some columns changed, as a slip of our own code might."""
    columns = [row[0] for row in session().execute(text(
        "select column_name from information_schema.columns where table_name = 'consent' order by ordinal_position"))]
    taken = [changes.get(name, "gen_random_uuid()" if name == "id" else name) for name in columns]
    session().execute(text(f"insert into consent ({', '.join(columns)}) select {', '.join(taken)} from consent "
                           "order by given_at desc limit 1"))


WITHOUT_SECOND = {"personal_text_version": "null", "personal_signed_text": "null", "personal_text_sha256": "null"}


@pytest.mark.parametrize(("changes", "said"), [
    (WITHOUT_SECOND, "second text of a sole trader is missing"),
    ({"personal_text_version": "'2026-1'"}, "text of the wrong kind"),
    ({"text_version": "'2026-P1'"}, "text of the wrong kind"),
    ({"personal_signed_text": "'我同意'"}, "name the receiver|ck_consent_personal_signed_text"),
    ({"signed_text": "signed_text || '！'"}, "ck_consent_signed_text"),
    ({"item_code": "'electricity_daily'"}, "no consent is given for this item"),
])
def test_the_database_itself_refuses_a_consent_that_is_not_whole(trader, bank, changes, said):
    service.give_consent(trader[Role.FIRM_REPRESENTATIVE], ["tax"], [bank.id], personal=[bank.id])
    ended = {"state": "'REVOKED'", "ended_at": "given_at"}
    with transaction(SYSTEM):
        copy_consent(**ended)
    with pytest.raises(Exception, match=said), transaction(SYSTEM):
        copy_consent(**ended, **changes)


def test_an_ended_consent_is_never_brought_back_to_life(firm, bank):
    (consent,) = service.give_consent(firm[Role.FIRM_CLERK], ["tax"], [bank.id])
    service.revoke_consent(firm[Role.FIRM_CLERK], consent.id)
    with pytest.raises(Exception, match="stays as it was"), transaction(SYSTEM):
        session().execute(text("update consent set state = 'ACTIVE', ended_at = null"))


# --- signing what was read -----------------------------------------------------------------------------------------------


def test_what_is_signed_is_what_was_read_even_when_a_new_text_comes_into_force_in_between(database, firm, bank):
    clerk = firm[Role.FIRM_CLERK]
    choices = (Choice(bank.id, ("tax",)),)
    with transaction(clerk, read_only=True):
        read = service.consent_texts(clerk, choices).digest
    owner = create_engine(database.owner_url)
    with owner.begin() as connection:
        connection.execute(text(
            "insert into consent_text (version, body, sha256, valid_from, kind) select '2026-2', body || '新增一句。', "
            "sha256(convert_to(body || '新增一句。', 'UTF8')), date '2026-02-01', 'firm' from consent_text "
            "where version = '2026-1'"))
    owner.dispose()
    assert refusal_of(lambda: service.give_consents(clerk, choices, read=read)) is ErrorCode.CONSENT_TEXT_CHANGED
    with transaction(clerk, read_only=True):
        again = service.consent_texts(clerk, choices)
    (consent,) = service.give_consents(clerk, choices, read=again.digest)
    assert (consent.text_version, consent.signed_text) == ("2026-2", again.words[0].text)
    assert refusal_of(lambda: service.give_consents(clerk, choices, days=91, read=again.digest)) is ErrorCode.CONSENT_TEXT_CHANGED


def test_each_receiver_may_be_given_something_else(firm, bank):
    given = service.give_consents(firm[Role.FIRM_CLERK], (Choice(None, ("invoices", "tax")), Choice(bank.id, ("electricity",))))
    assert {(one.receiver_org_id, one.item_code) for one in given} == {
        (None, "invoices"), (None, "tax"), (bank.id, "electricity")}
    for one in given:
        assert ("用电" in one.signed_text) == (one.receiver_org_id == bank.id)


# --- used, and taken back --------------------------------------------------------------------------------------------------


def test_the_first_use_stays_and_every_use_is_counted(firm, bank):
    (consent,) = service.give_consent(firm[Role.FIRM_CLERK], ["electricity"], [bank.id])
    look(bank, firm, "electricity")
    look(bank, firm, "electricity_daily")
    with transaction(firm[Role.FIRM_CLERK], read_only=True) as unit:
        (row,) = unit.session.execute(consent_queries.consents_of_firm(firm.id)).all()
        first = unit.session.scalar(text("select min(at) from evidence_look"))
    assert (row.id, row.state, row.uses, row.used_at) == (consent.id, "ACTIVE", 2, first)
    assert row.last_use > row.used_at


def test_one_click_takes_everything_back_from_a_receiver_and_the_profile_is_computed_anew(firm, bank):
    load_rooms()  # the profile listens
    clerk = firm[Role.FIRM_CLERK]
    service.give_consent(clerk, ["tax", "electricity", "customs"], [bank.id, None])
    outbox.drain()
    assert service.revoke_all(clerk, bank.id) == 3
    with transaction(SYSTEM, read_only=True):
        waiting = session().scalars(text(
            "select payload ->> 'firm_id' from outbox where topic = 'consent.changed' and done_at is null")).all()
        states = session().execute(text(
            "select receiver_org_id is null, state, count(*), count(ended_by) from consent group by 1, 2 order by 1")).all()
        told = session().scalar(text("select params ->> 'count' from notice where org_id = :bank"), {"bank": bank.id})
    assert [tuple(row) for row in states] == [(False, "REVOKED", 3, 3), (True, "ACTIVE", 3, 0)]
    assert told == "3" and set(waiting) == {str(firm.id)}
    assert refusal_of(lambda: look(bank, firm)) is ErrorCode.CONSENT_MISSING
    assert refusal_of(lambda: service.revoke_all(clerk, bank.id)) is ErrorCode.STATE_CHANGED
