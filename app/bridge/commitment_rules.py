"""Whether a commitment letter was kept (transfer-loan paper §4, §5). Pure: values in, a verdict out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from app.core.calendar import add_working_days, is_working_day
from app.core.working import N_

Tone = Literal["good", "wait", "bad", "info", "plain"]

CONDITIONS: dict[str, str] = {
    "COLLATERAL": N_("抵押或质押登记未办妥"), "GUARANTOR": N_("担保人手续未办妥"), "INSURANCE": N_("保险或保函未到位"),
    "INTEREST": N_("旧贷款利息未结清"), "PAPERS": N_("材料未齐"), "RECORD": N_("征信复查未通过"), "OTHER": N_("其他条件未落实"),
}
"""What may still be open when a letter is signed: a closed list, so that excuses can be counted [P]."""

BREACHES: dict[str, str] = {
    "LESS": N_("放款少于承诺"), "LATER": N_("放款晚于最迟放款日"), "DEARER": N_("利率高于承诺"), "NOT_AT_ALL": N_("没有放款"),
}
OUTCOMES: dict[str, tuple[str, Tone]] = {
    "KEPT": (N_("已履行"), "good"), "BROKEN": (N_("未履行"), "bad"), "EXCUSED": (N_("有理由未履行"), "wait"),
}
LETTER_STATES: dict[str, tuple[str, Tone]] = {
    "LIVE": (N_("有效"), "good"), "REPLACED": (N_("已重新出具"), "plain"), "WITHDRAWN": (N_("银行已撤回承诺"), "bad"),
    "EXPIRED": (N_("已过期"), "bad"),
}


@dataclass(frozen=True, slots=True)
class Word:
    """What the bank promised: 分, the last day of the drawdown, and the highest rate."""

    promised_fen: int
    latest_drawdown_on: date
    rate_high: Decimal


@dataclass(frozen=True, slots=True)
class Deed:
    """What the bank did: drew so much (分) on a day at a rate, where known; or nothing, up to today."""

    today: date
    drawn_fen: int | None = None
    drawn_on: date | None = None
    rate: Decimal | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """``breaches`` in the order of ``BREACHES``; ``excuse`` the condition that was named and still open."""

    outcome: str
    breaches: tuple[str, ...]
    excuse: str | None


def judge(word: Word, deed: Deed, excuse: str | None = None) -> Verdict:
    """Kept, broken, or not kept for a condition that was still open. ``excuse`` was checked to be open by the caller."""
    found = []
    if deed.drawn_fen is not None and deed.drawn_fen < word.promised_fen:
        found.append("LESS")
    if (deed.drawn_on or deed.today) > word.latest_drawdown_on and not deed.refused:
        found.append("LATER")
    if deed.rate is not None and deed.rate > word.rate_high:
        found.append("DEARER")
    if deed.refused:
        found.append("NOT_AT_ALL")
    if not found:
        return Verdict("KEPT", (), None)
    return Verdict("EXCUSED" if excuse else "BROKEN", tuple(found), excuse)


def notice_day(last: date, ahead_wd: int) -> date:
    """The day on which the letter's end is told of: so many working days before its last day."""
    day = last
    while not is_working_day(day):
        day -= timedelta(days=1)
    return add_working_days(day, -ahead_wd)
