"""From a need to the choice with the keyboard alone: Tab, Enter, Space and arrows; where one is can always be seen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from app.core import outbox
from app.core.database import session, transaction
from app.core.permissions import Role
from app.market import service
from app.market.models import Need
from tests import cast, market_cast
from tests.cast import PASSWORD, SYSTEM
from tests.conftest import LiveServer
from tests.e2e.visitors import Visitors, said, words

pytestmark = pytest.mark.e2e

BOSS, OFFICER, APPROVER = Role.FIRM_REPRESENTATIVE, Role.BANK_OFFICER, Role.BANK_APPROVER
SEEN = """async selector => {
  const look = () => {
    const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
    const middle = [Math.max(0, box.left) + Math.min(box.width, 16) / 2, Math.max(0, box.top) + Math.min(box.height, 16) / 2];
    const top = document.elementFromPoint(...middle);
    const label = at.labels && [...at.labels].some((one) => one.contains(top));
    const here = at !== document.body, hidden = box.bottom <= 0 || box.top >= innerHeight || !box.width;
    const covered = top && !at.contains(top) && !top.contains(at) && !label;
    const ringless = style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2;
    const bare = ringless && at.type !== 'date';  // the browser draws the ring of the calendar inside a day's field itself
    return [here && at.matches(selector), here && (hidden || covered || bare) ? at.outerHTML.slice(0, 120) : ''];
  };
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  for (let wait = 0; wait < 20 && look()[1]; wait += 1) await frame();  // the page scrolls to the focus with a later frame
  return look();
}"""
"""Whether the focus is where it is wanted, and the element that has it without anybody seeing that."""


def tab_to(page: Page, selector: str) -> None:
    """Goes on with the Tab key until the element has the focus; on the way it is never out of sight."""
    for _ in range(120):
        there, unseen = page.evaluate(SEEN, selector)
        assert not unseen, f"{page.url}: nobody sees that the focus is on {unseen}"
        if there:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{page.url}: the Tab key never reaches {selector}")


def typed(page: Page, selector: str, text: str) -> None:
    """Types over what stands in a field."""
    tab_to(page, selector)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def enter(page: Page, selector: str = "", key: str = "Enter") -> None:
    """Presses a key that leads to another page, where it is wanted."""
    if selector:
        tab_to(page, selector)
    with page.expect_navigation(wait_until="load"):
        page.keyboard.press(key)


def confirmed(page: Page, summary: str) -> None:
    """Opens a button that asks first, and confirms."""
    tab_to(page, f"{summary} > summary")
    page.keyboard.press("Enter")
    enter(page, f"{summary} button[type=submit]")


def the_firm_signs_in_and_files_a_need(page: Page, login: str) -> None:
    page.goto("/sign-in")
    typed(page, "[name=login]", login)
    typed(page, "[name=password]", PASSWORD)
    enter(page)
    tab_to(page, ".menu-group > summary")
    page.keyboard.press("Space")
    enter(page, "nav a[href='/needs']")
    enter(page, "form[action='/needs/new'] button")
    enter(page, ".form-actions button")
    assert page.evaluate("document.activeElement.id") == "form-errors", "what is wrong is read first"
    tab_to(page, ".error-summary a")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.name") == "amount", "each sentence leads to its field"
    page.keyboard.type("120")
    tab_to(page, "[name=purpose_kind]")
    page.keyboard.press("Space")
    typed(page, "[name=purpose_text]", "采购原料")
    enter(page, ".form-actions button")
    typed(page, "[name=term_months]", "6")
    tab_to(page, "[name=product_kind]")
    page.keyboard.press("ArrowDown")
    tab_to(page, "[name=repayment]")
    page.keyboard.press("Space")
    enter(page, ".form-actions button")
    tab_to(page, "[name=distribution]")
    page.keyboard.press("Space")
    enter(page, ".form-actions button")
    enter(page, ".form-actions a.btn-primary")
    enter(page, ".form-actions button")
    assert "核对中" in words(page) and "120" in words(page)


def the_officer_bids(page: Page) -> str:
    """Looks the price up first; the answer is where the focus is. Returns the bid's address."""
    enter(page, "table.data tbody th a")
    enter(page, "main a[href$='/bid']")
    enter(page, "[name=propose]")
    assert page.evaluate("document.activeElement.id") == "form-errors"
    typed(page, "[name=annual_rate]", "3.85")
    tab_to(page, "[name=ties_answer]")
    page.keyboard.press("Space")
    enter(page, "[name=compute]")
    assert page.evaluate("document.activeElement.id") == "cost", "the price that was asked for is read next"
    enter(page, "[name=propose]")
    assert "待审批" in words(page)
    return page.url


def test_a_need_goes_to_its_choice_with_the_keyboard_alone(visitors: Visitors, live_server: LiveServer) -> None:
    firm, bank = cast.firm(), cast.bank()
    market_cast.product(bank)
    page = visitors.stranger()
    the_firm_signs_in_and_files_a_need(page, firm.logins[BOSS])
    with transaction(SYSTEM, read_only=True):
        need = session().query(Need).one()
    market_cast.release(need)
    outbox.drain()
    address = the_officer_bids(visitors.as_(bank, OFFICER, "/queue"))
    approver = visitors.as_(bank, APPROVER, address)
    confirmed(approver, "details.ask:has(form[action$='/submit'])")
    assert "密封提交" in said(approver)
    service.close_need(firm[BOSS], need.id)
    page.goto(f"/needs/{need.id}")
    enter(page, f"main a[href='/needs/{need.id}/offers']")
    confirmed(page, "table.compare details.ask")
    assert f"已选定 {bank.name}" in words(page)
