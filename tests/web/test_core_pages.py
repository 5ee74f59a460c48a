"""The kernel's own pages and headers: home, case, notices, language, errors, throttling at the doors."""

from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient

from app.core import cases
from app.core.database import session, transaction
from app.core.models import Paper
from app.core.notices import notify
from app.core.permissions import OrgKind, Role
from app.core.settings import Settings
from app.core.storage import path_of, store_paper, take_in
from tests import cast


def sign_in(client: FlaskClient, login: str) -> None:
    client.post("/sign-in", data={"login": login, "password": cast.PASSWORD})
    client.post("/sign-in/code", data={"skip": "1"})


def test_the_portal_says_that_it_is_well(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}


def test_nobody_signed_in_is_led_to_the_sign_in_page_and_back_to_where_they_wanted_to_go(client: FlaskClient) -> None:
    answer = client.get("/notices")
    assert (answer.status_code, answer.location) == (302, "/sign-in?next=/notices")


def test_every_role_finds_a_home_that_says_what_waits(app: Flask) -> None:
    makers = {
        OrgKind.ENTERPRISE: cast.firm, OrgKind.BANK: cast.bank, OrgKind.BUREAU: cast.bureau, OrgKind.PLATFORM: cast.platform,
        OrgKind.BRIDGE_CENTRE: cast.centre, OrgKind.FUNDER: cast.funder, OrgKind.DATA_PROVIDER: cast.provider,
    }
    for make in makers.values():
        for role, login in make().logins.items():
            client = app.test_client()
            sign_in(client, login)
            page = client.get("/")
            assert page.status_code == 200, role
            assert "今天什么在等我" in page.text, role
            assert page.text.count('class="kpi"') <= 4, role
            menu = page.text.partition('aria-label="主菜单"')[2].partition("</nav>")[0]
            row = re.sub(r"<details.*?</details>", "", menu, flags=re.S)
            assert 0 < row.count("<li>") <= 9, role  # what stands in one row at 1280 pixels, in English too


def test_pages_carry_a_strict_content_security_policy_and_are_never_stored(client: FlaskClient) -> None:
    answer = client.get("/sign-in")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_language_is_chosen_once_and_never_leads_to_another_site(client: FlaskClient) -> None:
    answer = client.post("/language", data={"language": "en", "next": "/sign-in"})
    assert answer.location == "/sign-in"
    assert "Sign in" in client.get("/sign-in").text
    for elsewhere in ("https://example.com/", "//example.com", "///example.com", "/\t//example.com", "/\\example.com",
                      "javascript:alert(1)"):
        assert client.post("/language", data={"language": "zh", "next": elsewhere}).location in ("/", "/example.com")


def test_a_page_that_does_not_exist_says_so_in_a_page_of_ours(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "没有找到这个页面" in answer.text


def test_a_form_without_its_token_is_refused_with_a_sentence(settings: Settings) -> None:
    from app.factory import create_app

    client = create_app(settings, TESTING=True, RATELIMIT_ENABLED=False).test_client()
    answer = client.post("/sign-in", data={"login": "a", "password": "b"})
    assert answer.status_code == 400
    assert "请刷新后重新提交" in answer.text


def test_one_address_knocks_thirty_times_a_minute_at_most(settings: Settings) -> None:
    from app.factory import create_app

    client = create_app(settings, TESTING=True, WTF_CSRF_ENABLED=False).test_client()
    codes = [client.post("/sign-in", data={"login": "", "password": ""}).status_code for _ in range(32)]
    assert codes[29:] == [200, 429, 429]
    assert client.get("/sign-in").status_code == 200
    published = "/publicity/00000000-0000-0000-0000-000000000001"
    codes = [client.post(published, data={"grounds": "不实"}).status_code for _ in range(12)]
    assert codes[9:] == [404, 429, 429], "each objection stops a payment: ten an hour from one address"
    assert "请求太频繁" in client.post(published).text and client.get(published).status_code == 404


def test_a_notice_is_read_by_its_organisation_and_marked_as_read(client: FlaskClient) -> None:
    bank = cast.bank()
    with transaction(cast.SYSTEM):
        notify(bank.id, "平台维护通知", path="/cases")
    sign_in(client, bank.logins[Role.BANK_OFFICER])
    assert "您有 1 条未读消息" in client.get("/").text
    assert "平台维护通知" in client.get("/notices").text
    assert client.post("/notices/read").location == "/notices"
    assert "notice unread" not in client.get("/notices").text


def test_a_case_opens_for_its_parties_and_is_not_found_for_others(app: Flask) -> None:
    firm, other = cast.firm(), cast.bank()
    with transaction(cast.SYSTEM):
        case = cases.open_case("need", firm.id, "流动资金 300 万元")
    client, stranger = app.test_client(), app.test_client()
    sign_in(client, firm.logins[Role.FIRM_CLERK])
    sign_in(stranger, other.logins[Role.BANK_OFFICER])
    page = client.get(f"/cases/{case.number}")
    assert page.status_code == 200 and "流动资金 300 万元" in page.text
    assert case.number in client.get("/cases").text
    assert stranger.get(f"/cases/{case.number}").status_code == 404
    assert case.number not in stranger.get("/cases").text


PDF = b"%PDF-1.4 a paper"


def test_a_paper_comes_back_as_a_download_for_its_owner_and_is_not_found_for_others(app: Flask) -> None:
    from io import BytesIO

    firm, other = cast.firm(), cast.firm("广州白云华昌皮具商行")
    stored = take_in(BytesIO(PDF), limit=100, limit_text="100 B")
    paper = store_paper(
        firm[Role.FIRM_CLERK], subject_type="enterprise", subject_id=firm.id, case_id=None, kind="licence",
        filename="../../执照.pdf", stored=stored,
    )
    assert paper.filename == "执照.pdf"
    client, stranger = app.test_client(), app.test_client()
    sign_in(client, firm.logins[Role.FIRM_CLERK])
    sign_in(stranger, other.logins[Role.FIRM_CLERK])
    answer = client.get(f"/papers/{paper.id}")
    assert answer.data == PDF
    assert answer.headers["Content-Disposition"].startswith("attachment")
    answer.close()
    assert stranger.get(f"/papers/{paper.id}").status_code == 404


def test_a_paper_whose_bytes_were_touched_is_not_handed_out(app: Flask) -> None:
    from io import BytesIO

    firm = cast.firm()
    stored = take_in(BytesIO(PDF), limit=100, limit_text="100 B")
    paper = store_paper(
        firm[Role.FIRM_CLERK], subject_type="enterprise", subject_id=firm.id, case_id=None, kind="licence",
        filename="a.pdf", stored=stored,
    )
    with transaction(cast.SYSTEM, read_only=True):
        path_of(bytes(session().get_one(Paper, paper.id).sha256)).write_bytes(b"%PDF-1.4 another")
    client = app.test_client()
    sign_in(client, firm.logins[Role.FIRM_CLERK])
    assert client.get(f"/papers/{paper.id}").status_code == 404
