"""The pages of evidence as people meet them: upload and its sentences, consent read before signing, a look."""

from __future__ import annotations

import io
import re
from contextlib import contextmanager

import pytest
from openpyxl import load_workbook
from sqlalchemy import event

from app.core import database as portal_database
from app.core import outbox
from app.core.permissions import Role
from app.evidence import service
from app.evidence.display import reference
from app.evidence.items import ITEMS
from tests import cast
from tests.service.evidence_tools import csv_bytes, deliver, line, uscc_of, xlsx_bytes
from tests.service.fact_tools import one_of_everything
from tests.web.delivery_tools import delivering
from tests.web.visitors import visit

pytestmark = pytest.mark.service


@pytest.fixture
def provider(database):
    return delivering(cast.provider(), "invoices")


@pytest.fixture
def firm(database):
    return cast.firm()


@pytest.fixture
def bank(database):
    return cast.bank()


@pytest.fixture
def enter(app):
    """A browser in which a person is signed in."""

    return lambda who, role: visit(app, who[role])


@contextmanager
def statements():
    """Counts the statements that reach the database."""
    seen = []

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    event.listen(portal_database.engine(), "before_cursor_execute", note)
    yield seen
    event.remove(portal_database.engine(), "before_cursor_execute", note)


def send(client, data, name="invoices.csv", **fields):
    return client.post("/deliveries/new", data={"item": "invoices", "file": (io.BytesIO(data), name), "side": "", **fields},
                       content_type="multipart/form-data")


def send_raw(client, data):
    """The same with a body written by hand: the test client leaves its own temporary file of a large body open."""
    head = '--b\r\nContent-Disposition: form-data; name="item"\r\n\r\ninvoices\r\n'
    head += '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
    return client.post("/deliveries/new", data=head.encode() + data + b"\r\n--b--\r\n",
                       content_type="multipart/form-data; boundary=b")


def test_an_upload_leads_to_its_page_and_its_counts_add_up(enter, provider, firm):
    client = enter(provider, Role.PROVIDER_CLERK)
    rows = [line(uscc_of(firm), "1"), line(uscc_of(firm), "2", gross="120"), line("nobody")]
    answer = send(client, csv_bytes(rows), idempotency_token="t1")
    assert answer.status_code == 302
    waiting = client.get(answer.location).text
    assert "已收到，等待读取" in waiting and "data-live" in waiting
    outbox.drain()
    page = client.get(answer.location).text
    assert "data-live" not in page
    assert "价税合计不等于金额加税额，相差 7.00 元" in page and "平台上没有这家企业：nobody" in page
    assert "有 2 行待修复" in client.get("/").text


def test_the_same_upload_sent_twice_is_one_delivery(enter, provider, firm):
    client = enter(provider, Role.PROVIDER_CLERK)
    data = csv_bytes([line(uscc_of(firm))])
    first, second = (send(client, data, idempotency_token="same") for _ in range(2))
    assert first.location == second.location


@pytest.mark.parametrize(("data", "name", "sentence"), [
    (b"%PDF-1.7", "a.pdf", "不支持这种文件，请上传 CSV、XLSX、Parquet、JSON 文件。"),
    (b"uscc,side,invoice_no\n", "a.csv", "表头不对，缺少这些列：invoice_date（开票日期）、counterparty_id（对方单位）"),
    (b"PK\x03\x04not", "a.xlsx", "文件读不出来：不是完整的 XLSX 工作簿。请重新导出后再上传。"),
    (b"", "a.csv", "不支持这种文件"),
])
def test_a_file_that_cannot_be_taken_gets_its_sentence_at_the_field(enter, provider, data, name, sentence):
    page = send(enter(provider, Role.PROVIDER_CLERK), data, name).text
    assert sentence in page and 'href="#file"' in page


def test_a_file_over_the_limit_is_told_so_both_below_and_above_the_request_limit(app, enter, provider):
    app.config.update(UPLOAD_LIMIT=1024 * 1024, MAX_CONTENT_LENGTH=2 * 1024 * 1024)
    client = enter(provider, Role.PROVIDER_CLERK)
    sentence = "文件超过 1 MB 的上传上限，较大的文件请交平台用命令导入。"
    assert sentence in send_raw(client, csv_bytes([]) + b"\n" * (1024 * 1024 + 10)).text
    answer = send_raw(client, b"x" * (3 * 1024 * 1024))
    assert (answer.status_code, sentence in answer.text) == (413, True)


def test_without_a_file_the_form_says_so(enter, provider):
    assert "请选择文件。" in enter(provider, Role.PROVIDER_CLERK).post("/deliveries/new", data={"side": ""}).text


def test_the_template_is_accepted_as_a_heading(enter, provider, firm):
    client = enter(provider, Role.PROVIDER_CLERK)
    csv_template, xlsx_template = (client.get(f"/deliveries/template/invoices.{kind}").data for kind in ("csv", "xlsx"))
    assert send(client, csv_template, "t.csv").status_code == 302
    assert send(client, xlsx_template, "t.xlsx").status_code == 302
    assert client.get("/deliveries/template/invoices.doc").status_code == 404


def test_mended_rows_can_be_downloaded_corrected_and_sent_again(enter, provider, firm):
    client = enter(provider, Role.PROVIDER_CLERK)
    code = uscc_of(firm)
    delivery = deliver(provider[Role.PROVIDER_CLERK], [line(code, "1", net="-5", tax="-1", gross="-7"), line(code, "2")])
    sheet = load_workbook(io.BytesIO(client.get(f"/deliveries/{delivery.id}?format=xlsx").data)).active
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[1][-1] == "价税合计不等于金额加税额，相差 -1.00 元"
    rows[1][rows[0].index("价税合计")] = -6
    answer = send(client, xlsx_bytes(rows[1:], rows[0]), "mended.xlsx")
    outbox.drain()
    assert re.search(r"新入库</th><td class=\"num\">1</td>", client.get(answer.location).text)


def test_another_providers_delivery_is_not_found(enter, provider, firm):
    delivery = deliver(provider[Role.PROVIDER_CLERK], [line(uscc_of(firm))])
    other = enter(cast.provider("广州供电局"), Role.PROVIDER_CLERK)
    assert other.get(f"/deliveries/{delivery.id}").status_code == 404
    assert other.get(f"/deliveries/{delivery.id}?format=xlsx").status_code == 404
    assert other.post(f"/deliveries/{delivery.id}/retry").status_code == 404


def test_a_failed_delivery_shows_why_and_can_be_read_again(enter, provider, firm):
    client = enter(provider, Role.PROVIDER_CLERK)
    answer = send(client, csv_bytes([line(uscc_of(firm))]) + b'\nx,out,"' + b"1" * 200_000)
    outbox.drain()
    page = client.get(answer.location).text
    assert "有一格内容过长，可能是引号没有成对" in page and "重新读取" in page
    again = client.post(f"{answer.location}/retry", follow_redirects=True).text
    assert "已重新排队读取。" in again


def digest_of(page):
    """What the page of the texts sends back to say which texts were read."""
    return re.search(r'name="read"[^>]*value="([0-9a-f]{64})"', page).group(1)


def test_a_consent_is_read_before_it_is_signed_and_revoked_by_one_button(enter, firm, bank):
    client = enter(firm, Role.FIRM_REPRESENTATIVE)
    assert "还没有授权：去授权后才能计算信用画像" in client.get("/").text
    choice = {"choices": ["portal:invoices", f"{bank.id}:invoices", f"{bank.id}:tax"], "purpose": "", "days": "30"}
    read = client.post("/my-consents/new", data={**choice, "step": "read"}).text
    assert "提供给【本平台（计算信用画像）】" in read and f"提供给【{bank.name}】" in read and "有效期自签署起【30】日" in read
    assert "现在没有有效的授权" in client.get("/my-consents").text
    unread = client.post("/my-consents/new", data={**choice, "step": "sign", "idempotency_token": "t"}).text
    assert "授权文本与您读到的不同" in unread and "同意并签署" in unread
    choice["read"] = digest_of(read)
    signed = client.post("/my-consents/new", data={**choice, "step": "sign", "idempotency_token": "t"}, follow_redirects=True)
    assert "授权已生效" in signed.text and bank.name in signed.text and "全部撤回" in signed.text
    twice = client.post("/my-consents/new", data={**choice, "step": "sign", "idempotency_token": "t"})
    assert twice.status_code == 302
    consent_id = re.search(r"/my-consents/([0-9a-f-]{36})/revoke", signed.text).group(1)
    assert "授权已撤回，即刻生效。" in client.post(f"/my-consents/{consent_id}/revoke", follow_redirects=True).text
    all_of_it = {"receiver": str(bank.id)}
    assert "已全部撤回" in client.post("/my-consents/revoke-all", data=all_of_it, follow_redirects=True).text
    assert client.post("/my-consents/revoke-all", data={"receiver": "x"}).status_code == 404


def test_a_sole_trader_reads_and_ticks_the_second_text_of_each_receiver(enter, database, bank):
    client = enter(cast.firm("陈记五金店", form="sole_trader"), Role.FIRM_REPRESENTATIVE)
    assert "对个体工商户是个人信息，要另签一份" in client.get("/my-consents/new").text
    choice = {"choices": [f"{bank.id}:tax"], "purpose": "", "days": "30"}
    read = client.post("/my-consents/new", data={**choice, "step": "read"}).text
    assert "纳税数额" in read and "降低授信额度" in read and f"单独同意把这些个人信息提供给 {bank.name}" in read
    choice["read"] = digest_of(read)
    page = client.post("/my-consents/new", data={**choice, "step": "sign"}).text
    assert "请对每个接收方另外签署个人信息授权" in page and "第二份" in page
    signed = client.post("/my-consents/new", data={**choice, "step": "sign", "personal": [str(bank.id)]}, follow_redirects=True)
    assert "授权已生效" in signed.text and "2026-P1" in signed.text


def test_a_consent_for_one_case_is_chosen_from_the_link_and_opens_the_firm_for_that_case_alone(enter, firm, bank):
    from app.core.cases import open_case
    from app.core.database import transaction

    with transaction(firm[Role.FIRM_CLERK]):
        case = open_case("need", firm.id, "流动资金")
    client = enter(firm, Role.FIRM_CLERK)
    assert re.search(rf'<option selected value="{case.id}">', client.get(f"/my-consents/new?case={case.id}&bank={bank.id}").text)
    choice = {"choices": [f"{bank.id}:invoices"], "purpose": str(case.id), "days": "30"}
    read = client.post("/my-consents/new", data={**choice, "step": "read"}).text
    assert f"为【{case.number}】" in read
    client.post("/my-consents/new", data={**choice, "step": "sign", "read": digest_of(read)})
    officer = enter(bank, Role.BANK_OFFICER)
    assert f"/evidence/firms/{firm.id}?case={case.id}" in officer.get("/evidence/firms").text
    assert "下面每一项的查看已记录" in officer.get(f"/evidence/firms/{firm.id}?case={case.id}").text
    assert "企业没有授权贵行查看需要授权的资料" in officer.get(f"/evidence/firms/{firm.id}").text
    assert f"一笔融资业务 {case.number}" in client.get("/my-data/looks").text


def test_a_consent_form_keeps_what_was_typed_and_says_what_is_wrong(enter, firm):
    page = enter(firm, Role.FIRM_CLERK).post("/my-consents/new", data={"purpose": "", "days": "999", "step": "read"}).text
    assert "请至少勾选一项资料。" in page and "有效期最短 1 天，最长 365 天。" in page and 'value="999"' in page


def test_another_firms_consent_cannot_be_revoked(enter, firm, bank):
    (consent,) = service.give_consent(firm[Role.FIRM_CLERK], ["invoices"], [bank.id])
    other = enter(cast.firm("广州别家有限公司"), Role.FIRM_CLERK)
    assert other.post(f"/my-consents/{consent.id}/revoke").status_code == 404


def test_a_bank_sees_what_consent_allows_and_the_firm_sees_the_look(enter, provider, firm, bank):
    deliver(provider[Role.PROVIDER_CLERK], [line(uscc_of(firm))])
    officer = enter(bank, Role.BANK_OFFICER)
    assert officer.get(f"/evidence/firms/{firm.id}").status_code == 404
    (consent,) = service.give_consent(firm[Role.FIRM_CLERK], ["invoices"], [bank.id])
    assert firm.name in officer.get("/evidence/firms").text
    page = officer.get(f"/evidence/firms/{firm.id}").text
    assert "下面每一项的查看已记录" in page and "广州市税务局" in page and "尚未接入" in page and "未授权，不能查看" in page
    looks = enter(firm, Role.FIRM_CLERK).get("/my-data/looks").text
    assert bank.name in looks and "已查看" in looks and "客户经理" in looks and reference(consent.id) in looks
    own = officer.get("/evidence/looks").text
    assert firm.name in own and reference(consent.id) in own and "预授信" in own
    assert "已使用 1 次" in enter(firm, Role.FIRM_CLERK).get("/my-consents").text
    service.revoke_consent(firm[Role.FIRM_CLERK], consent.id)
    assert officer.get(f"/evidence/firms/{firm.id}").status_code == 404
    assert firm.name not in officer.get("/evidence/firms").text


def test_a_bank_that_knows_the_firm_by_a_case_is_told_plainly_that_it_may_not_look(enter, firm, bank):
    from app.core.cases import join_case, open_case
    from app.core.database import transaction

    with transaction(cast.SYSTEM):
        join_case(open_case("need", firm.id, "流动资金").id, bank.id)
    page = enter(bank, Role.BANK_OFFICER).get(f"/evidence/firms/{firm.id}").text
    assert "企业没有授权贵行查看需要授权的资料" in page and "近 24 个月销项" not in page


def test_a_bank_reads_item_by_item_and_a_refused_item_is_on_record_too(enter, provider, firm, bank):
    one_of_everything(firm, provider)
    service.give_consent(firm[Role.FIRM_CLERK], ["electricity", "water", "tax"], [bank.id])
    officer = enter(bank, Role.BANK_OFFICER)
    page = officer.get(f"/evidence/firms/{firm.id}").text
    assert "12,345.5" in page and "房东或物业代收" in page and "1 期应缴，其中 1 期迟缴或未缴。" in page
    assert "依法公开的信息" in page and "罚字1号" in page and "未授权，不能查看" in page
    assert "1 个月房东或物业代收，没有用量（不是零）。" in page
    rows = officer.get(f"/evidence/firms/{firm.id}/tax").text
    assert "增值税" in rows and "已缴税额" in rows and "本次查看已记录" in rows
    sheet = load_workbook(io.BytesIO(officer.get(f"/evidence/firms/{firm.id}/tax?format=xlsx").data)).active
    assert sheet.max_row == 2
    assert officer.get(f"/evidence/firms/{firm.id}/customs").status_code == 409
    assert officer.get(f"/evidence/firms/{firm.id}/invoices").status_code == 404
    looks = enter(firm, Role.FIRM_CLERK).get("/my-data/looks?result=refused&f=1").text
    assert "进出口" in looks and "没有依据" in looks


def test_a_firm_reads_every_item_with_its_source_and_all_its_rows(enter, provider, firm):
    one_of_everything(firm, provider)
    client = enter(firm, Role.FIRM_CLERK)
    page = client.get("/my-data").text
    assert "广州市税务局 第" in page and "合成数据" in page and "不够新" in page
    for code in ITEMS:
        assert f'href="/my-data/{code}"' in page
        shown = client.get(f"/my-data/{code}")
        assert shown.status_code == 200 and "导出 XLSX" in shown.text and "1 行" in shown.text, code
        assert load_workbook(io.BytesIO(client.get(f"/my-data/{code}?format=xlsx").data)).active.max_row == 2, code
    assert client.get("/my-data/nothing").status_code == 404
    assert "没有符合条件的记录" in client.get("/my-data/tax_grades?f=1&at_min=2026-01-01").text


def test_a_firm_sees_what_is_held_about_it_and_nothing_before_it_is_verified(enter, provider, firm):
    deliver(provider[Role.PROVIDER_CLERK], [line(uscc_of(firm))])
    page = enter(firm, Role.FIRM_CLERK).get("/my-data").text
    assert "<svg class=\"chart" in page and "近 24 个月销项" in page
    claimed = cast.firm("广州待核有限公司", verified=False)
    deliver(provider[Role.PROVIDER_CLERK], [line(uscc_of(claimed))])
    client = enter(claimed, Role.FIRM_CLERK)
    page = client.get("/my-data").text
    assert "核验通过后显示" in page and "近 24 个月销项" not in page
    choice = {"choices": ["portal:invoices"], "purpose": "", "days": "30", "step": "sign"}
    assert "企业还没有通过执照与法定代表人核验" in client.post("/my-consents/new", data=choice).text


@pytest.mark.parametrize("path", [
    "/deliveries", "/deliveries/new", "/my-data", "/my-consents", "/my-consents/new", "/my-data/looks", "/my-data/tax",
    "/evidence/firms", "/evidence/looks",
])
def test_people_of_the_wrong_kind_are_refused(enter, path):
    assert enter(cast.bureau(), Role.BUREAU_AUDITOR).get(path).status_code == 403


def test_lists_keep_their_query_budget_however_long_they_grow(enter, provider, firm, bank):
    clerk = provider[Role.PROVIDER_CLERK]
    people = [(enter(provider, Role.PROVIDER_CLERK), "/deliveries"), (enter(firm, Role.FIRM_CLERK), "/my-consents"),
              (enter(bank, Role.BANK_OFFICER), "/evidence/firms")]

    def count():
        found = []
        for client, path in people:
            with statements() as seen:
                assert client.get(path).status_code == 200
            found.append(len(seen))
        return found

    deliver(clerk, [line(uscc_of(firm))])
    service.give_consent(firm[Role.FIRM_CLERK], ["invoices"], [bank.id])
    before = count()
    for _ in range(4):
        deliver(clerk, [line(uscc_of(firm))])
        service.give_consent(firm[Role.FIRM_CLERK], ["invoices"], [bank.id, None])
    assert count() == before
    assert max(before) <= 13


def test_lists_are_exported(enter, provider, firm, bank):
    deliver(provider[Role.PROVIDER_CLERK], [line(uscc_of(firm))])
    service.give_consent(firm[Role.FIRM_CLERK], ["invoices"], [bank.id])
    service.look(bank[Role.BANK_OFFICER], firm.id, "invoices")
    for who, role, path in ((provider, Role.PROVIDER_CLERK, "/deliveries"), (firm, Role.FIRM_CLERK, "/my-data/looks"),
                            (firm, Role.FIRM_CLERK, "/my-data/invoices"), (bank, Role.BANK_OFFICER, "/evidence/firms"),
                            (bank, Role.BANK_OFFICER, "/evidence/looks")):
        data = enter(who, role).get(f"{path}?format=xlsx").data
        assert load_workbook(io.BytesIO(data)).active.max_row == 2
