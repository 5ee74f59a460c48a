"""What people get wrong, and the sentence they read then; and the road without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from app.core import outbox
from app.core.database import session, transaction
from app.core.permissions import Role
from app.core.settings import Settings
from app.core.uscc import synthetic
from app.market import bid_service
from app.market.models import Bid, Need
from tests import cast, market_cast
from tests.cast import Cast
from tests.conftest import LiveServer
from tests.e2e.visitors import Visitors, choose, decide, follow, open_row, press, said, sign_in, words, write
from tests.service.evidence_tools import HEADINGS, csv_bytes, line, uscc_of

pytestmark = pytest.mark.e2e

BOSS, OFFICER, APPROVER = Role.FIRM_REPRESENTATIVE, Role.BANK_OFFICER, Role.BANK_APPROVER
CODE = synthetic("440112", 9_100_001)
WRONG_CODE = CODE[:-1] + ("1" if CODE[-1] != "1" else "2")
MEGABYTE = 1024 * 1024


@dataclass
class Market:
    """A firm with an open need of 300 万元 over twelve months, and a bank with a product for it."""

    firm: Cast
    bank: Cast
    need: Need

    @property
    def bid_form(self) -> str:
        """Address of the form for a new bid."""
        return f"/queue/{self.need.id}/bid"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """An upload limit that a small file can break."""
    return replace(settings, upload_limit=MEGABYTE)


@pytest.fixture
def market(live_server: LiveServer) -> Market:
    """See ``Market``."""
    firm, bank = cast.firm(), cast.bank()
    market_cast.product(bank)
    return Market(firm, bank, market_cast.open_need(firm))


def answer(page: Page, **values: Any) -> str:
    """Fills in, goes on, and reads what the page says at the top."""
    write(page, **values)
    press(page, "下一步")
    return said(page)


def bids_of(bank: Cast) -> int:
    """How many bids a bank has; nobody else could count them."""
    with transaction(bank[OFFICER], read_only=True):
        return session().scalar(select(func.count()).select_from(Bid)) or 0


def form_values(page: Page) -> dict[str, str]:
    """What the page's main form would send."""
    form = page.locator("main form[method=post]").last
    values: dict[str, str] = form.evaluate("form => Object.fromEntries(new FormData(form))")
    return values


# --- wrong words and numbers -------------------------------------------------------------------------------------------


def test_a_wrong_code_is_answered_with_the_place_where_it_is_wrong(visitors: Visitors) -> None:
    page = visitors.stranger()
    page.goto("/sign-up")
    for typed, sentence in (
        (WRONG_CODE, f"校验位不符：按前 17 位推算，最后一位应为“{CODE[-1]}”，现在是“{WRONG_CODE[-1]}”。请逐位核对。"),
        (CODE[:17], "统一社会信用代码应为 18 位，现在是 17 位。"),
        (CODE[:5] + "O" + CODE[6:], "第 6 位“O”不会出现在统一社会信用代码中，是否应为数字“0”？"),
        (CODE[:16] + ("1" if CODE[16] != "1" else "2") + CODE[17], "第 9–17 位（组织机构代码）有误"),
    ):
        write(page, uscc=typed)
        press(page, "注册")
        assert sentence in said(page)
        assert page.locator("[name=uscc]").input_value() == typed, "what was typed is still there"
    visitors.look_over(page)
    write(page, uscc=CODE, headcount="-3", revenue="一千万", assets="-5")
    press(page, "注册")
    assert "人数应在 0 到 1000 万之间" in said(page) and "请填写数字，单位是万元" in said(page)
    assert "请核对单位是不是万元" in said(page)


def test_negative_and_absurd_amounts_of_a_need_are_refused_in_words(visitors: Visitors, live_server: LiveServer) -> None:
    firm = cast.firm()
    page = visitors.as_(firm, BOSS, "/needs")
    press(page, "新的融资需求")
    write(page, purpose_kind="PURCHASE")
    for typed in ("-5", "0", "0.5", "99999999"):
        assert "金额应在 1 万元到 3000 万元之间" in answer(page, amount=typed)
    for typed in ("三百", "1e9", "300.005"):
        assert "请填写数字，最多两位小数" in answer(page, amount=typed)
    visitors.look_over(page)
    assert not answer(page, amount="300")
    write(page, product_kind="CREDIT", repayment="ANY")
    for typed in ("-12", "0", "9999"):
        assert "期限应在 1 到 120 个月之间" in answer(page, term_months=typed)
    assert not answer(page, term_months="12")
    assert "请选择发给哪些银行" in answer(page)
    assert "定向需求请指定 1 到 5 家银行" in answer(page, distribution="targeted")


def test_negative_and_absurd_terms_of_a_bid_are_refused_in_words(visitors: Visitors, market: Market) -> None:
    page = visitors.as_(market.bank, OFFICER, market.bid_form)
    sound = {"amount": "300", "annual_rate": "3.85", "term_months": "12", "ties_answer": "none"}
    for wrong, sentence in (
        ({"amount": "-1"}, "报价金额应大于 0。"),
        ({"amount": "301"}, "超过需求金额"),
        ({"amount": "九百"}, "请填写数字，最多两位小数"),
        ({"annual_rate": "-3.85"}, "年利率应大于 0。"),
        ({"annual_rate": "385"}, "超过平台上限"),
        ({"annual_rate": "5000"}, "请填写百分数"),
        ({"term_months": "0"}, "期限 0 个月不在"),
        ({"fees-0-kind": "APPRAISAL", "fees-0-amount": "-200"}, "“评估费”的金额应大于 0。"),
        ({"fees-0-kind": "APPRAISAL", "fees-0-amount": "9999999"}, "不低于贷款金额，请核对。"),
        ({"fees-0-kind": "", "fees-0-amount": "50"}, "请从清单中选择收费名目。"),
    ):
        write(page, **{**sound, "fees-0-kind": "", "fees-0-amount": "", **wrong})
        press(page, "提请审批")
        assert sentence in said(page), f"{wrong}: {said(page)}"
    visitors.look_over(page)
    assert bids_of(market.bank) == 0


# --- too late, and twice -----------------------------------------------------------------------------------------------


def test_a_bid_after_closing_is_refused_to_who_drafts_and_to_who_submits(visitors: Visitors, market: Market) -> None:
    late = cast.bank("迟来银行")
    market_cast.product(late)
    page = visitors.as_(late, OFFICER, market.bid_form)
    write(page, annual_rate="3.6", ties_answer="none")
    money = market_cast.draft_bid(market.bank, market.need)
    bid_service.propose_bid(market.bank[OFFICER], money.id)
    approver = visitors.as_(market.bank, APPROVER, f"/bids/{money.id}")
    firm = visitors.as_(market.firm, BOSS, f"/needs/{market.need.id}")
    decide(firm, "提前截止")

    press(page, "提请审批")
    assert "该需求的报价已经截止，不能再提交报价。" in words(page)
    decide(approver, "密封提交")
    assert "您的提交在" in said(approver) and "没有计入" in said(approver)


def test_the_same_form_sent_twice_counts_once(visitors: Visitors, market: Market) -> None:
    page = visitors.as_(market.bank, OFFICER, market.bid_form)
    write(page, annual_rate="3.85", ties_answer="none")
    form = form_values(page) | {"save": "1"}
    answers = [page.request.post(market.bid_form, form=form) for _ in range(2)]
    assert answers[0].url == answers[1].url and "/bids/" in answers[0].url, "both land on what the first one made"
    assert bids_of(market.bank) == 1
    other = page.request.post(market.bid_form, form=form | {"annual_rate": "3.20"}).text()
    assert "这张表单已经提交过，而内容与上次不同。请重新打开页面再提交。" in other
    assert bids_of(market.bank) == 1

    page = visitors.as_(market.bank, OFFICER, answers[0].url.removeprefix(visitors.url))
    with page.expect_navigation(wait_until="load"):
        page.get_by_role("button", name="提请审批", exact=True).dblclick()
    assert "待审批" in words(page) and not page.locator(".notice-bad").count()


# --- files -------------------------------------------------------------------------------------------------------------


def test_a_delivery_that_cannot_be_taken_in_says_why(visitors: Visitors, live_server: LiveServer) -> None:
    clerk, firm = cast.provider(), cast.firm()
    code = uscc_of(firm)
    sound = csv_bytes([line(code)])
    header = csv_bytes([line(code)[:-1]], headings=[name for name in HEADINGS if name != "status"])
    page = visitors.as_(clerk, Role.PROVIDER_CLERK, "/deliveries/new")
    press_upload(page, None)
    expect(page.locator(".error-summary")).to_contain_text("请选择文件。")
    for name, data, sentence in (
        ("十月.csv", header, "表头不对，缺少这些列：status（发票状态）。请下载模板对照。"),
        ("十月.pdf", b"%PDF-1.7", "不支持这种文件，请上传 CSV、XLSX、Parquet、JSON 文件。"),
        ("十月.xlsx", sound, "不支持这种文件，请上传 CSV、XLSX、Parquet、JSON 文件。"),
        ("十月.csv", sound + b"x" * (MEGABYTE + 1000), "文件超过 1 MB 的上传上限，较大的文件请交平台用命令导入。"),
    ):
        press_upload(page, {"name": name, "mimeType": "application/octet-stream", "buffer": data})
        expect(page.locator(".error-summary")).to_contain_text(sentence)
    visitors.look_over(page)

    broken = csv_bytes([line(code), line(code, "2", gross="999.00"), line(code, "3", day="2026-02-31"),
                        line(WRONG_CODE, "4"), line(code, "5")[:-2]])
    press_upload(page, {"name": "十月.csv", "mimeType": "text/csv", "buffer": broken})
    page.wait_for_url("**/deliveries/*-*")
    outbox.drain()
    expect(page.get_by_role("heading", name="待修复的行")).to_be_visible()
    text = words(page)
    for sentence in ("价税合计不等于金额加税额，相差 886.00 元", "“开票日期”不是有效的日期：2026-02-31",
                     "不是有效的统一社会信用代码", "这一行的列数与表头不符"):
        assert sentence in text
    visitors.look_over(page)

    page.goto("/deliveries/new")
    press_upload(page, {"name": "十月.csv", "mimeType": "text/csv", "buffer": b"x" * (3 * MEGABYTE)})
    expect(page.locator("main")).to_contain_text("文件超过 1 MB 的上传上限，较大的文件请交平台用命令导入。")
    expect(page.locator("header")).to_contain_text("数据批次")  # refused unread, and still at home


def press_upload(page: Page, file: Any) -> None:
    """Chooses a file and sends it; the answer takes the place of the page."""
    if file is not None:
        page.locator("[name=file]").set_input_files(file)
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("button", name="上传并读取").click()


# --- without JavaScript ------------------------------------------------------------------------------------------------


def test_wizard_and_bid_work_without_javascript(visitors: Visitors, live_server: LiveServer) -> None:
    visitors.options["java_script_enabled"] = False
    firm, bank = cast.firm(), cast.bank()
    market_cast.product(bank)
    page = visitors.stranger()
    sign_in(page, firm.logins[BOSS])
    choose(page, "融资", "融资")
    press(page, "新的融资需求")
    assert not answer(page, amount="200", purpose_kind="EQUIPMENT", purpose_text="购置注塑机")
    assert not answer(page, term_months="12", product_kind="CREDIT", repayment="INTEREST_ONLY")
    assert "请选择发给哪些银行" in answer(page)
    assert not answer(page, distribution="open")
    follow(page, "下一步")
    press(page, "提交融资需求")
    assert "核对中" in words(page)
    page = visitors.as_(cast.platform(), Role.DESK, "/desk/needs")
    open_row(page)
    decide(page, "放行")

    page = visitors.as_(bank, OFFICER, "/queue")
    open_row(page)
    follow(page, "起草报价")
    write(page, annual_rate="3.85", ties_answer="none")
    press(page, "计算综合成本")
    assert page.locator("#cost .big").inner_text().endswith("%")
    press(page, "提请审批")
    address = page.url
    page = visitors.as_(bank, APPROVER, address)
    decide(page, "密封提交")
    assert "报价已密封提交" in said(page)
