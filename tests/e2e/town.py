"""The people of the walk, and the one firm whose story it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import Page

from app.core.permissions import Role
from app.core.uscc import synthetic
from tests import cast
from tests.cast import Cast
from tests.e2e.visitors import Visitors

FIRM_NAME = "广州临江精细化工有限公司"
USCC = synthetic("440112", 8_000_104)
LOGIN = "linjiang.chem"


@dataclass
class Town:
    """Everybody who takes a step on the road. ``bank`` and ``rival`` bid, ``outsider`` has no consent."""

    visitors: Visitors
    platform: Cast = field(default_factory=cast.platform)
    provider: Cast = field(default_factory=cast.provider)
    bureau: Cast = field(default_factory=cast.bureau)
    centre: Cast = field(default_factory=cast.centre)
    funder: Cast = field(default_factory=cast.funder)
    bank: Cast = field(default_factory=cast.bank)
    rival: Cast = field(default_factory=lambda: cast.bank("云山银行"))
    outsider: Cast = field(default_factory=lambda: cast.bank("白鹅潭银行"))
    case: str = ""
    """Number of the firm's case, once there is one."""

    def as_firm(self, path: str = "/") -> Page:
        """The firm's representative at an address."""
        return self.visitors.person(LOGIN, path)

    def as_(self, who: Cast, role: Role, path: str = "/") -> Page:
        """A member of staff at an address."""
        return self.visitors.as_(who, role, path)

    def officer(self, path: str = "/") -> Page:
        """The officer of the bank that is chosen."""
        return self.as_(self.bank, Role.BANK_OFFICER, path)

    def approver(self, path: str = "/") -> Page:
        """The approver of the bank that is chosen."""
        return self.as_(self.bank, Role.BANK_APPROVER, path)

    def look_over(self, page: Page) -> None:
        """Accessible, and no wider than a phone."""
        self.visitors.look_over(page)

    def wait(self, page: Page, text: str) -> Page:
        """Takes up what waits on the home of whoever looks, by its words."""
        if page.url != f"{self.visitors.url}/":
            page.goto("/")
        entry = page.locator(".waits a", has_text=text).first
        with page.expect_navigation(wait_until="load"):
            entry.click()
        return page
