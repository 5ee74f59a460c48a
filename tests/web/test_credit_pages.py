"""The pages of a profile as people meet them: the firm, a bank, the desk."""

from __future__ import annotations

import re
from decimal import Decimal
from html import unescape
from math import nan
from typing import Any, Literal
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.core.cases import join_case, open_case
from app.core.database import session, transaction
from app.core.errors import MESSAGES, ErrorCode
from app.core.ids import new_id
from app.core.permissions import Permission, Role
from app.core.use_case import reading
from app.credit import explaining, look_service, model_service, peers, review_service
from app.credit.models import CreditProfile, ProfileReview, ScoringModel
from app.credit.rules import Visible
from app.credit.what_helps_views import advice_of
from app.credit.what_if import WhatIf
from scoring.features.registry import NAMES, by_name, grounds
from tests import cast
from tests.credit_cast import consent, current, deliver, firm_with_invoices, model_file, register_model, revoke
from tests.pdf import streams_of, text_of_pdf
from tests.web.visitors import visit

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]

GROUNDS = dict(zip(NAMES, grounds(), strict=True))
SYNTHETIC = "评分模型是用合成企业学出来的"
NO_SCORE = "评分是怎么加出来的"
"""Stands on the page exactly where a score does."""


def sentences(profile: CreditProfile, language: Literal["zh", "en"] = "zh") -> list[str]:
    """The reasons of a profile as people read them."""
    return [
        by_name(row["feature"]).say(nan if row["value"] is None else row["value"], row["points"] > 0, language)
        for row in profile.reasons
    ]


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
    assert "还没有授权，所以没有信用画像" in page and "去授权" in page and "下载 PDF" not in page


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
    for expected in (str(profile.score), SYNTHETIC, "加分的原因", "减分的原因", NO_SCORE, "模型版本", "增值税发票", "历次画像"):
        assert expected in page
    assert all(sentence in page for sentence in sentences(profile))
    assert f"{profile.probability * 100:.2f}%" in page  # type: ignore[operator]
    assert "在 1 家已评分企业中的位置：前 1%" in page
    assert "600 分" in page and "30 比 1" in page and "每高 40 分" in page and "1,000 家这样的企业中" in page


def test_the_account_on_the_page_adds_up_to_the_score(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    profile = current(firm)
    assert profile is not None and profile.score is not None
    with app.test_request_context():
        rows = explaining.account(profile)
    assert len(rows) >= 2 + len(profile.reasons)
    assert sum(int(points) for _, points, _ in rows) == profile.score
    page = text_of(visit(app, firm[Role.FIRM_CLERK]), "/profile")
    assert f"结果 {profile.score}" in page


def test_the_dial_says_score_and_grade_without_its_colours(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    profile = current(firm)
    assert profile is not None
    page = visit(app, firm[Role.FIRM_CLERK]).get("/profile").text
    drawn = re.search(r'<svg class="chart chart-dial".*?</svg>', page, re.DOTALL)
    assert drawn is not None and f"{profile.score}，范围 300 到 850，{profile.grade} 级</desc>" in drawn[0]
    assert re.search(rf'dial-letter-mine"[^>]*>{profile.grade}<', drawn[0]), "the letter of the grade is the marked one"
    assert all(f">{letter}<" in drawn[0] for letter in "ABCDE") and "style=" not in drawn[0]


@pytest.mark.parametrize(("score", "grade"), [(300, "E"), (604, "C"), (604, "B"), (669, "B"), (670, "A"), (850, "A")])
def test_the_bands_of_the_dial_are_those_of_the_grades(app: Flask, score: int, grade: str) -> None:
    model = ScoringModel(bands={"A": "0.01", "B": "0.03", "C": "0.08", "D": "0.2"})
    with app.test_request_context():
        drawn = explaining.dial(score, grade, model)
        assert re.search(rf'dial-letter-mine"[^>]*>{grade}<', str(drawn.svg())), "at a rounded edge the stored grade decides"
    assert [(band.letter, band.until) for band in drawn.bands] == [("E", 484), ("D", 545), ("C", 604), ("B", 669), ("A", 850)]


@pytest.mark.parametrize(("low", "high", "sources", "word"), [
    ("0.028", "0.032", 4, "可信度高"), ("0.028", "0.032", 1, "可信度中等"), ("0.02", "0.05", 4, "可信度中等"),
    ("0.005", "0.15", 4, "可信度较低"),
])
def test_confidence_follows_the_interval_and_the_number_of_sources(
    app: Flask, low: str, high: str, sources: int, word: str,
) -> None:
    coverage = dict.fromkeys(("invoices", "electricity", "tax", "water")[:sources], 24)
    profile = CreditProfile(pd_low=Decimal(low), pd_high=Decimal(high), coverage=coverage)
    with app.test_request_context():
        told = explaining.confidence(profile)
        assert told is not None and str(told.word) == word


def test_a_source_without_consent_stands_with_the_link_that_consents_to_it_alone(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    page = visit(app, firm[Role.FIRM_REPRESENTATIVE]).get("/profile").text
    link = re.search(r'href="(/my-consents/new\?item=electricity)">([^<]+)<', page)
    assert link is not None and link[2] == "授权用电数据，可提高可信度"
    form = visit(app, firm[Role.FIRM_REPRESENTATIVE]).get(link[1]).text
    ticked = [tag for tag in re.findall(r"<input[^>]*>", form) if "checked" in tag and 'name="choices"' in tag]
    assert len(ticked) == 1 and "electricity" in ticked[0]


def test_what_helps_answers_with_the_model_and_keeps_what_the_firm_did_not_move(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    profile = current(firm)
    assert profile is not None
    with transaction(cast.SYSTEM, read_only=True):
        asked = WhatIf.of(profile)
    assert asked is not None
    model = model_service.model_files.read(model_file()).model
    again = model.score(asked.row[None, :])
    assert asked.answer([]).score == profile.score == int(again.score[0]) and asked.answer([]).grade == profile.grade
    assert abs(asked.model.margins(asked.row[None, :])[0] - model.margins(asked.row[None, :])[0]) < 1e-9
    client = visit(app, firm[Role.FIRM_CLERK])
    page = text_of(client, "/profile/what-helps?sales_monthly=3&nonsense=x")
    assert asked.sliders({}) == [], "invoices alone tell of nothing that this model would have the firm change"
    assert f"评分 {profile.score}，现在没有一件企业自己能改变的事会让它更高" in page and "移动滑块" not in page
    done, idle = asked.held()
    assert all(feature.zh.label in page for feature, _ in (*done, *idle))
    assert {feature.name for feature, _ in done} >= {"penalties_open", "lists_open"}, "none is open: as good as it gets"
    assert "?item=electricity" in client.get("/profile/what-helps").text


def test_a_slider_moved_to_its_best_place_never_lowers_the_score(app: Flask) -> None:
    """A firm whose slips are its own to mend; the model is monotone in what it calls better."""
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    profile = current(firm)
    assert profile is not None
    late = (
        "power_late_share", "insurance_late_share", "tax_unfiled", "penalties_open", "sales_void_ratio", "insurance_unpaid",
        "late_everywhere", "water_late_share",
    )
    slipped = dict.fromkeys(late, 1.0) | {"tax_on_time": 0.2, "reports_on_time": 0.0}
    values = {column.name: getattr(profile, column.name) for column in CreditProfile.__table__.columns}
    assert profile.listed is not None and profile.snapshot is not None
    told = [slipped.get(name, value) for name, value in zip(profile.listed.names, profile.snapshot, strict=True)]
    worse = CreditProfile(**values | {"snapshot": told}, listed=profile.listed)
    with transaction(cast.SYSTEM, read_only=True):
        asked = WhatIf.of(worse)
    assert asked is not None
    sliders = asked.sliders({})
    assert sliders and asked.answer([]).score <= (profile.score or 0)
    for slider in sliders:
        moved = asked.sliders({slider.feature.name: str(slider.best)})
        assert asked.answer(moved).score > asked.answer([]).score
        assert next(one for one in moved if one.feature == slider.feature).chosen == slider.best
    assert [one.chosen for one in asked.sliders({sliders[0].feature.name: "99999"})] == [one.own for one in sliders]
    assert all(one["points"].startswith("+") for one in advice_in(app, worse))


def advice_in(app: Flask, profile: CreditProfile) -> list[dict[str, Any]]:
    with app.test_request_context(), transaction(cast.SYSTEM, read_only=True):
        return advice_of(profile)


def test_what_helps_is_closed_without_a_score(app: Flask) -> None:
    register_model()
    firm = cast.firm()
    consent(firm)
    text_of(visit(app, firm[Role.FIRM_CLERK]), "/profile/what-helps", status=404)
    paper = visit(app, firm[Role.FIRM_CLERK]).get("/profile/paper")
    assert paper.status_code == 200 and paper.data[:5] == b"%PDF-", "a thin file has its paper too"
    revoke(firm, run_jobs=False)
    text_of(visit(app, firm[Role.FIRM_CLERK]), "/profile/paper", status=404)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_paper_carries_what_the_page_says(app: Flask, language: Literal["zh", "en"]) -> None:
    register_model()
    firm = firm_with_invoices(name="广州市岭南精密智能装备制造技术研究开发与进出口贸易股份有限公司黄埔分公司")
    consent(firm)
    profile = current(firm)
    assert profile is not None
    client = visit(app, firm[Role.FIRM_CLERK])
    answer = (english(client) if language == "en" else client).get("/profile/paper")
    assert answer.status_code == 200 and answer.data[:5] == b"%PDF-" and answer.mimetype == "application/pdf"
    assert not any(re.search(rb" re f\b", stream) for stream in streams_of(answer.data)), "no cell of a table is painted over"
    flat = "".join(text_of_pdf(answer.data).split())
    assert str(profile.score) in flat and "".join(firm.name.split()) in flat
    assert all("".join(sentence.split())[:12] in flat for sentence in sentences(profile, language))


def test_similar_firms_are_compared_only_from_ten_on(app: Flask) -> None:
    register_model()
    firms = [firm_with_invoices(number) for number in range(11)]
    for firm in firms[:10]:
        consent(firm)
    client = visit(app, firms[0][Role.FIRM_CLERK])
    assert "同行业、同规模、已评分的企业不到 10 家" in text_of(client, "/profile"), "nine others are too few"
    consent(firms[10])
    page = client.get("/profile").text
    assert "与同行业、同规模的至少 10 家企业相比" in page and 'class="chart chart-web"' in page
    with reading(firms[0][Role.FIRM_CLERK], Permission.PROFILE_READ):
        found = peers.peers()
    assert found is not None and found.firms == 10
    assert found.shares["payment"] is None, "nobody consented to bills"
    asked = sa.text("select * from hq_profile_peers(array['sales_monthly'], 1, 1000)")
    with reading(firms[0][Role.FIRM_CLERK], Permission.PROFILE_READ) as db:
        (told,) = db.execute(asked)
    assert told.peers == 10 and told.quarter in range(5)
    consent(firm_with_invoices(11))
    with reading(firms[0][Role.FIRM_CLERK], Permission.PROFILE_READ) as db:
        (later,) = db.execute(asked)
    assert later.peers == 10, "that one more came is not told"
    with reading(cast.bank()[Role.BANK_OFFICER], Permission.PROFILE_LOOK):
        assert peers.peers() is None


def test_the_reasons_are_told_in_english_to_whoever_reads_english(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    profile = current(firm)
    assert profile is not None
    page = text_of(english(visit(app, firm[Role.FIRM_CLERK])), "/profile")
    assert all(sentence in page for sentence in sentences(profile, "en"))


def test_a_thin_file_is_told_without_a_score(app: Flask) -> None:
    register_model()
    firm = cast.firm()
    consent(firm)
    page = text_of(visit(app, firm[Role.FIRM_CLERK]), "/profile")
    assert "数据还不够，暂不评分" in page and NO_SCORE not in page


def test_a_revoked_consent_takes_the_score_off_the_page_before_any_job_has_run(app: Flask) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    revoke(firm, run_jobs=False)
    client = visit(app, firm[Role.FIRM_CLERK])
    page = text_of(client, "/profile")
    assert "还没有授权，所以没有信用画像" in page and NO_SCORE not in page
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
    told = [row for row in profile.reasons if GROUNDS[row["feature"]] == "invoices"]
    said = zip(profile.reasons, sentences(profile), strict=True)
    assert told and all(sentence in page for row, sentence in said if row in told)
    assert ("信用等级，从 A 到 E" in page) == (visible is not Visible.RANK)
    assert ("评分，300 到 850" in page) == (visible is Visible.SCORE)
    assert all((f"{row['points']:+d} 分" in page) == (visible is Visible.SCORE) for row in told)
    assert ("这里不显示" in page) == (visible is not Visible.SCORE)
    assert "违约可能性" not in page


def test_reasons_from_what_the_bank_may_not_read_are_counted_and_not_told(app: Flask) -> None:
    """The firm lets the portal read its invoices and its bills, the bank its invoices alone."""
    register_model()
    firm, bank = firm_with_invoices(), cast.bank()
    consent(firm, None, bank)
    model_service.set_visible(cast.SYSTEM, Visible.SCORE)
    profile = current(firm)
    assert profile is not None
    secret = {"feature": "power_late_share", "value": 0.4567, "points": -12345, "strength": "-12345.000000"}
    with transaction(cast.SYSTEM):  # the same profile once more, now with a reason from the bills
        session().execute(sa.text("update credit_profile set current = false"))
        values = {column.name: getattr(profile, column.name) for column in CreditProfile.__table__.columns}
        session().execute(sa.insert(CreditProfile).values(values | {
            "id": new_id(), "reasons": [*profile.reasons, secret], "coverage": profile.coverage | {"electricity": 24},
            "current": True,
        }))
    shown, _ = look_service.bank_profile(bank[Role.BANK_OFFICER], firm.id)
    assert "power" not in repr(shown) and "0.4567" not in repr(shown) and "-12345" not in repr(shown)
    assert shown.untold >= 1 and shown.closed_sources >= 1 and "electricity" not in shown.coverage
    page = text_of(visit(app, bank[Role.BANK_OFFICER]), f"/profiles/{firm.id}")
    assert f"另有 {shown.untold} 条原因" in page


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
    assert all(name in page for name in ("指标", "对评分的影响")) and "%" in page
    revoke(firm)
    assert "已结束" in text_of(client, link)  # what the score rested on then stays told
    late = current(firm)
    assert late is not None and "这一份画像没有用到任何授权的资料" in text_of(client, f"/profile/trace/{late.id}")
    other = visit(app, cast.firm("广州别家有限公司")[Role.FIRM_CLERK])
    assert other.get(link).status_code == 404
