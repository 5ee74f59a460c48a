"""Pages of an organisation's administrator, of the system administrator and of the audit administrator."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.core import cases
from app.core.context import Context
from app.core.database import session, transaction
from app.core.permissions import Role
from app.identity import service, staff_service
from app.identity.models import CaseKeeper, Organisation, Person
from app.identity.service import keep_case
from app.identity.visitors import context_for
from tests import cast
from tests.cast import SYSTEM
from tests.web.visitors import visit

pytestmark = pytest.mark.service

NEW = "Zhu-2027-jiang"
PHONE = "13812345678"
INVITE = {
    "name": "欧颖", "login": "Ou.Ying", "roles": ["bank_approver"], "limit": "500", "phone": PHONE,
    "email": "ouying@bank.example", "branch": "", "idempotency_token": "form-1",
}


def who(ctx: Context) -> UUID:
    assert ctx.actor_id is not None
    return ctx.actor_id


def link_in(page: str) -> str:
    found = re.search(r"/invitation/([\w-]{40,})", page)
    assert found is not None
    return found[1]


def person_named(login: str) -> Person:
    with transaction(SYSTEM):
        return session().scalars(select(Person).where(Person.login == login)).one()


def test_an_administrator_invites_and_hands_the_link_over(app: Flask) -> None:
    bank = cast.bank()
    client = visit(app, bank[Role.BANK_ADMIN])
    page = client.post("/staff/invite", data=INVITE).text
    token = link_in(page)
    assert "离开本页后不再显示" in page and "亲自交给" in page
    service.redeem_ticket(token, NEW)
    assert context_for("ou.ying").approval_limit_fen == 500_000_000
    assert token not in client.get("/staff").text


def test_the_same_invitation_sent_twice_makes_one_person_and_shows_the_link_once(app: Flask) -> None:
    client = visit(app, cast.bank()[Role.BANK_ADMIN])
    client.post("/staff/invite", data=INVITE)
    again = client.post("/staff/invite", data=INVITE, follow_redirects=True).text
    assert "已经提交过" in again and "/invitation/" not in again
    assert again.count("ou.ying") == 1


@pytest.mark.parametrize(("changes", "field"), [
    ({"login": "9x"}, "login"), ({"name": ""}, "name"), ({"roles": []}, "roles"), ({"limit": ""}, "limit"),
    ({"limit": "-3"}, "limit"), ({"limit": "很多"}, "limit"), ({"roles": ["bureau_leader"]}, "roles"),
    ({"phone": "12"}, "phone"), ({"email": "nobody"}, "email"),
])
def test_a_slip_is_told_at_its_field_and_nobody_is_invited(app: Flask, changes: dict[str, object], field: str) -> None:
    client = visit(app, cast.bank()[Role.BANK_ADMIN])
    page = client.post("/staff/invite", data={**INVITE, **changes}).text
    assert f'id="{field}-error"' in page
    assert "/invitation/" not in page


def test_a_taken_login_is_told_at_its_field(app: Flask) -> None:
    bank = cast.bank()
    client = visit(app, bank[Role.BANK_ADMIN])
    page = client.post("/staff/invite", data={**INVITE, "login": bank.logins[Role.BANK_OFFICER]}).text
    assert "已被使用" in page and 'id="login-error"' in page


def test_phone_and_mail_are_masked_on_the_page_of_a_person(app: Flask) -> None:
    client = visit(app, cast.bank()[Role.BANK_ADMIN])
    client.post("/staff/invite", data=INVITE)
    page = client.get(f"/staff/{person_named('ou.ying').id}").text
    assert "138****5678" in page and PHONE not in page and str(INVITE["email"]) not in page


def test_another_organisations_person_does_not_exist_here(app: Flask) -> None:
    stranger = who(cast.bank("甲银行")[Role.BANK_OFFICER])
    for admin in (cast.bank("乙银行")[Role.BANK_ADMIN], cast.platform()[Role.SECURITY_ADMIN]):
        client = visit(app, admin)
        assert client.get(f"/staff/{stranger}").status_code == 404
        assert client.get(f"/staff/{stranger}/leave").status_code == 404
        for button in ("reset", "reinvite", "end-sessions", "roles", "leave"):
            assert client.post(f"/staff/{stranger}/{button}").status_code == 404, button
        assert "甲银行bank" not in client.get("/staff").text


def test_roles_and_limit_are_changed_and_a_missing_limit_is_told(app: Flask) -> None:
    bank = cast.bank()
    client, officer = visit(app, bank[Role.BANK_ADMIN]), who(bank[Role.BANK_OFFICER])
    wrong = client.post(f"/staff/{officer}/roles", data={"roles": ["bank_approver"], "limit": ""})
    assert wrong.status_code == 422 and "请填写审批限额" in wrong.text
    assert client.post(f"/staff/{officer}/roles", data={"roles": ["bank_approver"], "limit": "80"}).status_code == 302
    assert context_for(bank.logins[Role.BANK_OFFICER]).approval_limit_fen == 80_000_000


def test_nobody_finds_a_button_for_their_own_roles(app: Flask) -> None:
    bank = cast.bank()
    admin = bank[Role.BANK_ADMIN]
    client = visit(app, admin)
    page = client.get(f"/staff/{who(admin)}").text
    assert "这是您自己" in page and "/roles" not in page
    forced = client.post(f"/staff/{who(admin)}/roles", data={"roles": ["bank_officer"]})
    assert forced.status_code == 422 and "必须由另一个人办理" in forced.text


def test_a_reset_link_is_shown_once(app: Flask) -> None:
    bank = cast.bank()
    client, officer = visit(app, bank[Role.BANK_ADMIN]), who(bank[Role.BANK_OFFICER])
    page = client.post(f"/staff/{officer}/reset", data={"both": "yes"}).text
    token = link_in(page)
    assert "这条链接还不能用" in page and token not in client.get(f"/staff/{officer}").text
    assert "没有待确认的重置" in client.get("/resets").text  # whoever issued it does not confirm it
    second = visit(app, cast.platform()[Role.SECURITY_ADMIN])
    assert "确认口令与手机重置" in second.get("/").text
    address = re.search(r'action="(/resets/[0-9a-f-]+/confirm)"', second.get("/resets").text)
    assert address is not None
    assert "链接现在可以使用了" in second.post(address[1], follow_redirects=True).text
    service.redeem_ticket(token, NEW)
    assert service.sign_in(bank.logins[Role.BANK_OFFICER], NEW, "test").needs_code


def test_a_leaver_with_cases_needs_a_successor(app: Flask) -> None:
    bank, firm = cast.bank(), cast.firm()
    officer, colleague = bank[Role.BANK_OFFICER], bank[Role.BANK_APPROVER]
    with transaction(SYSTEM):
        case = cases.open_case("need", firm.id, "设备贷款")
        keep_case(officer, case)
    client = visit(app, bank[Role.BANK_ADMIN])
    address = f"/staff/{who(officer)}/leave"
    assert "手上有 1 笔业务" in client.get(address).text
    page = client.post(address, data={"reason": "离职", "successor": ""}).text
    assert 'id="successor-error"' in page and "请选择接手的同事" in page
    assert client.post(address, data={"reason": "离职", "successor": str(who(colleague))}).status_code == 302
    with transaction(SYSTEM):
        assert session().get_one(CaseKeeper, (case.id, bank.id)).person_id == colleague.actor_id
    assert "已离开" in client.get("/staff?f=1&state=left").text


def test_branches_are_added_renamed_and_chosen(app: Flask) -> None:
    bank = cast.bank()
    client = visit(app, bank[Role.BANK_ADMIN])
    assert client.post("/branches", data={"name": "天河支行"}).status_code == 302
    assert 'id="name-error"' in client.post("/branches", data={"name": "天河支行"}).text
    found = re.search(r'href="(/branches/([0-9a-f-]+))"', client.get("/branches").text)
    assert found is not None
    assert client.post(found[1], data={"name": "珠江新城支行"}).status_code == 302
    client.post(f"/staff/{who(bank[Role.BANK_OFFICER])}/branch", data={"branch": found[2]})
    assert "珠江新城支行" in client.get("/staff").text
    other = visit(app, cast.bank("乙银行")[Role.BANK_ADMIN])
    assert other.get(found[1]).status_code == 404 and "珠江新城支行" not in other.get("/branches").text


def test_the_staff_list_is_filtered_and_taken_away_as_a_file(app: Flask) -> None:
    client = visit(app, cast.bank()[Role.BANK_ADMIN])
    page = client.get("/staff?f=1&role=bank_officer").text
    assert "bank_officer-" in page and "bank_approver-" not in page
    assert client.get("/staff?format=xlsx").data[:2] == b"PK"


def test_pending_invitations_wait_on_the_administrators_home(app: Flask) -> None:
    client = visit(app, cast.bank()[Role.BANK_ADMIN])
    assert "还没有接受邀请" not in client.get("/").text
    client.post("/staff/invite", data=INVITE)
    assert "1 位同事还没有接受邀请" in client.get("/").text


def test_the_system_administrator_opens_an_organisation_with_its_administrator(app: Flask) -> None:
    client = visit(app, cast.platform()[Role.SYSTEM_ADMIN])
    form = {"kind": "bank", "name": "新塘村镇银行", "uscc": "", "person": "首位", "login": "first.admin", "phone": ""}
    service.redeem_ticket(link_in(client.post("/organisations/new", data=form).text), NEW)
    assert context_for("first.admin").roles == {Role.BANK_ADMIN}
    assert "新塘村镇银行" in client.get("/organisations?f=1&kind=bank").text


def test_an_organisation_is_not_opened_without_its_administrator(app: Flask) -> None:
    platform = cast.platform()
    client = visit(app, platform[Role.SYSTEM_ADMIN])
    form = {"kind": "bank", "name": "新塘村镇银行", "person": "首位", "login": platform.logins[Role.DESK]}
    assert 'id="login-error"' in client.post("/organisations/new", data=form).text
    assert 'id="uscc-error"' in client.post("/organisations/new", data={**form, "uscc": "123"}).text
    with transaction(SYSTEM):
        assert session().scalar(select(Organisation.id).where(Organisation.name == "新塘村镇银行")) is None


def test_an_organisation_with_nobody_gets_its_first_administrator(app: Flask) -> None:
    admin = cast.platform()[Role.SYSTEM_ADMIN]
    client = visit(app, admin)
    organisation = staff_service.create_organisation(admin, next(iter(staff_service.FIRST_ROLES)), "空机构")
    address = f"/organisations/{organisation.id}"
    assert "邀请首位管理员" in client.get(address).text
    page = client.post(f"{address}/first", data={"person": "首位", "login": "first.one"}).text
    service.redeem_ticket(link_in(page), NEW)
    assert "邀请首位管理员" not in client.get(address).text


def test_the_auditor_sees_who_did_what_but_nothing_under_a_seal(app: Flask) -> None:
    bank, platform = cast.bank(), cast.platform()
    staff_service.create_branch(bank[Role.BANK_ADMIN], "天河支行")
    with transaction(SYSTEM):
        seal = cases.new_seal()
        session().connection().exec_driver_sql(
            "insert into audit_event select gen_random_uuid(), form, at, 'bid.secret', actor_id, actor_kind, org_id, "
            "subject_type, subject_id, case_id, %(seal)s, facts, personal_digest, salt, digest from audit_event limit 1",
            {"seal": seal.id},
        )
    client = visit(app, platform[Role.AUDIT_ADMIN])
    page = client.get("/audit").text
    assert "branch.created" in page and "name=天河支行" in page and bank.name in page
    assert "bid.secret" not in page and "bid.secret" not in client.get("/audit?f=1&action=bid").text
    assert client.get("/audit?format=xlsx").data[:2] == b"PK"
    assert "list.exported" in client.get("/audit?f=1&action=list.exported").text
    with transaction(SYSTEM):
        cases.open_seal(seal.id)
    assert "bid.secret" in client.get("/audit?reset=1").text


def test_the_audit_log_is_narrowed_by_day(app: Flask) -> None:
    client = visit(app, cast.platform()[Role.AUDIT_ADMIN])
    staff_service.create_branch(cast.bank()[Role.BANK_ADMIN], "天河支行")
    assert "branch.created" not in client.get("/audit?f=1&days_max=2020-01-01").text
    assert "branch.created" in client.get("/audit?f=1&days_min=2020-01-01").text
