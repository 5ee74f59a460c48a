"""The pages of a profile as people meet them: the firm, a bank, the desk."""

from __future__ import annotations

import re
from html import unescape
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.core.cases import join_case, open_case
from app.core.database import session, transaction
from app.core.errors import MESSAGES, ErrorCode
from app.core.permissions import Role
from app.credit import model_service, review_service
from app.credit.models import ProfileReview
from app.credit.rules import Visible
from tests import cast
from tests.credit_cast import consent, current, deliver, firm_with_invoices, register_model, revoke
from tests.web.visitors import visit

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]

SYNTHETIC = "评分模型是用合成企业学出来的"


def text_of(client: FlaskClient, path: str, *, status: int = 200) -> str:
    """The words of a page, without its tags."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    words = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", words)).split())


def english(client: FlaskClient) -> FlaskClient:
    client.post("/language", data={"language": "en"})
    return client


def token_on(page: str) -> str:
    found = re.search(r'name="idempotency_token"[^>]*value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_a_firm_without_consent_is_told_what_to_do_first(app: Flask) -> None:
    firm = firm_with_invoices()
    page = text_of(visit(app, firm[Role.FIRM_CLERK]), "/profile")
    assert "还没有授权，所以没有信用画像" in page and "去授权" in page and "满分 1000" not in page


def test_a_firm_that_waits_for_the_desk_is_told_why_it_sees_nothing(app: Flask) -> None:
    firm = cast.firm(verified=False)
    assert "企业核验通过后，这里会有您的信用画像" in text_of(visit(app, firm[Role.FIRM_CLERK]), "/profile")


def test_after_the_consent_the_page_says_that_the_profile_is_being_computed(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    with transaction(cast.SYSTEM):  # as it is before the worker has come round
        session().execute(sa.text("update credit_profile set current = false"))
    client = visit(app, firm[Role.FIRM_CLERK])
    assert "正在计算您的信用画像" in text_of(client, "/profile")
    assert "data-live" in client.get("/profile").text


def test_without_a_model_the_page_does_not_promise_a_minute(app: Flask) -> None:
    firm = firm_with_invoices()
    consent(firm)
    assert "评分模型还没有准备好" in text_of(visit(app, firm[Role.FIRM_CLERK]), "/profile")


def test_the_firm_reads_score_grade_reasons_and_how_they_came_about(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    profile = current(firm)
    assert profile is not None
    page = text_of(visit(app, firm[Role.FIRM_REPRESENTATIVE]), "/profile")
    for expected in (str(profile.score), SYNTHETIC, "加分的原因", "减分的原因", "怎么算的", "模型版本", "增值税发票", "历次画像"):
        assert expected in page
    for reason in profile.reasons:
        assert reason["zh"] in page
    assert f"{profile.probability * 100:.2f}%" in page  # type: ignore[operator]
    assert "在 1 家已评分企业中的位置" in page and "前 1%" in page


def test_the_reasons_are_told_in_english_to_whoever_reads_english(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    profile = current(firm)
    assert profile is not None
    page = text_of(english(visit(app, firm[Role.FIRM_CLERK])), "/profile")
    assert all(reason["en"] in page for reason in profile.reasons)


def test_a_thin_file_is_told_without_a_score(app: Flask) -> None:
    register_model()
    firm = cast.firm()
    consent(firm)
    page = text_of(visit(app, firm[Role.FIRM_CLERK]), "/profile")
    assert "数据还不够，暂不评分" in page and "满分 1000" not in page


def test_a_revoked_consent_takes_the_score_off_the_page_before_any_job_has_run(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    revoke(firm, run_jobs=False)
    client = visit(app, firm[Role.FIRM_CLERK])
    page = text_of(client, "/profile")
    assert "还没有授权，所以没有信用画像" in page and "满分 1000" not in page
    assert "信用等级" not in text_of(client, "/")


def test_the_history_shows_every_profile_with_its_score(app: Flask) -> None:
    from tests.credit_cast import city

    register_model()
    firm = firm_with_invoices()
    consent(firm)
    deliver(firm, city()[3].lines)
    consent(firm)
    page = visit(app, firm[Role.FIRM_CLERK]).get("/profile").text
    assert "评分的变化" in page
    assert page.count("当前</span>") == 1


def test_the_home_of_a_firm_tells_grade_and_place(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    profile = current(firm)
    assert profile is not None
    home = text_of(visit(app, firm[Role.FIRM_CLERK]), "/")
    assert f"{profile.grade} 信用等级（演示模型，由合成企业学得）" in home and "前 1%" in home


def test_a_firm_that_let_only_a_bank_in_is_told_how_to_get_a_profile(app: Flask) -> None:
    firm = firm_with_invoices()
    consent(firm, cast.bank())
    assert "授权平台读取发票后，才有信用画像" in text_of(visit(app, firm[Role.FIRM_CLERK]), "/")


@pytest.mark.parametrize("visible", list(Visible))
def test_a_bank_reads_what_the_switch_allows_and_no_more(app: Flask, visible: Visible) -> None:
    register_model()
    firm, bank = firm_with_invoices(), cast.bank()
    consent(firm, None, bank)
    model_service.set_visible(cast.SYSTEM, visible)
    profile = current(firm)
    assert profile is not None
    page = text_of(visit(app, bank[Role.BANK_OFFICER]), f"/profiles/{firm.id}")
    assert firm.name in page and SYNTHETIC in page and "前 1%" in page
    assert all(reason["zh"] in page for reason in profile.reasons)
    assert ("信用等级，从 A 到 D" in page) == (visible is not Visible.RANK)
    assert ("满分 1000" in page) == (visible is Visible.SCORE)
    assert ("影响" in page) == (visible is Visible.SCORE)
    assert ("这里不显示" in page) == (visible is not Visible.SCORE)
    assert "违约可能性" not in page


def test_a_bank_that_no_consent_names_finds_nothing(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    text_of(visit(app, cast.bank()[Role.BANK_OFFICER]), f"/profiles/{firm.id}", status=404)


def test_a_bank_of_the_case_is_told_that_the_consent_was_taken_back(app: Flask) -> None:
    register_model()
    firm, bank = firm_with_invoices(), cast.bank()
    with transaction(cast.SYSTEM):
        case = open_case("need", firm.id, "流动资金")
        join_case(case.id, bank.id)
    consent(firm, None, bank)
    client = visit(app, bank[Role.BANK_OFFICER])
    assert "信用画像" in text_of(client, f"/cases/{case.number}")
    revoke(firm, bank)
    assert MESSAGES[ErrorCode.CONSENT_MISSING] in text_of(client, f"/profiles/{firm.id}?case={case.id}", status=409)


def test_the_line_of_a_need_begins_with_the_profile(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    with transaction(cast.SYSTEM):
        case = open_case("need", firm.id, "流动资金")
    client = visit(app, firm[Role.FIRM_CLERK])
    assert "画像 未到" in text_of(client, f"/cases/{case.number}")
    consent(firm)
    assert "画像 已完成" in text_of(client, f"/cases/{case.number}")


def test_a_firm_asks_for_a_human_look_and_the_desk_answers(app: Flask) -> None:
    register_model()
    firm, platform = firm_with_invoices(), cast.platform()
    consent(firm)
    clerk, desk = visit(app, firm[Role.FIRM_CLERK]), visit(app, platform[Role.DESK])
    form = {"message": "三月的发票漏了。", "idempotency_token": token_on(clerk.get("/profile").text)}
    assert clerk.post("/profile", data=form).status_code == 302
    assert clerk.post("/profile", data=form).status_code == 302, "the same form sent twice changes nothing"
    assert review_count() == 1
    assert "我们会在" in text_of(clerk, "/profile")
    assert "答复信用画像复核请求" in text_of(desk, "/")
    review = only_review()
    assert firm.name in text_of(desk, "/profile-reviews")
    page = desk.get(f"/profile-reviews/{review}")
    assert "三月的发票漏了。" in page.text
    answer = {"answer": "已请税务局补送。", "idempotency_token": token_on(page.text)}
    assert desk.post(f"/profile-reviews/{review}", data=answer).status_code == 302
    assert "已请税务局补送。" in text_of(clerk, "/profile")
    assert "<textarea" not in desk.get(f"/profile-reviews/{review}").text


def test_an_empty_request_is_refused_at_its_field(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    clerk = visit(app, firm[Role.FIRM_CLERK])
    page = clerk.post("/profile", data={"message": "  ", "idempotency_token": token_on(clerk.get("/profile").text)})
    assert page.status_code == 200 and "请写明哪里不准确。" in page.text and "field-error" in page.text
    assert review_count() == 0


def test_the_desk_exports_the_requests(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    review_service.ask_review(firm[Role.FIRM_CLERK], "请解释。")
    answer = visit(app, cast.platform()[Role.DESK]).get("/profile-reviews?f=1&format=xlsx")
    assert answer.status_code == 200 and answer.data[:2] == b"PK"


@pytest.mark.parametrize(("role", "path"), [
    (Role.BANK_OFFICER, "/profile"), (Role.BANK_OFFICER, "/profile-reviews"), (Role.FIRM_CLERK, "/profile-reviews"),
    (Role.FIRM_CLERK, "/profiles/00000000-0000-0000-0000-000000000007"), (Role.BUREAU_LEADER, "/profile"),
    (Role.BANK_ADMIN, "/profiles/00000000-0000-0000-0000-000000000007"), (Role.SYSTEM_ADMIN, "/profile-reviews"),
])
def test_a_page_is_closed_to_whoever_it_is_not_for(app: Flask, role: Role, path: str) -> None:
    people = {Role.BANK_OFFICER: cast.bank, Role.BANK_ADMIN: cast.bank, Role.FIRM_CLERK: cast.firm,
              Role.BUREAU_LEADER: cast.bureau, Role.SYSTEM_ADMIN: cast.platform}
    text_of(visit(app, people[role]()[role]), path, status=403)


@pytest.mark.parametrize("path", ["/profiles/{unknown}", "/profile-reviews/{unknown}"])
def test_what_does_not_exist_is_not_found(app: Flask, path: str) -> None:
    visitor = cast.bank()[Role.BANK_OFFICER] if "profiles" in path else cast.platform()[Role.DESK]
    text_of(visit(app, visitor), path.format(unknown=UUID(int=7)), status=404)


def test_the_list_of_requests_asks_the_database_no_more_for_many_than_for_one(app: Flask) -> None:
    register_model()
    desk = visit(app, cast.platform()[Role.DESK])
    counted = []
    for number in range(3):
        firm = firm_with_invoices(number)
        consent(firm)
        review_service.ask_review(firm[Role.FIRM_CLERK], "请解释。")
        with counting() as statements:
            text_of(desk, "/profile-reviews")
        counted.append(len(statements))
    assert counted[0] == counted[-1] <= 12


def counting():
    from contextlib import contextmanager

    from app.core.database import engine

    @contextmanager
    def run():
        statements: list[str] = []

        def note(conn, cursor, statement, *rest):
            statements.append(statement)

        sa.event.listen(engine(), "before_cursor_execute", note)
        try:
            yield statements
        finally:
            sa.event.remove(engine(), "before_cursor_execute", note)

    return run()


def review_count() -> int:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalar(sa.select(sa.func.count()).select_from(ProfileReview)) or 0


def only_review() -> UUID:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalars(sa.select(ProfileReview.id)).one()


def test_a_firm_follows_its_score_back_to_the_consent_and_the_deliveries_behind_it(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    (consent_id,) = consent(firm)
    profile = current(firm)
    assert profile is not None and profile.state == "scored"
    client = visit(app, firm[Role.FIRM_CLERK])
    link = f"/profile/trace/{profile.id}"
    assert link in client.get("/profile").text
    page = text_of(client, link)
    assert f"授权编号 {consent_id.hex[-8:].upper()}" in page and "增值税发票" in page and "2026-1" in page
    assert "凭这份授权读取的数据批次" in page and "广州市税务局 第" in page and "合成数据" in page
    assert all(name in page for name in ("指标", "对结果的影响")) and "%" in page
    revoke(firm)
    assert "已结束" in text_of(client, link)  # what the score rested on then stays told
    late = current(firm)
    assert late is not None and "这一份画像没有用到任何授权的资料" in text_of(client, f"/profile/trace/{late.id}")
    other = visit(app, cast.firm("广州别家有限公司")[Role.FIRM_CLERK])
    assert other.get(link).status_code == 404
