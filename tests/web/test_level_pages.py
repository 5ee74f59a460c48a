"""The numbers of the market on a page everybody reads: proposed by the platform, confirmed by the bureau."""

from __future__ import annotations

import re

from flask.testing import FlaskClient

from app.core.permissions import Role
from tests import cast
from tests.market_cast import sign_in
from tests.web.test_market_firm_pages import text_of


def typed(page: str) -> dict[str, str]:
    """What the form holds as it comes."""
    found = re.findall(r'<input[^>]* name="([^"]+)"[^>]*value="([^"]*)"', page)
    return {name: value for name, value in found if re.match("levels|audience|need|offer|standing|matching|transfer|hours", name)}


def test_a_change_is_proposed_read_by_everybody_and_confirmed(client: FlaskClient) -> None:
    platform, bureau, firm = cast.platform(), cast.bureau(), cast.firm()
    sign_in(client, firm, Role.FIRM_CLERK)
    page = client.get("/levels")
    assert "10 个工作日" in text_of(page.text) and "9:00-12:00 13:30-18:00" in page.text and "填写新的参数" not in page.text
    assert client.post("/levels", data={"reason": "x"}).status_code == 200  # read, nothing else

    sign_in(client, platform, Role.SYSTEM_ADMIN)
    values = typed(client.get("/levels").text)
    assert values["levels_choice_limit_wd"] == "10" and values["offer_max_annual_rate"] == "24"
    wrong = client.post("/levels", data={**values, "levels_choice_limit_wd": "两周", "hours": "9:00", "day": "2026-09-24",
                                         "reason": "x", "idempotency_token": "p0"})
    assert "请按这样的样子填写：10" in wrong.text and "请按这样的样子填写：9:00-12:00 13:30-18:00" in wrong.text
    assert "请同时填写日期和这一天上班还是休息。" in wrong.text
    high = client.post("/levels", data={**values, "levels_choice_target_wd": "20", "reason": "x", "idempotency_token": "p1"})
    assert "这里的数值不能用" in high.text
    data = {**values, "levels_choice_limit_wd": "12", "day": "2026-09-24", "day_worked": "false", "reason": "台风",
            "idempotency_token": "p2"}  # fmt: skip
    done = client.post("/levels", data=data, follow_redirects=True)
    assert "已提出，请由金融局负责人决定。" in done.text and "2026-09-24" in done.text
    assert "同意并生效" not in done.text and "撤回" in done.text
    path = re.search(r"/levels/[0-9a-f-]{36}", done.text)
    assert path is not None

    sign_in(client, bureau, Role.BUREAU_LEADER)
    assert "决定市场参数的调整" in client.get("/").text
    said = {"event": "confirm", "reason": "同意", "idempotency_token": "c1"}
    assert "已同意。" in client.post(path[0], data=said, follow_redirects=True).text
    page = client.get("/levels?lang=en")
    assert "12 个工作日" in text_of(page.text) and "休息" in text_of(page.text)
