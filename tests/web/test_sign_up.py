"""A firm signs up, looks at itself, and meets the desk, in a browser."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.core.calendar import today
from app.core.database import session, transaction
from app.core.models import AuditEvent
from app.core.permissions import Role
from app.core.uscc import check_char, synthetic
from app.enterprises import service
from app.enterprises.forms import identity_number_is_valid
from app.enterprises.models import Enterprise
from app.identity.models import Organisation
from app.identity.visitors import context_for
from tests import cast
from tests.cast import PASSWORD, SYSTEM
from tests.web.visitors import visit

pytestmark = pytest.mark.service

CODE = synthetic("440112", 7_000_001)
FORM = {
    "uscc": CODE, "name": "广州临江五金制品厂", "district": "440112", "representative_name": "梁月娥",
    "representative_id_no": "440102198003072226", "industry_code": "33", "year": str(today().year - 1), "headcount": "60",
    "revenue": "2,000.5", "assets": "1500", "login": "linjiang", "phone": "13800138000", "password": PASSWORD,
    "repeat": PASSWORD, "accept": "y", "idempotency_token": "one",
}
PDF = b"%PDF-1.7 licence"


def post(client: FlaskClient, **changes: str):
    return client.post("/sign-up", data={**FORM, **changes})


def error_at(page: str, field: str) -> str:
    found = re.search(rf'id="{field}-error">(.*?)</p>', page, re.DOTALL)
    assert found is not None, f"no error at {field}"
    return re.sub(r"<[^>]+>", "", found[1])


def firms() -> int:
    with transaction(SYSTEM):
        return session().scalar(select(func.count()).select_from(Enterprise)) or 0


def the_firm() -> Enterprise:
    with transaction(SYSTEM):
        return session().scalars(select(Enterprise).where(Enterprise.uscc == CODE)).one()


def test_the_identity_number_of_the_form_is_well_formed_and_others_are_not() -> None:
    assert identity_number_is_valid(FORM["representative_id_no"])
    for wrong in ("440102198003072220", "44010219800307222", "440102198013072226", "44010219800307222X", "", "x" * 18):
        assert not identity_number_is_valid(wrong)


def test_a_firm_signs_up_and_is_told_what_happens_next(client: FlaskClient) -> None:
    response = post(client)
    assert (response.status_code, response.location) == (302, "/sign-up/done")
    assert "上传营业执照" in client.get("/sign-up/done").text
    assert the_firm().revenue_fen == 2_000_500_000 and the_firm().size_class == "small"


def test_the_same_form_sent_twice_makes_one_firm(client: FlaskClient) -> None:
    assert post(client).status_code == post(client).status_code == 302
    assert firms() == 1


def test_a_wrong_check_digit_is_explained_at_the_field(client: FlaskClient) -> None:
    wrong = CODE[:-1] + ("0" if CODE[-1] != "0" else "1")
    response = post(client, uscc=wrong)
    assert response.status_code == 422
    assert error_at(response.text, "uscc").endswith(
        f"校验位不符：按前 17 位推算，最后一位应为“{check_char(CODE[:17])}”，现在是“{wrong[-1]}”。请逐位核对。"
    )


@pytest.mark.parametrize(("typed", "said"), [
    ("91440112", "应为 18 位，现在是 8 位"), (CODE[:5] + "O" + CODE[6:], "是否应为数字“0”"),
    (CODE[:9] + "Z" + CODE[10:], "不会出现在统一社会信用代码中"),
])
def test_other_slips_in_the_code_are_named(client: FlaskClient, typed: str, said: str) -> None:
    assert said in error_at(post(client, uscc=typed).text, "uscc")


@pytest.mark.parametrize(("field", "typed", "said"), [
    ("headcount", "-5", "0 到 1000 万之间"), ("headcount", "六十", ""), ("revenue", "-1", "应在 0 到"),
    ("revenue", "999999999999", "核对单位是不是万元"), ("revenue", "很多", "请填写数字"), ("assets", "1e400", "请填写数字"),
    ("assets", "0.0000001", "请填写数字"), ("industry_code", "98", ""), ("district", "110101", ""), ("year", "1999", ""),
    ("representative_id_no", "123", "身份证号不正确"), ("phone", "12", "11 位手机号"), ("login", "9", "以字母开头"),
    ("password", "weak", "口令至少 10 位"), ("repeat", "other", "两次输入的口令不一致"), ("accept", "", "请阅读说明并勾选"),
])
def test_bad_input_saves_nothing_and_keeps_what_was_typed(client: FlaskClient, field: str, typed: str, said: str) -> None:
    changes = {field: typed, **({"repeat": typed} if field == "password" else {})}
    response = post(client, **changes)
    assert response.status_code == 422 and firms() == 0
    assert said in error_at(response.text, field)
    assert FORM["name"] in response.text and PASSWORD not in response.text
    if field in ("headcount", "revenue", "assets", "login", "phone"):
        assert f'value="{typed}"' in response.text


def test_a_code_that_has_an_account_is_refused_at_its_field(client: FlaskClient) -> None:
    post(client)
    response = post(client, login="another", idempotency_token="two")
    assert "已有账号" in error_at(response.text, "uscc")


def test_a_firm_known_from_a_delivery_is_joined(client: FlaskClient) -> None:
    known = service.register_known_firm(SYSTEM, external_key="F017", name="企业 F017")
    assert post(client, uscc=known.uscc).status_code == 302
    with transaction(SYSTEM):
        assert session().get_one(Enterprise, known.id).state == "unverified"
        assert session().scalar(select(func.count()).select_from(Organisation)) == 1


def test_the_firm_reads_its_size_with_the_working_and_changes_its_figures(app: Flask, client: FlaskClient) -> None:
    post(client)
    mine = visit(app, context_for("linjiang"))
    page = mine.get("/enterprise").text
    assert "小型企业" in page and "中型从 2,000 万元 起" in page and "工信部联企业〔2011〕300号" in page
    assert "440102198003072226" not in page and "2226" in page
    assert 'value="2000.5"' in mine.get("/enterprise/figures").text
    changed = {"industry_code": "33", "year": FORM["year"], "headcount": "8", "revenue": "2000.5", "assets": ""}
    assert mine.post("/enterprise/figures", data=changed).status_code == 302
    page = mine.get("/enterprise").text
    assert "微型企业" in page and "历次数据" in page


def test_the_road_from_sign_up_to_verification(app: Flask, client: FlaskClient) -> None:
    post(client)
    mine = visit(app, context_for("linjiang"))
    assert "请上传营业执照" in mine.get("/").text
    assert mine.post("/enterprise/licence", **upload("执照.pdf", PDF)).status_code == 302
    assert "服务台正在核验您的执照" in mine.get("/").text
    desk = visit(app, cast.platform()[Role.DESK])
    assert f"核验 {FORM['name']} 的执照" in desk.get("/").text
    address = f"/firms/{the_firm().id}"
    page = desk.get(address).text
    assert "尚未接入电子营业执照" in page and "440102198003072226" not in page and "13800138000" not in page
    paper = re.search(r'href="(/papers/[0-9a-f-]+)"', page)
    assert paper is not None
    with desk.get(paper[1]) as sent:
        assert sent.data == PDF
    refused = desk.post(f"{address}/decision", data={"decision": "refuse", "reason": ""}, follow_redirects=True)
    assert "请写明理由" in refused.text and the_firm().state == "unverified"
    desk.post(f"{address}/decision", data={"decision": "refuse", "reason": "照片看不清"})
    assert "照片看不清" in mine.get("/enterprise").text and "照片看不清" in mine.get("/notices").text
    fields = ("name", "district", "representative_name", "representative_id_no")
    assert mine.post("/enterprise/registration", data={name: FORM[name] for name in fields}).status_code == 302
    desk.post(f"{address}/decision", data={"decision": "verify"})
    assert the_firm().state == "verified"
    assert "执照与法定代表人核验通过" in desk.get(address).text
    assert "请上传营业执照" not in mine.get("/").text


def test_the_desks_button_for_a_reset_pressed_twice_gives_a_fresh_link_and_keeps_the_reason_apart(app: Flask) -> None:
    firm = cast.firm()
    desk = visit(app, cast.platform()[Role.DESK])
    sent = {"reason": "本人到场，身份证 440102198003072226", "idempotency_token": "one"}
    pages = [desk.post(f"/firms/{firm.id}/reset", data=sent) for _ in range(2)]
    assert [page.status_code for page in pages] == [200, 200]
    links = [re.search(r"/invitation/([\w-]+)", page.text) for page in pages]
    assert links[0] and links[1] and links[0][1] != links[1][1]
    with transaction(SYSTEM, read_only=True):
        told = session().scalars(select(AuditEvent.facts).where(AuditEvent.action == "enterprise.reset_issued")).all()
    assert len(told) == 2 and not any("440102198003072226" in str(facts) for facts in told)


def upload(name: str, content: bytes) -> dict[str, object]:
    """A form with one file, as a browser sends it."""
    head = f'--line\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return {"data": head.encode() + content + b"\r\n--line--\r\n", "content_type": "multipart/form-data; boundary=line"}


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.exe", PDF, "不支持这种文件"), ("a.png", PDF, "不支持这种文件"), ("a.pdf", b"x" * (20 * 1024 * 1024 + 1), "20 MB"),
])
def test_a_file_that_is_no_licence_is_refused_with_the_reason(
    app: Flask, client: FlaskClient, name: str, content: bytes, said: str,
) -> None:
    post(client)
    mine = visit(app, context_for("linjiang"))
    response = mine.post("/enterprise/licence", **upload(name, content))
    assert response.status_code == 422 and said in error_at(response.text, "file")
    assert "请选择执照" in error_at(mine.post("/enterprise/licence").text, "file")
    assert the_firm().licence_sha256 is None


def test_the_desks_list_is_filtered_exported_and_the_export_is_recorded(app: Flask, client: FlaskClient) -> None:
    post(client)
    service.register_known_firm(SYSTEM, external_key="F017", name="企业 F017")
    desk = visit(app, cast.platform()[Role.DESK])
    page = desk.get("/firms?f=1&state=unverified&district=440112&size=small").text
    assert FORM["name"] in page and "企业 F017" not in page
    export = desk.get("/firms?f=1&state=known&format=xlsx")
    assert export.data[:2] == b"PK"
    with transaction(SYSTEM):
        facts = session().connection().exec_driver_sql(
            "select facts from audit_event where action = 'list.exported'"
        ).scalar_one()
    assert facts == {"list": "firms", "rows": 1}


def test_a_list_costs_the_same_few_statements_however_long_it_is(app: Flask, client: FlaskClient) -> None:
    from sqlalchemy import event

    from app.core.database import engine

    desk = visit(app, cast.platform()[Role.DESK])

    def cost() -> int:
        statements: list[str] = []
        listener = lambda *args: statements.append(args[2])  # noqa: E731
        event.listen(engine(), "before_cursor_execute", listener)
        try:
            assert desk.get("/firms").status_code == 200
        finally:
            event.remove(engine(), "before_cursor_execute", listener)
        return len(statements)

    empty = cost()
    service.register_known_firms(SYSTEM, [service.KnownFirm(f"F{n:03d}", f"企业 {n}") for n in range(60)])
    assert cost() == empty <= 12
