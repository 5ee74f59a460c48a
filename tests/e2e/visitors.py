"""The browsers of a test: one profile a person, kept open, and everything that goes wrong on any page is written down."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Response

from app.core.permissions import Role
from app.identity.visitors import context_for
from tests.cast import PASSWORD, Cast
from tests.e2e import axe
from tests.web.visitors import session_token

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
ID_IN_ADDRESS = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}")
STATUS_LINE = "Failed to load resource"
"""Chromium writes this for every refused address. Pages may be refused on purpose; what a page loads may not."""


@dataclass
class Visitors:
    """Everybody who visits the portal in one test."""

    browser: Browser
    url: str
    app: Flask
    troubles: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    _pages: dict[str, Page] = field(default_factory=dict)
    _passwords: dict[str, str] = field(default_factory=dict)
    _staff_knows_the_door: bool = False
    _looked_at: set[tuple[str, str, bool]] = field(default_factory=set)

    def stranger(self, **options: Any) -> Page:
        """A fresh profile with nobody signed in."""
        wanted = {"base_url": self.url, "locale": "zh-CN", "timezone_id": "Asia/Shanghai", "viewport": WIDE, **self.options}
        page = self.browser.new_context(**{**wanted, **options}).new_page()
        page.set_default_timeout(15_000)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.troubles.append(f"{page.url}: script error: {error}"))
        page.on("response", lambda response: self._answered(page, response))
        return page

    def as_(self, who: Cast, role: Role, path: str = "/") -> Page:
        """The page of a person of an organisation, signed in, at an address. The first of a test walks through the door."""
        opened, self._staff_knows_the_door = self._staff_knows_the_door, True
        return self.person(who.logins[role], path, opened=opened)

    def person(self, login: str, path: str = "/", *, opened: bool = False) -> Page:
        """The page of a person by login name, let in anew where the last session rested too long.

        Password and code are typed once by everybody, or not at all where the door was ``opened`` before.
        """
        known = login in self._pages
        page = self._pages.get(login) or self._pages.setdefault(login, self.stranger())
        if opened and not known:
            self._let_in(page, login)
        page.goto(path)
        if "/sign-in" in page.url and (opened or known):
            self._let_in(page, login)
            page.goto(path)
        elif "/sign-in" in page.url:
            sign_in(page, login)
        if page.url.endswith("/account/password"):
            self._renew_password(page, login)
            page.goto(path)
        return page

    def look_over(self, page: Page) -> None:
        """Writes down where a page breaks WCAG A or AA as far as axe can tell, or does not fit a phone.

        axe looks at each kind of page once a test: the same template with other rows tells it nothing new, at a second a look.
        """
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        if too_wide > 0:
            self.troubles.append(f"{page.url}: {too_wide} px too wide for a phone")
        kind = (ID_IN_ADDRESS.sub("/…", urlsplit(page.url).path), page.title(), page.locator(".error-summary").count() > 0)
        if kind in self._looked_at:
            return
        self._looked_at.add(kind)
        self.troubles += axe.troubles(page)

    def close(self) -> None:
        """Ends every profile."""
        for context in self.browser.contexts:
            context.close()

    def _let_in(self, page: Page, login: str) -> None:
        """A session as the door gives it, without typing at the door."""
        serializer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]
        cookie = serializer.dumps({"_user_id": session_token(context_for(login)), "_fresh": True})
        page.context.add_cookies([{"name": self.app.config["SESSION_COOKIE_NAME"], "value": cookie, "url": self.url}])

    def _renew_password(self, page: Page, login: str) -> None:
        """The portal asks for a new password every ninety days."""
        old = self._passwords.get(login, PASSWORD)
        self._passwords[login] = f"{PASSWORD}-{len(old)}"
        write(page, current=old, password=self._passwords[login], repeat=self._passwords[login])
        press(page, "更换口令")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(STATUS_LINE):
            self.troubles.append(f"{message.location.get('url')}: console: {message.text}")

    def _answered(self, page: Page, response: Response) -> None:
        answers = response.request.is_navigation_request() or response.status == 413  # a file is sent by a script
        if response.status >= 500 or (response.status >= 400 and not answers):
            self.troubles.append(f"{page.url}: {response.request.method} {response.url} answered {response.status}")


def sign_in(page: Page, login: str, password: str = PASSWORD) -> None:
    """Signs in at the door; staff go past the code as a demo allows."""
    if "/sign-in" not in page.url:
        page.goto("/sign-in")
    write(page, login=login, password=password)
    press(page, "登录")
    if "/sign-in/code" in page.url:
        press(page, "演示模式：跳过")


def write(scope: Page | Locator, **values: str | bool | list[str]) -> None:
    """Fills fields by their name: text, a choice, one of several, or a tick. What stands there already is left alone."""
    for name, value in values.items():
        found = scope.locator(f"[name={name}]:not([type=hidden])")
        kind, stands = found.first.evaluate("field => [field.type || field.tagName, field.value]")
        if kind in ("radio", "checkbox") and not isinstance(value, bool):
            wanted = [value] if isinstance(value, str) else value
            marks = found.evaluate_all("fields => fields.map(field => [field.value, field.checked])")
            for number, (mark, ticked) in enumerate(marks):
                if ticked is not (mark in wanted) and (kind == "checkbox" or mark in wanted):
                    found.nth(number).set_checked(mark in wanted)
        elif isinstance(value, bool):
            found.set_checked(value)
        elif kind.startswith("select"):
            if kind != "select-one" or stands != value:
                found.select_option(value)
        elif stands != value:
            assert isinstance(value, str)
            found.fill(value)


def press(page: Page, text: str, *, within: Locator | None = None) -> None:
    """Presses a button that sends a form, and waits for the page that answers."""
    button = (within or page).get_by_role("button", name=text, exact=True).locator("visible=true")
    with page.expect_navigation(wait_until="load"):
        button.click()


def follow(page: Page, text: str, *, within: Locator | None = None) -> None:
    """Follows a link, and waits for its page."""
    link = (within or page).get_by_role("link", name=text, exact=True).locator("visible=true").first
    with page.expect_navigation(wait_until="load"):
        link.click()


def choose(page: Page, group: str, text: str) -> None:
    """Opens a group of the menu and follows one of its pages."""
    page.locator(".menu-group > summary").get_by_text(group, exact=True).click()
    follow(page, text, within=page.locator(".menu-group[open]"))


def open_row(page: Page, text: str = "") -> None:
    """Opens the first row of a list, or the first that holds a text."""
    row = page.locator("table.data tbody tr", has_text=text).first
    with page.expect_navigation(wait_until="load"):
        row.locator("th a").first.click()


def decide(page: Page, text: str, reason: str = "", *, within: Locator | None = None, **values: str | bool | list[str]) -> None:
    """Opens a button that asks first, gives reason and values where it wants them, and confirms."""
    summary = (within or page).locator("details.ask > summary", has_text=re.compile(rf"^\s*{re.escape(text)}\s*$"))
    box = summary.locator("visible=true").first.locator("xpath=..")
    box.locator("summary").click()
    if reason:
        write(box, reason=reason)
    write(box, **values)
    with page.expect_navigation(wait_until="load"):
        box.locator("button[type=submit]").click()


def said(page: Page) -> str:
    """What the page answers: its messages and the errors of its form."""
    return "\n".join(page.locator("main > .notice[role], .error-summary, .field-error").all_inner_texts())


def words(page: Page) -> str:
    """Everything that can be read on the page."""
    return page.locator("main").inner_text()


def facts(page: Page | Locator) -> dict[str, str]:
    """Labels and values of the fact lists of a page."""
    pairs: list[list[str]] = page.locator("dl.facts > div").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => cell.textContent.replace(/\\s+/g, ' ').trim()))"
    )
    return {pair[0]: pair[1] for pair in pairs}


def table(page: Page, caption: str) -> list[list[str]]:
    """The rows of a table, by its caption; its foot is the last of them."""
    found: list[list[str]] = page.locator("table", has=page.locator("caption", has_text=caption)).first.evaluate(
        "table => [...table.tBodies[0].rows, ...(table.tFoot ? table.tFoot.rows : [])]"
        ".map(row => [...row.cells].map(cell => cell.textContent.replace(/\\s+/g, ' ').trim()))"
    )
    return found
