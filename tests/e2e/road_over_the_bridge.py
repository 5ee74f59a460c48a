"""Step 9: the loan falls due, a funder's money bridges the gap to the renewed one and comes back."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import Page

from app.core import outbox
from app.core.calendar import today
from app.core.permissions import Role
from tests.bridge_cast import agreement
from tests.e2e.conftest import Clock
from tests.e2e.town import FIRM_NAME, Town
from tests.e2e.visitors import decide, facts, follow, open_row, press, said, words, write

FUND = "穗通转贷一号"
DAYS_ON_THE_BRIDGE = 3
LIST = "/bridges"
CLERK, REVIEWER = Role.CENTRE_CLERK, Role.CENTRE_REVIEWER


def a_fund_is_set_up(town: Town) -> None:
    """The centre agrees with a funder, and its reviewer registers the money."""
    agreement(town.centre, town.funder)
    page = town.as_(town.centre, REVIEWER, "/funds/new")
    write(page, funder=str(town.funder.id), name=FUND, kind="SAME_BANK", fee_method="DAILY")
    town.look_over(page)
    press(page, "登记")
    write(page, amount="2,000", voucher_no="CZ-0001")
    press(page, "登记出资")
    assert facts(page)["可用"].startswith("2,000")
    town.look_over(page)
    page = town.as_(town.funder, Role.FUNDER_CLERK, "/funds")
    assert FUND in words(page)
    town.look_over(page)


def the_firm_books_a_bridge(town: Town) -> None:
    """It asked for renewal without repayment first, as the rule wants, and was refused."""
    page = town.as_firm("/bridges")
    town.look_over(page)
    with page.expect_navigation(wait_until="load"):
        page.locator(".waits a", has_text=f"{town.case}/1").click()
    write(page, note="下月有回款，希望续贷一年")
    town.look_over(page)
    press(page, "向银行申请")
    asked = page.url
    bank = town.as_(town.bank, Role.BANK_OFFICER, asked)
    write(bank, granted="no", reason="MUST_REPAY")
    town.look_over(bank)
    press(bank, "发出答复")
    page = town.as_firm(asked)
    town.look_over(page)
    follow(page, "申请转贷，资料已带入")
    write(page, own_money="15", requested="285", new_bank=str(town.bank.id), planned_days="5", consent=True)
    town.look_over(page)
    press(page, "提交申请")
    assert "转贷申请已提交" in said(page) and town.case in words(page)
    town.look_over(page)


def money_is_promised_offered_and_reserved(town: Town) -> None:
    """Precheck, the bank's promise, the funder's offer, the firm's pick, the reviewer's approval."""
    page = _turn(town.as_(town.centre, CLERK, LIST), "预审")
    boxes = page.locator("[name=ticks]")
    for number in range(boxes.count()):
        boxes.nth(number).check()
    town.look_over(page)
    press(page, "预审通过")
    assert "预审通过" in said(page)

    page = _turn(town.approver(LIST), "出具续贷承诺")
    write(page, promised="300", rate_low="3.85", term_months="12", method="INTEREST_ONLY",
          latest_drawdown_on=(today() + timedelta(days=40)).isoformat(), valid_until=(today() + timedelta(days=40)).isoformat(),
          receiving_account="4400888899990000", branch="天河支行")
    town.look_over(page)
    press(page, "签发承诺")
    assert "续贷承诺已出具" in said(page)

    page = _turn(town.as_(town.funder, Role.FUNDER_CLERK, LIST), "报价")
    write(page, amount="285", valid_until=(today() + timedelta(days=7)).isoformat())
    town.look_over(page)
    press(page, "提交报价")
    assert "报价已提交" in said(page)

    page = _turn(town.as_firm(LIST))
    town.look_over(page)
    press(page, "选定这家")
    assert "已选定资金方" in said(page)

    numbers = {"funder": "4400111122223333", "custody": "4400555566667777", "repayment": "4400888899990000"}
    page = _turn(town.as_(town.centre, CLERK, LIST), "录入账户")
    write(page, **{f"{kind}_{part}": text for kind, number in numbers.items()
                   for part, text in (("holder", "示例户名"), ("bank", "示例支行"), ("number", number))})
    town.look_over(page)
    press(page, "录入，请另一人核对")
    page = _turn(town.as_(town.centre, REVIEWER, LIST), "核对账户")
    write(page, **{f"{kind}_number": number for kind, number in numbers.items()})
    town.look_over(page)
    press(page, "核对无误")
    page = _turn(town.as_(town.centre, REVIEWER, LIST))
    decide(page, "批准并预留资金")
    assert "资金已预留" in said(page)
    page = town.as_(town.funder, Role.FUNDER_CLERK, "/funds")
    follow(page, FUND)
    assert facts(page)["已预留"].startswith("285") and facts(page)["可用"].startswith("1,715")


def the_money_goes_out_and_the_old_loan_ends(town: Town) -> None:
    """The firm reads the fee and signs; the centre pays; the old bank confirms; the renewal is approved."""
    page = _turn(town.as_firm(LIST), "看费用并签约")
    town.look_over(page)
    assert facts(page)["预计费用"].startswith("9,405"), "2,850,000 元 × 0.066 % × 5 days"
    write(page, agreement_no="XY-2027-0001", read=True)
    press(page, "确认签约")

    page = _turn(town.as_(town.centre, CLERK, LIST), "登记放款")
    write(page, own_money_seen="150000", voucher_out="CK-0001", voucher_on="CK-0002")
    town.look_over(page)
    press(page, "登记放款")
    assert "放款已登记" in said(page)

    page = _turn(town.officer(LIST), "确认旧贷结清")
    write(page, repaid_on=today().isoformat(), reference="JQ-0001")
    town.look_over(page)
    press(page, "确认结清")
    assert "旧贷款已确认结清" in said(page)
    page = town.wait(town.approver(), "审批贷款")
    assert f"{town.case}/2" in words(page), "the renewed loan is the second of the same case"
    decide(page, "批准")
    outbox.drain()


def the_new_loan_pays_it_back(town: Town, clock: Clock) -> None:
    """Three days later the renewed loan is drawn, the bridge comes back with its fee, and nothing is out."""
    clock.forward(DAYS_ON_THE_BRIDGE)
    page = _turn(town.officer(LIST), "登记新贷放款")
    write(page, note_no="JJ-2027-0205", contract_no="HT-2027-0205", amount="300", drawn_on=today().isoformat())
    town.look_over(page)
    press(page, "登记放款")
    assert "新贷款放款已登记" in said(page)

    page = _turn(town.as_(town.centre, CLERK, LIST), "登记归还")
    write(page, amount="2,850,000", on_day=today().isoformat(), voucher_in="GH-0001", voucher_out="GH-0002")
    town.look_over(page)
    press(page, "登记归还")
    follow(page, "结清")
    assert "5,643" in words(page), "2,850,000 元 × 0.066 % × 3 days"
    town.look_over(page)
    write(page, fee_voucher_no="FY-0001")
    press(page, "登记费用并结清")
    assert "转贷已结清" in said(page)
    town.look_over(page)
    page = town.as_(town.funder, Role.FUNDER_CLERK, "/funds")
    follow(page, FUND)
    shown = facts(page)
    assert shown["可用"].startswith("2,000") and shown["累计收到费用"].startswith("5,643")
    outbox.drain()


def _turn(page: Page, step: str = "") -> Page:
    """Opens the firm's bridge from the list, and the step that is due."""
    open_row(page, FIRM_NAME)
    if step:
        follow(page, step)
    return page
