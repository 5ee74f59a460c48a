"""Step 7: the chosen bank keeps its promise, pays the money out and sees the first of it come back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from playwright.sync_api import Page

from app.core.calendar import today
from app.core.formats import date_text
from tests.e2e.town import FIRM_NAME, Town
from tests.e2e.visitors import decide, follow, press, said, table, words, write

PRINCIPAL = Decimal("3000000.00")


def the_bank_approves_and_pays_out(town: Town) -> None:
    """The approver approves, the officer reports the drawdown; the schedule's principal adds up to the 分."""
    page = town.wait(town.approver(), "审批贷款")
    town.look_over(page)
    assert f"{town.case}/1" in words(page)
    decide(page, "批准")
    page = town.wait(town.officer(), "放款后请登记")
    town.look_over(page)
    write(page, contract_no="HT-2026-0104", note_no="JJ-2026-0104", drawn_on=today().isoformat())
    press(page, "登记放款")
    assert "还款计划已生成" in said(page)
    town.look_over(page)
    *rows, total = table(page, "还款计划")
    assert sum(_yuan(row[2]) for row in rows) == _yuan(total[2]) == PRINCIPAL
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]


def the_bank_reports_what_came_back(town: Town) -> None:
    """Everything that fell due so far comes back on one day."""
    page = _loan_page(town)
    rows = table(page, "还款计划")[:-1]
    due = [row for row in rows if _day(row[1]) <= today()]
    amount = sum((_yuan(row[2]) + _yuan(row[3]) for row in due), Decimal(0))
    assert due and amount < PRINCIPAL
    follow(page, "登记还款")
    write(page, amount=str(amount), paid_on=today().isoformat(), kind="normal", reference="LS-0001")
    town.look_over(page)
    press(page, "登记还款")
    assert "已登记还款" in said(page)
    after = table(page, "还款计划")
    assert [row[5] for row in after[: len(due)]] == ["已还清"] * len(due)
    assert _yuan(table(page, "还款记录")[0][2]) == amount
    town.look_over(page)


def _loan_page(town: Town) -> Page:
    page = town.officer("/loans")
    town.look_over(page)
    follow(page, FIRM_NAME)
    return page


def _yuan(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def _day(text: str) -> date:
    """A day as a page writes it."""
    found = next((day for day in _days() if date_text(day) == text), None)
    assert found is not None, text
    return found


def _days() -> list[date]:
    first = today().toordinal()
    return [date.fromordinal(number) for number in range(first - 400, first + 800)]
