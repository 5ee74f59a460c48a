"""A contested need: one bank bids fairly, one tries to peek, one comes too late, one asks a fee that the law forbids."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Page, expect
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core import outbox
from app.core.calendar import now
from app.core.database import session, transaction
from app.core.money import WAN, YUAN
from app.core.permissions import Role
from app.market import bid_service, service
from app.market.commands import market as command
from app.market.models import Bid, Need
from app.market.terms import Fee, FeeKind, Payee, RepaymentMethod
from tests import cast, market_cast
from tests.cast import Cast
from tests.conftest import TestDatabase
from tests.e2e.visitors import Visitors, decide, follow, press, said, table, words, write
from tests.service.test_market_races import owner_sql

pytestmark = pytest.mark.e2e

BOSS, OFFICER, APPROVER = Role.FIRM_REPRESENTATIVE, Role.BANK_OFFICER, Role.BANK_APPROVER
SECRETS = ("3.85", "3.92", "118,", "117,500")
"""What the fair bid says: rate, all-in rate, what it costs."""


@dataclass
class Contest:
    """A firm's open need of 300 万元 over twelve months and the four banks that look at it."""

    visitors: Visitors
    database: TestDatabase
    firm: Cast
    need: Need
    fair: Cast
    peeking: Cast
    late: Cast
    greedy: Cast


def contest(visitors: Visitors, database: TestDatabase) -> Contest:
    firm = cast.firm()
    banks = [cast.bank(name) for name in ("珠岸银行", "云山银行", "白鹅潭银行", "流花银行")]
    for bank in banks:
        market_cast.product(bank)
    return Contest(visitors, database, firm, market_cast.open_need(firm), *banks)


def fill_in(page: Page, rate: str) -> None:
    """An offer of interest alone until the end, with the appraiser's 2,000 元 at the start."""
    write(page, annual_rate=rate, method="INTEREST_ONLY", ties_answer="none")
    write(page, **{"fees-0-kind": "APPRAISAL", "fees-0-amount": "2000", "fees-0-payee": "APPRAISER", "fees-0-at": "START"})


# --- before the hour ---------------------------------------------------------------------------------------------------


def the_fair_bank_hands_in(town: Contest) -> str:
    """The officer sees the true price before the firm does; another person seals it. Returns the bid's address."""
    page = town.visitors.as_(town.fair, OFFICER, f"/queue/{town.need.id}/bid")
    fill_in(page, "3.85")
    press(page, "计算综合成本")
    assert page.locator("#cost .big").inner_text() == "3.92%" and "117,500" in page.locator("#cost").inner_text()
    press(page, "提请审批")
    address = page.url.removeprefix(town.visitors.url)
    page = town.visitors.as_(town.fair, APPROVER, address)
    decide(page, "密封提交")
    assert "密封提交" in said(page)
    follow(page, "提交回执")
    assert "报价还没有开启" in words(page)
    town.visitors.look_over(page)
    return address


def the_greedy_bank_cannot_ask_what_is_forbidden(town: Contest) -> None:
    """A commitment fee is not offered; slipped into the form it is refused at its field; the database refuses it too."""
    page = town.visitors.as_(town.greedy, OFFICER, f"/queue/{town.need.id}/bid")
    fill_in(page, "3.20")
    kinds = page.locator("[name=fees-0-kind]")
    assert "承诺费" not in kinds.inner_text()
    kinds.evaluate("field => { field.add(new Option('承诺费', 'COMMITMENT')); field.value = 'COMMITMENT'; }")
    press(page, "提请审批")
    assert "承诺费" in said(page) and page.url.endswith("/bid"), "nothing was saved, the page stays"
    assert page.locator("[name=annual_rate]").input_value().startswith("3.2"), "what was typed is still there"
    town.visitors.look_over(page)
    bid = market_cast.draft_bid(town.greedy, town.need, market_cast.offer(percent="3.20"))
    with pytest.raises(DBAPIError, match="small firms are never charged"), transaction(town.greedy[OFFICER]):
        session().execute(text("update bid_fee set kind = 'COMMITMENT' where bid_id = :bid"), {"bid": bid.id})


def the_peeking_bank_finds_nothing(town: Contest, foreign: str) -> Bid:
    """With a bid of its own it tries every address, its lists in every order, and the workbook. Returns its bid."""
    own = market_cast.sealed_bid(town.peeking, town.need, market_cast.offer(percent="3.60", fees=(
        Fee(FeeKind.GUARANTEE, 18_000 * YUAN, Payee.GUARANTOR),)))  # fmt: skip
    with transaction(cast.SYSTEM, read_only=True):
        number = session().execute(text("select number from case_file where id = :id"), {"id": town.need.case_id}).scalar_one()
    page = town.visitors.as_(town.peeking, OFFICER)
    addresses = [
        foreign, f"{foreign}/edit", f"{foreign}/receipt", f"{foreign}/receipt?format=json", f"{foreign}/sheet",
        f"/offers/{foreign.rsplit('/', 1)[1]}/sheet", f"/needs/{town.need.id}/offers", f"/needs/{town.need.id}/compare",
        f"/needs/{town.need.id}", f"/cases/{number}", f"/queue/{town.need.id}", "/queue?sort=closes_at&dir=asc", "/notices",
        *(f"/bids?f=1&sort={key}&dir={turn}" for key in ("all_in_rate", "annual_rate") for turn in ("asc", "desc")),
    ]  # fmt: skip
    for address in addresses:
        page.goto(address)
        seen = page.content()
        assert town.fair.name not in seen and not any(secret in words(page) for secret in SECRETS), address
    assert len(table(page, "报价")) == 1, "its own bid and no other"
    answer = page.request.get(f"{town.visitors.url}/bids?f=1&format=xlsx")
    assert answer.ok and len(_workbook(answer.body())) == 2
    return own


def _workbook(data: bytes) -> list[tuple[object, ...]]:
    from io import BytesIO

    from openpyxl import load_workbook

    return list(load_workbook(BytesIO(data), read_only=True).worksheets[0].iter_rows(values_only=True))


# --- the hour ----------------------------------------------------------------------------------------------------------


def the_late_bank_is_out_with_both_times(town: Contest) -> None:
    """The approver opened the page in time and presses after the hour."""
    bid = market_cast.draft_bid(town.late, town.need, market_cast.offer(percent="3.50"))
    bid_service.propose_bid(town.late[OFFICER], bid.id)
    page = town.visitors.as_(town.late, APPROVER, f"/bids/{bid.id}")
    hour = now() + timedelta(seconds=0.5)
    owner_sql(town.database, "update need set closes_at = %s, next_check_at = %s where id = %s returning id",
              hour, hour, town.need.id)
    page.wait_for_timeout(700)
    decide(page, "密封提交")
    times = re.search(r"(\d\d:\d\d:\d\d\.\d{3}).*?(\d\d:\d\d:\d\d\.\d{3})", said(page), re.S)
    assert times is not None and times[1] != times[2], said(page)
    assert page.url.endswith(f"/bids/{bid.id}")
    town.visitors.look_over(page)


def the_envelope_opens(town: Contest, fair_bid: str, folder: Path) -> None:
    """What is opened is what was sealed, which a file and a hash prove without the portal."""
    outbox.run_due_checks()
    outbox.drain()
    page = town.visitors.as_(town.fair, APPROVER, f"{fair_bid}/receipt")
    assert "与开启时一致" in words(page) and page.locator(".receipt-list li").count() == 2
    town.visitors.look_over(page)
    with page.expect_download() as started:
        page.get_by_role("link", name="下载回执文件").click()
    file = folder / "receipt.json"
    started.value.save_as(file)
    result = CliRunner().invoke(command, ["verify-receipt", str(file)])
    assert result.exit_code == 0 and "opened with 2 bids" in result.output
    receipt = json.loads(file.read_text())
    receipt["canonical"] = receipt["canonical"].replace("0.038500", "0.036500")
    file.write_text(json.dumps(receipt))
    assert CliRunner().invoke(command, ["verify-receipt", str(file)]).exit_code != 0, "another rate was never sealed"


def the_firm_compares_and_chooses(town: Contest, own: Bid) -> None:
    """The nominal rate alone would mislead: 3.60 % with a guarantee fee costs more than 3.85 % with an appraisal."""
    page = town.visitors.as_(town.firm, BOSS, f"/needs/{town.need.id}/offers")
    assert town.late.name not in words(page) and town.greedy.name not in words(page), "who was not in is nowhere"
    follow(page, "逐项对比，看哪里不同")
    lines = {line[0]: line[1:] for line in table(page, "逐项对比")}
    assert lines["名义年利率 不同"] == ["3.85%", "3.60%"] and lines["综合年化成本 不同"][0] == "3.92%"
    follow(page, "只看不同")
    assert {line[0] for line in table(page, "逐项对比")} < set(lines)
    assert "期限" not in {line[0] for line in table(page, "逐项对比")}
    town.visitors.look_over(page)
    page.goto(f"/needs/{town.need.id}/offers")
    decide(page, "选定这家", within=page.locator("table.compare td.best"))
    assert f"已选定 {town.fair.name}" in words(page)
    outbox.drain()
    page = town.visitors.as_(town.peeking, OFFICER, f"/bids/{own.id}")
    assert not any(secret in words(page) for secret in SECRETS), "the price of the chosen offer stays the firm's"


def test_a_contested_need_of_four_banks_is_decided_by_the_true_price(
    visitors: Visitors, database: TestDatabase, tmp_path: Path,
) -> None:
    town = contest(visitors, database)
    bid = the_fair_bank_hands_in(town)
    the_greedy_bank_cannot_ask_what_is_forbidden(town)
    own = the_peeking_bank_finds_nothing(town, bid)
    the_late_bank_is_out_with_both_times(town)
    the_envelope_opens(town, bid, tmp_path)
    the_firm_compares_and_chooses(town, own)


# --- two firms' cost sheets on paper -----------------------------------------------------------------------------------


def test_two_firms_print_their_cost_sheets_and_every_sum_is_right(visitors: Visitors, tmp_path: Path) -> None:
    bank = cast.bank()
    equal = market_cast.offer(300, "3.45", method=RepaymentMethod.EQUAL_INSTALMENT,
                              fees=(Fee(FeeKind.GUARANTEE, 18_000 * YUAN, Payee.GUARANTOR),))  # fmt: skip
    guarantee = Fee(FeeKind.GUARANTEE, 8_000 * YUAN, Payee.GUARANTOR)
    two_fees = market_cast.offer(100, "3.85", fees=(guarantee, market_cast.APPRAISAL))
    for wan, offer, rate in ((300, equal, "4.57%"), (100, two_fees, "4.88%")):
        firm = cast.firm(f"广州第{wan}号机械有限公司")
        need = market_cast.open_need(firm, wan=wan)
        bid = market_cast.sealed_bid(bank, need, offer)
        service.close_need(firm[Role.FIRM_CLERK], need.id)
        page = visitors.as_(firm, BOSS, f"/offers/{bid.id}/sheet")
        visitors.look_over(page)
        paper = tmp_path / f"{wan}.pdf"
        page.pdf(path=paper, format="A4")
        assert paper.read_bytes().startswith(b"%PDF-")
        page.emulate_media(media="print")
        expect(page.locator("header.top")).to_be_hidden()
        expect(page.locator(".print-head")).to_be_visible()
        _sums_are_right(page, wan * WAN, rate)
        if shutil.which("pdftotext"):
            printed = subprocess.run(["pdftotext", "-layout", paper, "-"], capture_output=True, text=True, check=True).stdout
            total = table(page, "每月收支")[-1][4]
            assert total in printed and rate in printed and printed.count("个月") >= 12, "the paper says what the page says"


def _sums_are_right(page: Page, amount_fen: int, rate: str) -> None:
    """Costs add up to what the loan costs, and so do the months; the yearly rate is that of the rules' worked example."""
    *costs, extra = table(page, "每一项成本")
    *months, total = table(page, "每月收支")
    assert sum(_fen(line[-1]) for line in costs) == _fen(extra[-1])
    for column in range(1, 5):
        assert sum(_fen(line[column]) for line in months) == _fen(total[column])
    assert _fen(total[1]) == amount_fen and _fen(total[4]) == amount_fen + _fen(extra[-1])
    assert sum(_fen(total[column]) for column in (1, 2, 3)) == _fen(total[4]) and _fen(months[-1][5]) == 0
    assert rate in words(page)


def _fen(shown: str) -> int:
    return int(Decimal(shown.replace(",", "").replace("—", "0")) * YUAN)
