"""Two bridges that do not go the plain way, in a browser: one over a public holiday, one whose bank does not renew."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

import pytest
from playwright.sync_api import Page

from app.bridge import trouble_service
from app.bridge.money_service import mark_due
from app.core.calendar import SHANGHAI
from app.core.database import session, transaction
from app.core.permissions import Role
from tests import bridge_cast as road
from tests import cast
from tests.bridge_cast import People
from tests.cast import Cast
from tests.e2e.conftest import Clock
from tests.e2e.visitors import PHONE, WIDE, Visitors, decide, facts, follow, press, said, table, words, write

pytestmark = pytest.mark.e2e

LAST_DAY_BEFORE = datetime(2026, 9, 30, 10, tzinfo=SHANGHAI)
"""A Wednesday; 1 to 7 October are National Day, banks open on the 8th."""
HOLIDAYS = 8
MONDAY = datetime(2026, 11, 23, 10, tzinfo=SHANGHAI)
CLERK, OFFICER, BOSS = Role.CENTRE_CLERK, Role.BANK_OFFICER, Role.FIRM_REPRESENTATIVE


def bridge(visitors: Visitors, who: Cast, role: Role, key: UUID, step: str = "") -> Page:
    """The page of the bridge as one person sees it, or the step that is due there."""
    page = visitors.as_(who, role, f"/bridges/{key}")
    if step:
        follow(page, step)
    return page


def test_a_bridge_over_national_day_says_so_before_it_is_signed_and_comes_back_on_the_first_working_day(
    visitors: Visitors, clock: Clock,
) -> None:
    clock.at(LAST_DAY_BEFORE)
    who = road.people()
    key = road.walk(who, "APPROVED", old_due_on=date(2026, 9, 30), urgent=True)
    the_board_fits_a_phone(visitors, who)

    page = bridge(visitors, who.firm, BOSS, key, "看费用并签约")
    shown = words(page)
    assert "预计归还日 10-05 银行不营业，款项要到 10-08 才能到账：这几天照常计费，从 10-09 起才算逾期" in shown
    assert facts(page)["预计费用"].startswith("9,900"), "3,000,000 元 × 0.066 % × 5 days, if it came back on the 5th"
    visitors.look_over(page)
    road.accounts(who, key)
    write(page, agreement_no="XY-2026-1001", read=True)
    press(page, "确认签约")

    page = bridge(visitors, who.centre, CLERK, key, "登记放款")
    write(page, own_money_seen="0", voucher_out="CK-1", voucher_on="CK-2")
    press(page, "登记放款")
    page = bridge(visitors, who.old_bank, OFFICER, key, "确认旧贷结清")
    write(page, repaid_on="2026-09-30", reference="JQ-1")
    press(page, "确认结清")

    clock.forward(6)  # the 6th: past the planned return, and nobody can pay
    assert mark_due(cast.SYSTEM) == 0
    page = visitors.as_(who.centre, CLERK, "/bridges/desk")
    assert "逾期" not in table_words(page)
    clock.forward(HOLIDAYS - 6)
    page = bridge(visitors, who.new_bank, OFFICER, key, "登记新贷放款")
    write(page, note_no="JJ-NEW", contract_no="HT-NEW", amount="400", drawn_on="2026-10-08")
    press(page, "登记放款")
    page = bridge(visitors, who.centre, CLERK, key, "登记归还")
    write(page, amount="3,000,000", on_day="2026-10-08", voucher_in="GH-1", voucher_out="GH-2")
    press(page, "登记归还")
    follow(page, "结清")
    assert "15,840" in words(page), "3,000,000 元 × 0.066 % × 8 calendar days, 30 September to 7 October"
    write(page, fee_voucher_no="FY-1")
    press(page, "登记费用并结清")
    assert "转贷已结清" in said(page)
    assert road.receivable(key) == 0 and road.available(who.fund_id) == 2000 * 1_000_000
    page = bridge(visitors, who.firm, BOSS, key)
    assert facts(page)["归还"].startswith("10-08") and facts(page)["费用"].startswith("15,840")


def the_board_fits_a_phone(visitors: Visitors, who: People) -> None:
    """On 390 pixels: no sideways scrolling, and who holds what of which fund, from when to when, can be read."""
    page = visitors.as_(who.centre, CLERK, "/funds/board")
    visitors.look_over(page)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.locator(".board-list").is_visible() and not page.locator(".board-wide").is_visible()
    assert "1,700" in page.locator(".board-list").inner_text(), "2,000 万元 less the seat"
    row = page.locator("table.data tbody tr", has_text=who.firm.name)
    seen = row.inner_text()
    assert row.is_visible() and all(part in seen for part in ("转贷一号", "300", "09-30", "10-05", "暂时占用")), seen
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]


def table_words(page: Page) -> str:
    """What a page's lists say."""
    return "\n".join(page.locator("main .chip").all_inner_texts())


def test_a_bank_that_refuses_after_the_payout_says_why_and_the_claim_stands_in_the_open(visitors: Visitors, clock: Clock) -> None:
    clock.at(MONDAY)
    who, bureau = road.people(), cast.bureau()
    key = road.walk(who, "OLD_REPAID")

    page = bridge(visitors, who.funder, Role.FUNDER_CLERK, key, "报告异常")
    write(page, kind="RENEWAL_REFUSED", note="客户经理电话告知额度已收回")
    visitors.look_over(page)
    press(page, "报告")
    page = visitors.as_(who.new_bank, OFFICER, "/")
    entry = page.locator(".waits a", has_text="放款后未续贷")
    assert "明天" in entry.inner_text() or "11-24" in entry.inner_text(), "one working day to say why"
    with page.expect_navigation(wait_until="load"):
        entry.click()
    trouble = page.url
    assert facts(page)["处理期限"].startswith("11-24")
    visitors.look_over(page)
    decide(page, "写明不续贷的理由", "抵押房产被法院查封")

    page = visitors.as_(bureau, Role.BUREAU_LEADER, trouble)
    seen = facts(page)
    assert seen["答复"] == "抵押房产被法院查封" and seen["债权人"] == who.funder.name and seen["债务人"] == who.firm.name
    assert seen["尚欠"].startswith("300")
    visitors.look_over(page)
    page = visitors.as_(bureau, Role.BUREAU_LEADER, "/bridges/promises")
    bank = next(row for row in table(page, "各银行") if row[0].startswith(who.new_bank.name))
    assert bank[1:] == ["0 / 1", "1", "0"], "its one letter is broken, without an excuse"
    visitors.look_over(page)

    page = bridge(visitors, who.firm, BOSS, key)
    told = words(page)
    assert f"未清偿债权：{who.funder.name}对{who.firm.name}尚有 300 万元" in told
    assert "资金方对企业的未清偿债权成立" in told and "抵押房产被法院查封" in told
    assert trouble_service.find_troubles(cast.SYSTEM) == 0, "the bank's part is done in time; nobody is warned"
    page = bridge(visitors, who.centre, CLERK, key, "登记归还")
    write(page, amount="3,000,000", on_day="2026-11-23", voucher_in="GH-1", voucher_out="GH-2")
    press(page, "登记归还")
    page = bridge(visitors, who.firm, BOSS, key)
    assert "未清偿债权：" not in words(page) and "该笔债权已清偿" in words(page)
    with transaction(cast.SYSTEM, read_only=True):
        assert session().get_one(road.Bridge, key).outstanding_fen == 0
    visitors.look_over(page)
