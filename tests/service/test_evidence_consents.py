"""A bank reads a firm's evidence exactly while a consent names it; the database itself says no otherwise, and looks are kept."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from app.core.cases import open_case
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import refusal
from app.core.permissions import OrgKind, Role, permissions_of
from app.enterprises.models import Enterprise
from app.evidence import queries, service
from app.evidence.models import Consent
from app.evidence.rules import ConsentState, Purpose
from app.evidence.states import CONSENT_LIFE
from tests import cast
from tests.cast import SYSTEM
from tests.service.evidence_tools import deliver, line, uscc_of

pytestmark = pytest.mark.service
LINES = text("select count(*) from invoice_line")


@pytest.fixture
def firm(database):
    firm = cast.firm()
    clerk = cast.provider()[Role.PROVIDER_CLERK]
    code = uscc_of(firm)
    deliver(clerk, [line(code, str(number), day=f"2026-0{number}-10", party=f"B{number % 2}") for number in range(1, 7)])
    return firm


@pytest.fixture
def bank(database):
    return cast.bank()


def give(firm, *receivers, **options):
    return service.give_consent(firm[Role.FIRM_REPRESENTATIVE], ["invoices"], list(receivers), **options)


def seen(ctx, statement=LINES):
    with transaction(ctx, read_only=True) as unit:
        return unit.session.scalar(statement)


def expire(consent):
    """Moves a consent into the past, as the owner of the table could and the portal cannot."""
    with transaction(SYSTEM):
        session().execute(text("insert into consent select gen_random_uuid(), firm_id, item_code, receiver_org_id, "
                               "receiver_kind, purpose, case_id, channel, text_version, signed_text, text_sha256, 'ACTIVE', "
                               "now() - interval '91 days', given_by, now() - interval '1 day', null, null, null from consent "
                               "where id = :id"), {"id": consent.id})


def test_without_consent_a_bank_sees_no_line_and_no_name(firm, bank):
    assert seen(bank[Role.BANK_OFFICER]) == 0
    assert seen(bank[Role.BANK_OFFICER], text("select count(*) from enterprise")) == 0
    assert seen(bank[Role.BANK_OFFICER], text("select count(*) from organisation where kind = 'enterprise'")) == 0


def test_with_consent_that_bank_sees_the_lines_and_the_name_and_no_other_does(firm, bank):
    give(firm, bank.id)
    officer = bank[Role.BANK_OFFICER]
    assert seen(officer) == 6
    assert seen(officer, text("select name from organisation where kind = 'enterprise'")) == firm.name
    assert seen(cast.bank("南粤村镇银行")[Role.BANK_OFFICER]) == 0
    for other in (cast.firm("广州别家有限公司")[Role.FIRM_CLERK], cast.bureau()[Role.BUREAU_AUDITOR],
                  cast.platform()[Role.DESK], cast.provider("广州供水公司")[Role.PROVIDER_CLERK]):
        assert seen(other) == 0


def test_nobody_without_identity_sees_a_line(firm, bank):
    give(firm, bank.id)
    assert seen(Context.anonymous()) == 0


def test_consent_for_the_portal_lets_no_bank_in(firm, bank):
    give(firm, None)
    assert seen(bank[Role.BANK_OFFICER]) == 0


def test_a_revoked_consent_stops_reading_at_once(firm, bank):
    (consent,) = give(firm, bank.id)
    revoked = service.revoke_consent(firm[Role.FIRM_CLERK], consent.id, "不再需要")
    assert (revoked.state, revoked.end_reason) == ("REVOKED", "不再需要")
    assert seen(bank[Role.BANK_OFFICER]) == 0


def test_an_expired_consent_stops_reading_even_before_the_ticker_comes_by(firm, bank):
    (consent,) = give(firm, bank.id)
    service.revoke_consent(firm[Role.FIRM_CLERK], consent.id)
    expire(consent)
    assert seen(bank[Role.BANK_OFFICER]) == 0
    assert queries_has(firm, bank.id) is None
    assert service.expire_consents(SYSTEM) == 1
    assert service.expire_consents(SYSTEM) == 0
    assert seen(SYSTEM, text("select count(*) from consent where state = 'EXPIRED'")) == 1


def test_a_firm_reads_its_own_lines_and_never_another_firms(firm):
    other = cast.firm("广州别家有限公司")
    assert seen(firm[Role.FIRM_CLERK]) == 6
    assert seen(other[Role.FIRM_CLERK]) == 0


def test_a_firm_that_nobody_verified_is_shown_to_no_one_not_even_to_who_claims_it(database, bank):
    claimed = cast.firm("广州待核有限公司", verified=False)
    deliver(cast.provider()[Role.PROVIDER_CLERK], [line(uscc_of(claimed))])
    assert seen(claimed[Role.FIRM_CLERK]) == 0
    with pytest.raises(Refusal) as refused:
        give(claimed, bank.id)
    assert refused.value.code is ErrorCode.NOT_VERIFIED


def test_losing_its_verification_takes_a_firm_out_of_sight(firm, bank):
    give(firm, bank.id)
    with transaction(SYSTEM):
        lost = text("update enterprise set state = 'unverified', verified_at = null where id = :id")
        session().execute(lost, {"id": firm.id})
    assert seen(bank[Role.BANK_OFFICER]) == 0
    assert seen(bank[Role.BANK_OFFICER], text("select count(*) from enterprise")) == 0


def test_the_portal_cannot_change_a_fact_nor_a_look(firm, bank):
    give(firm, bank.id)
    service.look(bank[Role.BANK_OFFICER], firm.id, "invoices")
    for statement in ("update invoice_line set net_fen = 1", "delete from invoice_line",
                      "update evidence_look set result = 'refused'",
                      "delete from evidence_look", "update consent set valid_until = now() + interval '9 years'"):
        with pytest.raises(Exception, match=r"permission denied|append-only"), transaction(SYSTEM):
            session().execute(text(statement))


def test_no_line_of_an_unknown_firm_gets_in(firm):
    with pytest.raises(Exception, match="unknown firm"), transaction(SYSTEM):
        session().execute(text("insert into invoice_line select 999999, side, content, k, version, current, void, day, net_fen, "
                               "tax_fen, gross_fen, delivery_no, invoice_no, counterparty from invoice_line limit 1"))


def test_each_item_and_receiver_is_a_consent_of_its_own_with_the_text_that_was_read(firm, bank):
    other = cast.bank("南粤村镇银行")
    consents = give(firm, None, bank.id, other.id, days=30)
    assert {consent.receiver_org_id for consent in consents} == {None, bank.id, other.id}
    names = {None: "本平台", bank.id: bank.name, other.id: other.name}
    for consent in consents:
        told = {receiver for receiver, name in names.items() if name in consent.signed_text.split("提供给")[1]}
        assert told == {consent.receiver_org_id} and "【30】日" in consent.signed_text
        assert consent.text_sha256 == hashlib.sha256(consent.signed_text.encode()).digest()
        assert consent.valid_until - consent.given_at == timedelta(days=30)
        assert consent.text_version == "2026-1"


def test_giving_again_replaces_so_that_only_one_is_in_force(firm, bank):
    (first,), (second,) = give(firm, bank.id), give(firm, bank.id, days=10)
    with transaction(firm[Role.FIRM_CLERK], read_only=True):
        assert session().get_one(Consent, first.id).state == "REPLACED"
        assert [row.id for row in queries.active_consents(firm.id)] == [second.id]


def test_the_database_holds_one_active_consent_per_item_and_receiver(firm):
    give(firm, None)
    with pytest.raises(Exception, match="uq_consent_one_active"), transaction(SYSTEM):
        session().execute(text("insert into consent select gen_random_uuid(), firm_id, item_code, receiver_org_id, "
                               "receiver_kind, purpose, case_id, channel, text_version, signed_text, text_sha256, state, "
                               "given_at, given_by, valid_until, ended_at, ended_by, end_reason from consent"))


def test_a_consent_may_be_bound_to_one_case(firm, bank):
    with transaction(firm[Role.FIRM_CLERK]):
        case = open_case("need", firm.id, "流动资金")
    (consent,) = give(firm, bank.id, purpose=Purpose.CASE, case_id=case.id)
    assert (consent.purpose, consent.case_id) == ("case", case.id)
    assert case.number in consent.signed_text


@pytest.mark.parametrize(("items", "receivers", "days", "field"), [
    ([], [None], 90, "items"), (["invoices"], [], 90, "receivers"), (["invoices"], [None], 0, "days"),
    (["invoices"], [None], 366, "days"), (["invoices"], [None], -5, "days"),
])
def test_a_consent_without_item_receiver_or_sensible_days_is_refused_at_the_field(firm, items, receivers, days, field):
    with pytest.raises(Refusal) as refused:
        service.give_consent(firm[Role.FIRM_CLERK], items, receivers, days=days)
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID, field)


def test_an_item_that_nobody_consents_to_or_a_receiver_that_is_no_bank_is_not_found(firm):
    for items, receivers in ((["real_estate"], [None]), (["electricity_daily"], [None]), (["registration"], [None]),
                             (["meter_links"], [None]), (["invoices"], [cast.bureau().id])):
        with pytest.raises(Refusal) as refused:
            service.give_consent(firm[Role.FIRM_CLERK], items, receivers)
        assert refused.value.code is ErrorCode.NOT_FOUND


def test_another_firm_cannot_revoke_and_nobody_revokes_twice(firm, bank):
    (consent,) = give(firm, bank.id)
    with pytest.raises(Refusal) as refused:
        service.revoke_consent(cast.firm("广州别家有限公司")[Role.FIRM_CLERK], consent.id)
    assert refused.value.code is ErrorCode.NOT_FOUND
    service.revoke_consent(firm[Role.FIRM_CLERK], consent.id)
    with pytest.raises(Refusal) as refused:
        service.revoke_consent(firm[Role.FIRM_CLERK], consent.id)
    assert refused.value.code is ErrorCode.STATE_CHANGED


def queries_has(firm, receiver):
    with transaction(SYSTEM, read_only=True):
        return queries.has_consent(firm.id, "invoices", receiver)


def test_has_consent_names_the_consent_for_exactly_that_receiver(firm, bank):
    (consent,) = give(firm, None)
    assert queries_has(firm, None) == consent.id
    assert queries_has(firm, bank.id) is None


def test_a_look_shows_a_summary_and_both_sides_can_prove_it(firm, bank):
    (consent,) = give(firm, bank.id)
    officer = bank[Role.BANK_OFFICER]
    summary = service.look(officer, firm.id, "invoices")
    assert (summary.lines, summary.buyers, summary.suppliers, summary.sales_fen) == (6, 2, 0, 60000)
    assert summary.top_buyers_share == Decimal(1) and summary.top_suppliers_share is None
    assert (len(summary.months), summary.months[-1].month.isoformat(), summary.months[-1].sales_fen) == (24, "2026-06-01", 10000)
    for ctx in (officer, firm[Role.FIRM_CLERK]):
        with transaction(ctx, read_only=True):
            (look,) = session().execute(text("select org_id, actor_id, consent_id, result, purpose from evidence_look")).all()
        assert tuple(look) == (bank.id, officer.actor_id, consent.id, "shown", "pre_approval")
    assert seen(cast.bank("南粤村镇银行")[Role.BANK_OFFICER], text("select count(*) from evidence_look")) == 0


def test_a_look_without_consent_is_refused_on_record_and_the_firm_is_told(firm, bank):
    with pytest.raises(Refusal) as refused:
        service.look(bank[Role.BANK_OFFICER], firm.id, "invoices")
    assert refused.value.code is ErrorCode.CONSENT_MISSING
    with transaction(firm[Role.FIRM_CLERK], read_only=True):
        assert session().scalar(text("select result from evidence_look")) == "refused"
        assert session().scalar(text("select params ->> 'bank' from notice")) == bank.name


def test_the_firm_is_told_once_a_day_and_not_at_every_look(firm, bank):
    give(firm, bank.id)
    for _ in range(3):
        service.look(bank[Role.BANK_OFFICER], firm.id, "invoices")
    assert seen(firm[Role.FIRM_CLERK], text("select count(*) from notice")) == 1
    assert seen(firm[Role.FIRM_CLERK], text("select count(*) from evidence_look")) == 3


def test_a_firm_that_does_not_exist_gets_the_same_answer(bank):
    with pytest.raises(Refusal) as refused:
        service.look(bank[Role.BANK_OFFICER], bank.id, "invoices")
    assert refused.value.code is ErrorCode.CONSENT_MISSING


def test_columns_for_the_score_hold_what_is_in_force(firm):
    clerk = cast.provider("省税务局")[Role.PROVIDER_CLERK]
    deliver(clerk, [line(uscc_of(firm), "1", day="2026-01-10", party="B1", status="void")])
    with transaction(firm[Role.FIRM_CLERK], read_only=True):
        firm_no = session().get_one(Enterprise, firm.id).firm_no
        columns = queries.invoice_columns(firm_no)
        nothing = queries.invoice_columns(firm_no + 1)
    assert [str(columns[name].dtype) for name in columns] == ["int8", "int32", "int64", "int64", "int64", "int64", "bool"]
    assert columns["void"].tolist() == [True] + [False] * 5
    assert columns["counterparty"].tolist() == [1, 0, 1, 0, 1, 0]
    assert columns["net_fen"].sum() == 60000 and len(nothing["day"]) == 0


def test_reading_one_firm_uses_the_key_and_not_the_whole_table(firm, bank):
    give(firm, bank.id)
    for ctx in (firm[Role.FIRM_CLERK], bank[Role.BANK_OFFICER], SYSTEM):
        with transaction(ctx, read_only=True):
            session().execute(text("set local enable_seqscan = off"))
            query = text("explain select sum(net_fen) from invoice_line where firm_no = 7 and current")
            plan = "\n".join(session().scalars(query))
        assert "pk_invoice_line" in plan and "Index Cond: (firm_no = 7)" in plan


CLERK = Context(None, None, OrgKind.ENTERPRISE, frozenset({Role.FIRM_CLERK}), permissions_of(frozenset({Role.FIRM_CLERK})))


@pytest.mark.parametrize("state", list(ConsentState))
@pytest.mark.parametrize("event", CONSENT_LIFE.events())
def test_every_state_of_a_consent_meets_every_event(state, event):
    code = refusal(SYSTEM if event == "expire" else CLERK, CONSENT_LIFE, Consent(state=state.value), event)
    assert code is (None if state is ConsentState.ACTIVE else ErrorCode.STATE_CHANGED)


def test_a_firm_cannot_let_a_consent_expire_by_hand():
    assert refusal(CLERK, CONSENT_LIFE, Consent(state="ACTIVE"), "expire") is ErrorCode.FORBIDDEN
