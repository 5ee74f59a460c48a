"""Steps 0 to 6: from the sign-up of a firm to the offer it takes."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import polars as pl
from playwright.sync_api import expect
from sqlalchemy import select

from app.core import outbox
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.permissions import Role
from app.market.bid_models import Choice
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.e2e.town import FIRM_NAME, LOGIN, USCC, Town
from tests.e2e.visitors import decide, facts, follow, open_row, press, said, table, words, write

REAL_FIRM = "F104"
"""A firm of the real set with 2,251 invoice lines over 38 months, 1,006 of them exact repeats of another line."""
REAL_LINES = 2251
BROKEN_LINE = 1

PDF = {"name": "营业执照.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 licence"}
OFFERS = {
    "bank": {"annual_rate": "3.85", "fees": {}},
    # Looks cheaper until its fees are counted in.
    "rival": {"annual_rate": "3.20", "fees": {"kind": "GUARANTEE", "amount": "18000", "payee": "GUARANTOR", "at": "START"}},
}


# --- step 0: the house is open -----------------------------------------------------------------------------------------


def the_banks_put_products_on_offer(town: Town) -> None:
    """An administrator of each bank fills in a product in the browser."""
    for bank, name, districts in ((town.bank, "工厂信用贷", ["440112"]), (town.rival, "云山流水贷", [])):
        page = town.as_(bank, Role.BANK_ADMIN, "/products")
        follow(page, "新增产品")
        town.look_over(page)
        write(page, name=name, kind="CREDIT", min_amount="10", max_amount="1,000", min_term_months="1", max_term_months="36",
              districts=districts, min_rate="3", max_rate="6")
        press(page, "保存")
        assert name in table(page, "产品")[0][0]


# --- step 1: the firm signs up, its data arrive ------------------------------------------------------------------------


def the_firm_signs_up_and_is_verified(town: Town) -> None:
    """Sign-up in the browser, the licence, and the desk that compares it."""
    page = town.visitors.stranger()
    page.goto("/sign-up")
    town.look_over(page)
    write(page, uscc=USCC, name=FIRM_NAME, district="440112", representative_name="梁月娥",
          representative_id_no="440102198003072226", industry_code="26", year=str(today().year - 1), headcount="85",
          revenue="2,400", assets="1,800", login=LOGIN, phone="13800138000", password=cast.PASSWORD, repeat=cast.PASSWORD,
          accept=True)
    press(page, "注册")
    assert "注册成功" in words(page)
    page = town.wait(town.as_firm(), "请上传营业执照")
    page.locator("[name=file]").set_input_files(PDF)
    press(page, "上传")
    assert "服务台会尽快核验" in said(page)
    town.look_over(page)

    desk = town.wait(town.as_(town.platform, Role.DESK), f"核验 {FIRM_NAME}")
    town.look_over(desk)
    assert facts(desk)["统一社会信用代码"] == USCC
    decide(desk, "核验通过")
    assert "已核验通过" in said(desk)


def invoice_file(folder: Path) -> bytes:
    """The real firm's purchases and sales as a provider would deliver them, and one line that lost its amount."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["统一社会信用代码", "进销方向", "发票号码", "开票日期", "对方单位", "金额", "税额", "价税合计", "发票状态"])
    for side, name in (("进项", "invoices_in_labelled"), ("销项", "invoices_out_labelled")):
        lines = pl.scan_parquet(folder / "cumcm2020c" / f"{name}.parquet").filter(pl.col("firm_id") == REAL_FIRM).collect()
        for line in lines.iter_rows(named=True):
            amounts = [f"{line[key]:.2f}" for key in ("amount_net", "tax_amount", "amount_gross")]
            writer.writerow([USCC, side, line["invoice_no"], line["invoice_date"], line["counterparty_id"], *amounts,
                             line["status"]])
    writer.writerow([USCC, "进项", "99999999", "2019-12-01", "A000", "", "0.00", "100.00", "valid"])
    return ("\ufeff" + out.getvalue()).encode()


def the_provider_delivers_twice(town: Town, data: bytes) -> None:
    """Every row has a place, and the same file again changes nothing."""
    assert _upload(town, data) == _counts(taken=REAL_LINES, known=0)
    page = town.as_(town.provider, Role.PROVIDER_CLERK, "/deliveries")
    follow(page, "2026-10.csv")
    assert "“金额”没有填" in words(page)
    town.look_over(page)

    assert _upload(town, data) == _counts(taken=0, known=REAL_LINES)


def _counts(taken: int, known: int) -> dict[str, int]:
    return {
        "新入库": taken, "已有，没有变化": known, "作废，更新了原记录": 0, "待修复": BROKEN_LINE,
        "合计 = 文件行数": REAL_LINES + BROKEN_LINE,
    }


def _upload(town: Town, data: bytes) -> dict[str, int]:
    page = town.as_(town.provider, Role.PROVIDER_CLERK, "/deliveries/new")
    page.locator("[name=file]").set_input_files({"name": "2026-10.csv", "mimeType": "text/csv", "buffer": data})
    page.get_by_role("button", name="上传并读取").click()
    page.wait_for_url(re.compile(r"/deliveries/[0-9a-f-]{36}$"))
    expect(page.locator("#delivery-progress")).to_be_visible()
    outbox.drain()
    expect(page.get_by_role("heading", name="每一行的去处")).to_be_visible()  # the page looks again by itself
    return {row[0]: int(row[1].replace(",", "")) for row in table(page, "每一行的去处")}


# --- step 2: consent and profile ---------------------------------------------------------------------------------------


def the_firm_consents_and_reads_its_profile(town: Town) -> str:
    """It signs what it read, for the portal and two banks. Returns the grade."""
    page = town.as_firm("/profile")
    assert "还没有授权，所以没有信用画像" in words(page)
    follow(page, "去授权")
    write(page, choices=[f"{who}:invoices" for who in ("portal", town.bank.id, town.rival.id)], days="365")
    town.look_over(page)
    press(page, "下一步：阅读授权文本")
    text = words(page)
    assert town.bank.name in text and town.rival.name in text and town.outsider.name not in text and "365" in text
    town.look_over(page)
    press(page, "同意并签署")
    assert "授权已生效" in said(page)
    for receiver in (town.bank, town.rival):
        assert len(table(page, f"给 {receiver.name} 的有效授权")) == 1
    outbox.drain()

    page = town.as_firm("/profile")
    grade = page.locator(".score-grade .chip").first.inner_text().strip()[-3]
    assert grade in "ABCDE", page.locator(".score-grade").inner_text()
    assert page.locator(".dial-box svg").is_visible()
    assert page.locator("ol.reasons li").count() >= 2
    assert page.locator("figure.chart-box svg").first.is_visible() and page.locator(".chart-numbers tbody tr").count() >= 12
    assert "合成企业（演示）" in words(page)
    town.look_over(page)
    page = town.as_firm("/my-data")
    town.look_over(page)
    return grade


# --- step 3: the need --------------------------------------------------------------------------------------------------


def the_firm_files_a_need(town: Town) -> None:
    """A wizard that keeps what was typed, left in the middle and taken up again."""
    page = town.as_firm("/needs")
    town.look_over(page)
    press(page, "新的融资需求")
    page.locator("[name=amount]").fill("300")
    expect(page.locator("[data-autosave-status]")).to_have_text("已保存")
    page.goto("/")
    page.goto("/needs")
    press(page, "新的融资需求")
    expect(page.locator("[name=amount]")).to_have_value("300")
    town.look_over(page)
    write(page, purpose_kind="PURCHASE", purpose_text="采购树脂原料，十二月付款")
    press(page, "下一步")
    write(page, term_months="3", product_kind="CREDIT", repayment="INTEREST_ONLY", first_loan=True)
    press(page, "下一步")
    write(page, distribution="open")
    press(page, "下一步")
    town.look_over(page)
    follow(page, "下一步")
    shown = facts(page)
    assert shown["金额"].startswith("300") and shown["期限"].startswith("3 个月")
    town.look_over(page)
    press(page, "提交融资需求")
    assert "服务台正在核对" in words(page)
    desk = town.wait(town.as_(town.platform, Role.DESK), "核对融资需求")
    assert "采购树脂原料" in words(desk) and "五项核对提示" in words(desk)
    town.look_over(desk)
    decide(desk, "放行")
    assert "已放行" in said(desk)
    outbox.drain()
    page.reload()
    assert "可入库" in words(page)
    town.look_over(page)
    town.case = re.search(r"HQ-\d{4}-\d{6}", page.locator(".crumbs").inner_text()).group()  # type: ignore[union-attr]


# --- step 4: the queue -------------------------------------------------------------------------------------------------


def an_officer_finds_it_in_the_ranked_queue(town: Town, grade: str) -> None:
    """The bank's own ranking, its filters, and what consent lets it see."""
    other = cast.firm("广州南沙水产加工厂", district="440115", industry_code="13", size_class="micro")
    market_cast.open_need(other, wan=2000, months=60)
    page = town.officer("/queue")
    town.look_over(page)
    names = [row[0] for row in table(page, "为本行排序的需求")]
    assert FIRM_NAME in names[0] and len(names) == 2, "the need that fits the bank's product stands first"
    assert "水产" not in "".join(names), "the other firm's name is not for this bank"

    write(page, amount_min="250", amount_max="350")
    press(page, "筛选")
    assert [FIRM_NAME in row[0] for row in table(page, "为本行排序的需求")] == [True]
    write(page, amount_min="5000", amount_max="")
    press(page, "筛选")
    assert "没有符合条件的记录" in words(page)
    follow(page, "清除筛选")
    follow(page, FIRM_NAME)
    town.look_over(page)
    assert f"{grade} 级" in words(page) or "前 " in words(page)
    follow(page, "查看信用画像")
    assert FIRM_NAME in words(page) and page.locator("figure.chart-box svg").first.is_visible()
    town.look_over(page)
    firm_id = page.url.rsplit("/", 1)[1].split("?")[0]

    page = town.as_(town.outsider, Role.BANK_OFFICER, "/queue")
    rows = table(page, "为本行排序的需求")
    card = next(row for row in rows if row[1].startswith("300"))
    assert FIRM_NAME not in "".join(card) and "名称未授权本行" in card[0]
    open_row(page, "300 万元")
    assert "企业没有授权本行查看画像和数据" in words(page) and FIRM_NAME not in words(page)
    for address in (f"/profiles/{firm_id}", f"/evidence/firms/{firm_id}"):
        page.goto(address)
        assert FIRM_NAME not in words(page) and page.locator("figure.chart-box").count() == 0

    page = town.as_firm("/my-data/looks")
    assert town.bank.name in words(page), "the firm sees who looked"
    town.look_over(page)


# --- step 5: sealed bids -----------------------------------------------------------------------------------------------


def two_banks_bid_and_nobody_else_sees(town: Town) -> None:
    """Officers draft, approvers submit; the addresses of a bid are closed to everybody else."""
    addresses = [_bid(town, town.bank, OFFERS["bank"], look=True), _bid(town, town.rival, OFFERS["rival"])]
    for viewer, foreign in ((town.rival, addresses[0]), (town.bank, addresses[1]), (town.outsider, addresses[0])):
        page = town.as_(viewer, Role.BANK_OFFICER, foreign)
        assert "没有找到" in words(page)
    page = town.as_firm("/needs")
    open_row(page)
    assert "报价中" in words(page)
    need = page.url
    for address in (need, f"{need}/offers", f"/cases/{town.case}", addresses[0].replace("/bids/", "/offers/") + "/sheet"):
        page.goto(address)
        text = words(page)
        assert "3.85" not in text and "3.2" not in text and town.bank.name not in text and town.rival.name not in text


def _bid(town: Town, bank: Any, terms: dict[str, Any], look: bool = False) -> str:
    page = town.as_(bank, Role.BANK_OFFICER, "/queue")
    follow(page, FIRM_NAME)
    follow(page, "起草报价")
    write(page, annual_rate=terms["annual_rate"], ties_answer="none")
    write(page, **{f"fees-0-{name}": value for name, value in terms["fees"].items()})
    press(page, "计算综合成本")
    assert page.locator("#cost .big").inner_text().endswith("%")
    if look:
        town.look_over(page)
    press(page, "提请审批")
    address = page.url
    assert page.get_by_text("密封提交", exact=True).count() == 0, "who drafts does not submit"
    page = town.wait(town.as_(bank, Role.BANK_APPROVER), FIRM_NAME)
    assert page.url == address
    if look:
        town.look_over(page)
    decide(page, "密封提交")
    assert "密封提交" in said(page) and "已提交" in words(page)
    return address.removeprefix(town.visitors.url)


# --- step 6: the choice ------------------------------------------------------------------------------------------------


def the_firm_compares_and_takes_the_cheaper(town: Town) -> None:
    """Offers open together; the one with the lower all-in rate is taken, and a second choice is impossible."""
    page = town.as_firm("/needs")
    open_row(page)
    decide(page, "提前截止")
    assert "开启" in said(page)
    follow(page, "比较报价")
    town.look_over(page)
    heads = [head.strip() for head in page.locator("table.compare thead th").all_inner_texts()]
    assert heads[0].startswith(town.bank.name) and "综合成本最低" in heads[0] and heads[1].startswith(town.rival.name)
    rates = [_percent(text) for text in page.locator("table.compare .big").all_inner_texts()]
    assert rates[0] < rates[1]
    nominal = page.locator("table.compare tr", has_text="名义年利率").locator("td").all_inner_texts()
    assert _percent(nominal[0]) > _percent(nominal[1]), "the nominal rate alone would mislead"

    stale = page.context.new_page()
    stale.goto(page.url)
    follow(page, "打印明白纸", within=page.locator("table.compare"))
    town.look_over(page)
    page.go_back()
    decide(page, "选定这家", within=page.locator("table.compare td.best"))
    assert f"已选定 {town.bank.name}" in words(page)
    assert page.get_by_text("选定这家", exact=True).count() == 0
    decide(stale, "选定这家", within=stale.locator("table.compare td:not(.best)"))
    assert "已经选定一家银行" in said(stale) or "状态已经变化" in said(stale)
    stale.close()
    with transaction(SYSTEM, read_only=True):
        choice = session().scalars(select(Choice)).one()
    market_cast.let_stand(choice)
    outbox.drain()


def _percent(text: str) -> float:
    return float(re.search(r"([\d.]+)%", text).group(1))  # type: ignore[union-attr]
