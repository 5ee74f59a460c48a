"""The door as a browser meets it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.core.calendar import now
from app.core.database import session, transaction
from app.core.permissions import Role
from app.core.settings import Settings
from app.factory import create_app
from app.identity import staff_service
from app.identity.models import Person, UserSession
from app.identity.visitors import visitor
from tests import cast
from tests.cast import PASSWORD, SYSTEM, Cast
from tests.web.visitors import visit

pytestmark = pytest.mark.service

NEW = "Zhu-2027-jiang"


@pytest.fixture
def firm(app: Flask) -> Iterator[Cast]:
    yield cast.firm()


def sign_in(client: FlaskClient, login: str, password: str = PASSWORD, target: str = ""):
    return client.post("/sign-in", data={"login": login, "password": password, "next": target})


def test_a_firm_signs_in_and_stands_before_what_waits_for_it(client: FlaskClient, firm: Cast) -> None:
    response = sign_in(client, firm.logins[Role.FIRM_CLERK])
    assert (response.status_code, response.location) == (302, "/")
    assert "今天什么在等我" in client.get("/").text


def test_a_wrong_password_is_told_in_words_that_give_nothing_away(client: FlaskClient, firm: Cast) -> None:
    known = sign_in(client, firm.logins[Role.FIRM_CLERK], "Wrong-2026-word")
    unknown = sign_in(client, "nobody-at-all", "Wrong-2026-word")
    assert "账号或口令不正确。" in known.text and "账号或口令不正确。" in unknown.text
    assert client.get("/").status_code == 302


def test_what_was_typed_is_kept_but_for_the_password(client: FlaskClient, firm: Cast) -> None:
    page = sign_in(client, "some.login", "Wrong-2026-word").text
    assert 'value="some.login"' in page and "Wrong-2026-word" not in page


def test_staff_enrol_a_phone_and_pass_with_its_code(client: FlaskClient, firm: Cast) -> None:
    bank = cast.bank()
    assert sign_in(client, bank.logins[Role.BANK_OFFICER]).location.startswith("/sign-in/code")
    assert client.get("/").status_code == 302
    page = client.get("/sign-in/code").text
    secret = re.search(r"<code>([A-Z2-7]{32})</code>", page)
    assert secret is not None
    picture = client.get("/sign-in/code.svg")
    assert picture.mimetype == "image/svg+xml" and b"<svg" in picture.data
    wrong = client.post("/sign-in/code", data={"code": "000000"})
    assert "动态码不正确或已过期" in wrong.text
    client.post("/sign-in/code", data={"code": pyotp.TOTP(secret[1]).at(now())})
    assert client.get("/").status_code == 200
    assert client.get("/sign-in/code.svg").status_code == 404


def test_outside_demo_mode_nobody_skips_the_code(settings: Settings) -> None:
    app = create_app(replace(settings, demo=False), TESTING=True, WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False)
    client = app.test_client()
    bank = cast.bank()
    page = client.post("/sign-in", base_url="https://localhost",
                       data={"login": bank.logins[Role.BANK_OFFICER], "password": PASSWORD}, follow_redirects=True).text
    assert "演示模式" not in page and "演示账号" not in client.get("/sign-in", base_url="https://localhost").text
    client.post("/sign-in/code", base_url="https://localhost", data={"skip": "1"})
    assert client.get("/", base_url="https://localhost").status_code == 302


def test_in_demo_mode_the_code_may_be_skipped(client: FlaskClient, firm: Cast) -> None:
    sign_in(client, cast.bank().logins[Role.BANK_OFFICER])
    client.post("/sign-in/code", data={"skip": "1"})
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(("demo", "secure"), [(True, False), (False, True)])
def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(settings: Settings, demo: bool, secure: bool) -> None:
    app = create_app(replace(settings, demo=demo), TESTING=True, WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False)
    login = cast.firm().logins[Role.FIRM_CLERK]
    cookie = sign_in(app.test_client(), login).headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert ("; Secure" in cookie) is secure


def test_the_session_is_renewed_at_sign_in(client: FlaskClient, firm: Cast) -> None:
    with client.session_transaction() as cookie:
        cookie["planted"] = "by a stranger"
    sign_in(client, firm.logins[Role.FIRM_CLERK])
    with client.session_transaction() as cookie:
        assert "planted" not in cookie
        first = cookie["_user_id"]
    sign_in(client, firm.logins[Role.FIRM_CLERK])
    with client.session_transaction() as cookie:
        assert cookie["_user_id"] != first


def test_a_form_without_its_token_is_refused(settings: Settings) -> None:
    app = create_app(settings, TESTING=True, RATELIMIT_ENABLED=False)
    login = cast.firm().logins[Role.FIRM_CLERK]
    client = app.test_client()
    refused = sign_in(client, login)
    assert refused.status_code == 400 and "页面停留过久" in refused.text
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/sign-in").text)
    assert found is not None
    accepted = client.post("/sign-in", data={"login": login, "password": PASSWORD, "csrf_token": found[1]})
    assert accepted.status_code == 302


@pytest.mark.parametrize("target", [
    "https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "http:evil.example", "evil.example",
])
def test_sign_in_never_leads_to_another_site(client: FlaskClient, firm: Cast, target: str) -> None:
    assert sign_in(client, firm.logins[Role.FIRM_CLERK], target=target).location == "/"


def test_sign_in_leads_back_to_the_page_that_was_asked_for(client: FlaskClient, firm: Cast) -> None:
    asked = client.get("/cases?q=1").location
    assert asked == "/sign-in?next=/cases?q%3D1" or asked.startswith("/sign-in?next=")
    assert sign_in(client, firm.logins[Role.FIRM_CLERK], target="/cases?q=1").location == "/cases?q=1"


def test_signing_out_ends_the_session_and_not_only_the_cookie(client: FlaskClient, firm: Cast) -> None:
    sign_in(client, firm.logins[Role.FIRM_CLERK])
    with client.session_transaction() as cookie:
        token = cookie["_user_id"]
    assert client.post("/sign-out").status_code == 302
    assert visitor(token) is None
    assert client.get("/").status_code == 302
    assert client.get("/sign-out").status_code == 405


def test_a_revoked_session_is_over_with_the_next_page(app: Flask, firm: Cast) -> None:
    clerk = firm[Role.FIRM_CLERK]
    client = visit(app, clerk)
    assert client.get("/").status_code == 200
    assert clerk.actor_id is not None
    staff_service.end_sessions(firm[Role.FIRM_REPRESENTATIVE], clerk.actor_id)
    assert client.get("/").status_code == 302


def test_a_password_past_its_age_is_changed_before_anything_else(app: Flask, firm: Cast) -> None:
    clerk = firm[Role.FIRM_CLERK]
    with transaction(SYSTEM):
        session().execute(
            update(Person).where(Person.id == clerk.actor_id).values(password_changed_at=now() - timedelta(days=91))
        )
    client = visit(app, clerk)
    assert client.get("/").location == client.get("/account").location == "/account/password"
    assert "口令已用满 90 天" in client.get("/account/password").text
    form = {"current": PASSWORD, "password": NEW, "repeat": NEW}
    assert client.post("/account/password", data=form).status_code == 302
    assert client.get("/").status_code == 200


def test_the_password_page_says_what_is_wrong_at_its_field(app: Flask, firm: Cast) -> None:
    client = visit(app, firm[Role.FIRM_CLERK])
    page = client.post("/account/password", data={"current": "Guess-2026-it", "password": NEW, "repeat": NEW}).text
    assert 'id="current-error"' in page
    page = client.post("/account/password", data={"current": PASSWORD, "password": "short", "repeat": "short"}).text
    assert "口令至少 10 位" in page
    page = client.post("/account/password", data={"current": PASSWORD, "password": NEW, "repeat": NEW + "x"}).text
    assert "两次输入的口令不一致" in page and NEW not in page


def test_no_digest_of_a_password_is_kept_for_a_form(app: Flask, firm: Cast) -> None:
    client = visit(app, firm[Role.FIRM_CLERK])
    client.post("/account/password", data={
        "current": PASSWORD, "password": NEW, "repeat": NEW, "idempotency_token": "planted",
    })
    with transaction(SYSTEM):
        assert session().connection().exec_driver_sql("select count(*) from idempotency").scalar() == 0


def test_recovery_codes_are_shown_once_and_let_somebody_back_in(app: Flask, firm: Cast) -> None:
    client = visit(app, firm[Role.FIRM_CLERK])
    codes = re.findall(r"<code>([0-9a-f]{6}-[0-9a-f]{6})</code>", client.post("/account/recovery-codes").text)
    assert len(codes) == 8
    assert codes[0] not in client.get("/account").text
    stranger = app.test_client()
    data = {"login": firm.logins[Role.FIRM_CLERK], "code": codes[0], "password": NEW, "repeat": NEW}
    assert stranger.post("/recover", data=data).status_code == 302
    assert sign_in(stranger, data["login"], NEW).status_code == 302
    assert client.get("/").status_code == 302


def test_a_failed_recovery_does_not_say_which_part_was_wrong(client: FlaskClient, firm: Cast) -> None:
    data = {"code": "aaaaaa-bbbbbb", "password": NEW, "repeat": NEW}
    texts = []
    for login in (firm.logins[Role.FIRM_CLERK], "nobody-at-all"):
        page = client.post("/recover", data={**data, "login": login}).text
        assert NEW not in page
        texts.append("登录名或恢复码不正确" in page)
    assert texts == [True, True]


def test_the_account_page_lists_the_own_sessions_and_ends_another_one(app: Flask, firm: Cast) -> None:
    clerk = firm[Role.FIRM_CLERK]
    here, there = visit(app, clerk), visit(app, clerk)
    page = here.get("/account").text
    ends = re.findall(r'action="(/account/sessions/[0-9a-f-]+/end)"', page)
    assert len(ends) == 1 and "本机" in page
    assert here.post(ends[0]).status_code == 302
    assert there.get("/").status_code == 302 and here.get("/").status_code == 200


def test_nobody_ends_a_session_of_somebody_else(app: Flask, firm: Cast) -> None:
    clerk, boss = firm[Role.FIRM_CLERK], firm[Role.FIRM_REPRESENTATIVE]
    visit(app, clerk)
    with transaction(SYSTEM):
        session_id = session().scalar(select(UserSession.id).where(UserSession.person_id == clerk.actor_id))
    assert visit(app, boss).post(f"/account/sessions/{session_id}/end").status_code == 404


def test_a_one_time_link_sets_a_password_once(app: Flask, firm: Cast) -> None:
    boss = firm[Role.FIRM_REPRESENTATIVE]
    invitation = staff_service.invite(boss, org_id=firm.id, login="new.clerk", name="新人", roles={Role.FIRM_CLERK: None})
    client = app.test_client()
    path = f"/invitation/{invitation.token}"
    assert "new.clerk" in client.get(path).text
    assert "口令至少 10 位" in client.post(path, data={"password": "weak", "repeat": "weak"}).text
    assert client.post(path, data={"password": NEW, "repeat": NEW}).location == "/sign-in"
    assert client.get(path).status_code == client.post(path, data={"password": NEW, "repeat": NEW}).status_code == 410
    assert sign_in(client, "new.clerk", NEW).location == "/"


def test_an_expired_link_says_whom_to_ask(app: Flask, firm: Cast) -> None:
    with time_machine.travel(datetime(2026, 11, 22, 2, 0, tzinfo=UTC), tick=False) as clock:
        invitation = staff_service.invite(
            firm[Role.FIRM_REPRESENTATIVE], org_id=firm.id, login="late", name="迟到", roles={Role.FIRM_CLERK: None},
        )
        clock.shift(timedelta(hours=72))
        response = app.test_client().get(f"/invitation/{invitation.token}")
    assert response.status_code == 410 and "请询问管理员" in response.text


def test_no_page_behind_the_door_is_kept_by_a_cache(app: Flask, firm: Cast) -> None:
    response = visit(app, firm[Role.FIRM_CLERK]).get("/account")
    assert response.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
