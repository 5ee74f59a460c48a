"""Firms: known by a delivery, signed up, sized, verified."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, text

from app.core.calendar import today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import refusal as lifecycle_refusal
from app.core.models import Notice, Paper
from app.core.permissions import OrgKind, Role
from app.core.storage import take_in
from app.core.uscc import check_char, synthetic, validate
from app.enterprises import service
from app.enterprises.models import Enterprise, EnterpriseFigures
from app.enterprises.service import Figures, KnownFirm, Registration, SignUp
from app.enterprises.states import LIFECYCLE, EnterpriseState
from app.identity.models import Organisation, Person
from app.identity.service import sign_in
from app.identity.visitors import context_for
from tests import cast
from tests.cast import PASSWORD, SYSTEM
from tests.database import TestDatabase
from tests.pool_cast import City

pytestmark = pytest.mark.service

CODE = synthetic("440112", 7_000_001)
YEAR = today().year - 1
REGISTRATION = Registration("广州临江五金制品厂", "440112", "梁月娥", "440102198003072226")
FIGURES = Figures("33", 60, 2_000_000_000, 1_500_000_000, YEAR)
APPLICATION = SignUp(CODE, REGISTRATION, FIGURES, "linjiang", "2026-11", PASSWORD, "13800138000")
PDF = b"%PDF-1.7 licence"
ANYBODY = Context.anonymous()


@pytest.fixture(autouse=True)
def fresh(database: TestDatabase) -> Iterator[None]:
    yield


def code_of(call: object) -> ErrorCode:
    with pytest.raises(Refusal) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def stored(firm_id: object) -> Enterprise:
    with transaction(SYSTEM):
        return session().get_one(Enterprise, firm_id)


def signed_up(application: SignUp = APPLICATION) -> tuple[Enterprise, Context]:
    firm = service.sign_up(ANYBODY, application)
    return firm, context_for(application.login)


def with_licence(application: SignUp = APPLICATION) -> tuple[Enterprise, Context]:
    firm, owner = signed_up(application)
    service.upload_licence(owner, "执照.pdf", take_in(io.BytesIO(PDF), limit=1000, limit_text="1 KB"))
    return firm, owner


# --- made known by a delivery


def test_a_delivery_that_names_the_same_firms_again_makes_no_second_one() -> None:
    rows = [KnownFirm(f"F{number:03d}", f"企业 F{number:03d}") for number in range(1, 51)]
    first = service.register_known_firms(SYSTEM, rows)
    again = service.register_known_firms(SYSTEM, [*rows, KnownFirm("F051", "企业 F051")])
    assert {key: firm.id for key, firm in first.items()} == {key: again[key].id for key in first}
    assert len({firm.uscc for firm in again.values()}) == len({firm.firm_no for firm in again.values()}) == 51
    assert all(validate(firm.uscc) is None for firm in again.values())
    assert {firm.state for firm in again.values()} == {"known"}


def test_one_known_firm_is_registered_once_whatever_it_is_called_later() -> None:
    first = service.register_known_firm(SYSTEM, external_key="D1", name="合作社", form="cooperative", district="440117")
    again = service.register_known_firm(SYSTEM, external_key="D1", name="别的名字")
    assert again.id == first.id
    assert first.uscc.startswith("93440117")


def test_nobody_but_the_system_makes_firms_known() -> None:
    desk = cast.platform()[Role.DESK]
    assert code_of(lambda: service.register_known_firm(desk, external_key="D1", name="企业")) is ErrorCode.FORBIDDEN


# --- sign-up


def test_a_firm_signs_up_and_its_representative_can_sign_in() -> None:
    firm, owner = signed_up()
    assert firm.state == "unverified" and firm.form == "company"
    assert owner.roles == {Role.FIRM_REPRESENTATIVE} and owner.org_id == firm.id
    assert sign_in("LinJiang ", PASSWORD, "test").token


def test_the_size_class_is_computed_and_its_working_is_kept() -> None:
    firm, _ = signed_up()
    assert firm.size_class == "small"
    assert [row["size"] for row in firm.size_working if "measure" in row] == ["SMALL", "MEDIUM"]
    assert firm.size_rule == "工信部联企业〔2011〕300号"


def test_a_firm_that_a_delivery_made_known_is_joined_and_not_doubled() -> None:
    known = service.register_known_firm(SYSTEM, external_key="F017", name="企业 F017")
    firm, owner = signed_up(replace(APPLICATION, uscc=known.uscc))
    assert firm.id == known.id == owner.org_id
    assert firm.firm_no == known.firm_no and firm.external_key == "F017"
    with transaction(SYSTEM):
        assert session().scalar(select(func.count()).select_from(Organisation)) == 1
        assert session().get_one(Organisation, firm.id).name == REGISTRATION.name


def test_a_code_that_is_claimed_already_is_refused() -> None:
    signed_up()
    assert code_of(lambda: signed_up(replace(APPLICATION, login="another"))) is ErrorCode.USCC_CLAIMED


def test_a_wrong_check_digit_is_explained_with_the_one_expected() -> None:
    wrong = CODE[:-1] + ("0" if CODE[-1] != "0" else "1")
    with pytest.raises(Refusal) as caught:
        signed_up(replace(APPLICATION, uscc=wrong))
    assert caught.value.code is ErrorCode.USCC_INVALID and caught.value.field == "uscc"
    assert f"“{check_char(CODE[:17])}”" in caught.value.sentence


def test_a_code_typed_with_spaces_and_small_letters_is_understood() -> None:
    firm, _ = signed_up(replace(APPLICATION, uscc=f" {CODE[:8].lower()} {CODE[8:]} "))
    assert firm.uscc == CODE


def test_a_sole_trader_and_a_cooperative_sign_up_and_another_body_does_not() -> None:
    assert signed_up(replace(APPLICATION, uscc=synthetic("440111", 8_000_001, "2"), login="one"))[0].form == "sole_trader"
    assert signed_up(replace(APPLICATION, uscc=synthetic("440111", 8_000_002, "3"), login="two"))[0].form == "cooperative"
    other = replace(APPLICATION, uscc=synthetic("440111", 8_000_003, "9"), login="three")
    assert code_of(lambda: signed_up(other)) is ErrorCode.USCC_KIND


@pytest.mark.parametrize("change", [
    {"headcount": -1}, {"headcount": 10**9}, {"revenue_fen": -1}, {"revenue_fen": 10**17}, {"assets_fen": -5},
    {"year": YEAR + 1}, {"year": YEAR - 5}, {"industry_code": "98"}, {"industry_code": "C33"},
])
def test_negative_absurd_and_impossible_figures_are_refused(change: dict[str, Any]) -> None:
    application = replace(APPLICATION, figures=replace(FIGURES, **change))
    assert code_of(lambda: signed_up(application)) is ErrorCode.INVALID


def test_a_weak_password_leaves_nothing_behind() -> None:
    assert code_of(lambda: signed_up(replace(APPLICATION, password="weak"))) is ErrorCode.PASSWORD_WEAK
    with transaction(SYSTEM):
        assert session().scalar(select(func.count()).select_from(Organisation)) == 0
        assert session().scalar(select(func.count()).select_from(Person)) == 0


def test_a_login_name_that_somebody_has_is_refused_at_its_field() -> None:
    signed_up()
    with pytest.raises(Refusal) as caught:
        signed_up(replace(APPLICATION, uscc=synthetic("440112", 7_000_002)))
    assert (caught.value.code, caught.value.field) == (ErrorCode.LOGIN_TAKEN, "login")


def test_the_same_form_sent_twice_signs_up_once() -> None:
    ctx = ANYBODY.with_token("one-form")
    assert service.sign_up(ctx, APPLICATION).id == service.sign_up(ctx, APPLICATION).id


def test_personal_data_and_password_are_not_in_the_text_of_an_application() -> None:
    shown = repr(APPLICATION)
    assert PASSWORD not in shown and "440102198003072226" not in shown and "13800138000" not in shown


def test_name_and_number_of_the_representative_are_unreadable_in_the_database() -> None:
    firm, _ = signed_up()
    with transaction(SYSTEM):
        row = session().execute(text(
            "select representative_name::text || representative_id_no::text from enterprise where id = :id"
        ), {"id": firm.id}).scalar_one()
    assert b"440102198003072226".hex() not in row


# --- figures


def test_new_figures_change_the_size_and_the_old_version_stays() -> None:
    firm, owner = signed_up()
    service.edit_figures(owner, replace(FIGURES, headcount=12))
    with transaction(owner):
        versions = list(session().scalars(select(EnterpriseFigures).order_by(EnterpriseFigures.version)))
    assert [(row.version, row.headcount, row.size_class) for row in versions] == [(1, 60, "small"), (2, 12, "micro")]
    assert stored(firm.id).size_class == "micro"


def test_a_missing_measure_gives_no_size_and_says_why() -> None:
    firm, _ = signed_up(replace(APPLICATION, figures=replace(FIGURES, revenue_fen=None)))
    assert firm.size_class == "unknown"
    assert {"reason": "MEASURE_MISSING"} in firm.size_working


# --- verification


def test_the_desk_verifies_licence_and_representative() -> None:
    firm, _ = with_licence()
    desk = cast.platform()[Role.DESK]
    with pytest.raises(Refusal):
        service.require_verified(stored(firm.id))
    service.verify(desk, firm.id, "verify")
    verified = stored(firm.id)
    service.require_verified(verified)
    assert verified.verified_by == desk.actor_id and verified.verified_at is not None


def test_without_a_licence_nobody_is_verified() -> None:
    firm, _ = signed_up()
    desk = cast.platform()[Role.DESK]
    assert code_of(lambda: service.verify(desk, firm.id, "verify")) is ErrorCode.LICENCE_MISSING


def test_a_refusal_needs_a_reason_which_the_firm_reads_and_then_applies_again() -> None:
    firm, owner = with_licence()
    desk = cast.platform()[Role.DESK]
    assert code_of(lambda: service.verify(desk, firm.id, "refuse", " ")) is ErrorCode.REASON_NEEDED
    service.verify(desk, firm.id, "refuse", "执照照片看不清")
    assert stored(firm.id).refusal_reason == "执照照片看不清"
    with transaction(owner):
        assert [notice.params["reason"] for notice in session().scalars(select(Notice))] == ["执照照片看不清"]
    service.edit_registration(owner, replace(REGISTRATION, name="广州临江五金制品有限公司"))
    again = stored(firm.id)
    assert (again.state, again.refusal_reason) == ("unverified", None)
    service.verify(desk, firm.id, "verify")
    assert code_of(lambda: service.edit_registration(owner, REGISTRATION)) is ErrorCode.STATE_CHANGED


def test_a_code_claimed_by_a_stranger_goes_back_to_the_firm() -> None:
    firm, _stranger = with_licence()
    assert sign_in(APPLICATION.login, PASSWORD, "test").token
    desk = cast.platform()[Role.DESK]
    service.verify(desk, firm.id, "refuse", "不是本企业")
    service.release(desk, firm.id, "冒名注册")
    assert stored(firm.id).state == "known"
    assert sign_in(APPLICATION.login, PASSWORD, "test").refusal is not None
    owner = service.sign_up(ANYBODY, replace(APPLICATION, login="rightful"))
    assert owner.id == firm.id and stored(firm.id).licence_sha256 is None


def test_no_firm_verifies_itself() -> None:
    firm, owner = with_licence()
    assert code_of(lambda: service.verify(owner, firm.id, "verify")) is ErrorCode.FORBIDDEN


def test_the_desk_sees_the_licence_and_a_bank_does_not() -> None:
    with_licence()
    desk, bank = cast.platform()[Role.DESK], cast.bank()[Role.BANK_OFFICER]
    for viewer, count in ((desk, 1), (bank, 0), (ANYBODY, 0)):
        with transaction(viewer, read_only=True):
            assert session().scalar(select(func.count()).select_from(Paper)) == count


def test_a_firm_that_shares_no_case_is_invisible_to_a_bank_and_to_another_firm() -> None:
    firm, owner = signed_up()
    bank, other = cast.bank()[Role.BANK_OFFICER], cast.firm()[Role.FIRM_CLERK]
    for table in ("enterprise", "organisation"):
        sql = text(f"select count(*) from {table} where id = :id")
        for viewer, count in ((owner, 1), (bank, 0), (other, 0), (ANYBODY, 0)):
            with transaction(viewer, read_only=True):
                assert session().execute(sql, {"id": firm.id}).scalar_one() == count
    with transaction(bank, read_only=True):
        assert session().scalar(select(func.count()).select_from(EnterpriseFigures)) == 0


def test_whoever_claims_a_code_reads_no_loan_of_the_firm_before_the_desk_knows_who_they_are() -> None:
    known = service.register_known_firm(SYSTEM, external_key="D7", name="广州临江五金制品厂", district="440112")
    city = City(bank=cast.bank(), budget=0, firm=cast.Cast(known.id, "广州临江五金制品厂", OrgKind.ENTERPRISE))
    loan = city.drawn()
    firm, owner = with_licence(replace(APPLICATION, uscc=known.uscc))
    assert firm.id == known.id

    def seen() -> dict[str, int]:
        case = {"id": loan.case_id}
        with transaction(owner, read_only=True):
            return {
                table: session().execute(text(f"select count(*) from {table} where case_id = :id"), case).scalar_one()
                for table in ("loan", "case_party", "transition", "notice")
            }

    assert seen() == {"loan": 0, "case_party": 0, "transition": 0, "notice": 0}
    service.verify(cast.platform()[Role.DESK], firm.id, "verify")
    assert all(seen().values())


@pytest.mark.parametrize("state", list(EnterpriseState))
@pytest.mark.parametrize("event", LIFECYCLE.events())
def test_every_state_meets_every_event(state: EnterpriseState, event: str) -> None:
    allowed = {
        ("known", "claim"), ("unverified", "verify"), ("unverified", "refuse"), ("refused", "reapply"),
        ("refused", "release"),
    }
    firm = Enterprise(state=state.value)
    desk, owner = cast.platform()[Role.DESK], cast.firm()[Role.FIRM_REPRESENTATIVE]
    found = {lifecycle_refusal(actor, LIFECYCLE, firm, event) for actor in (desk, owner, ANYBODY)}
    if (state.value, event) in allowed:
        assert None in found and ErrorCode.FORBIDDEN in found
    else:
        assert found == {ErrorCode.STATE_CHANGED}


def test_a_representative_who_lost_everything_gets_a_link_from_the_desk_who_says_how_they_were_known() -> None:
    from app.identity.service import redeem_ticket

    firm, boss = signed_up()
    desk = cast.platform()[Role.DESK]
    assert code_of(lambda: service.reset_representative(desk, firm.id, " ")) is ErrorCode.REASON_NEEDED
    assert code_of(lambda: service.reset_representative(boss, firm.id, "本人到场")) is ErrorCode.FORBIDDEN
    issued = service.reset_representative(desk, firm.id, "本人到场，核对身份证与执照")
    redeem_ticket(issued.token, "Neues-Wort-7731")
    assert sign_in("linjiang", "Neues-Wort-7731", "test").refusal is None
    assert sign_in("linjiang", PASSWORD, "test").refusal is not None
    assert issued.token not in repr(issued)
