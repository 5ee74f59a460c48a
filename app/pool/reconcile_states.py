"""In which ways a bank's own list and the portal differ, the life of a difference, and by when a month is to be compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from app.core.calendar import add_working_days
from app.core.lifecycle import Lifecycle, Move
from app.core.pages import Tone
from app.core.permissions import Permission as P
from app.core.working import N_


class DifferenceKind(StrEnum):
    """How list and portal differ on a note."""

    NOT_HERE = "NOT_HERE"
    NOT_THERE = "NOT_THERE"
    BALANCE = "BALANCE"
    CLASS = "CLASS"
    DUE_ON = "DUE_ON"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _KIND_NAMES[self]


_K = DifferenceKind
_KIND_NAMES = {
    _K.NOT_HERE: N_("银行有，平台没有"), _K.NOT_THERE: N_("平台有，银行没有"), _K.BALANCE: N_("余额不同"),
    _K.CLASS: N_("五级分类不同"), _K.DUE_ON: N_("到期日不同"),
}


class DifferenceState(StrEnum):
    """Where a difference stands."""

    OPEN = "OPEN"
    EXPLAINED = "EXPLAINED"
    ENDED = "ENDED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _STATE_NAMES[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _TONES[self]


_S = DifferenceState
_STATE_NAMES = {_S.OPEN: N_("待处理"), _S.EXPLAINED: N_("已说明，待复核"), _S.ENDED: N_("已了结")}
_TONES: dict[DifferenceState, Tone] = {_S.OPEN: "bad", _S.EXPLAINED: "wait", _S.ENDED: "good"}
ENDING_NAMES = {"CORRECTED": N_("已更正一致"), "EXPLAINED": N_("已说明"), "DISMISSED": N_("金融局认定不处理")}

DIFFERENCE = Lifecycle("pool_difference", DifferenceState, (
    Move(_S.OPEN, "explain", _S.EXPLAINED, (P.BOOKING_SUBMIT,), needs_reason=True, stamp="explained_by", shared=False),
    Move(_S.EXPLAINED, "agree", _S.ENDED, (P.BOOKING_RELEASE,), stamp="ended_by", other_than=("explained_by",), shared=False),
    Move(_S.EXPLAINED, "return", _S.OPEN, (P.BOOKING_RELEASE,), needs_reason=True, shared=False),
    Move(_S.OPEN, "dismiss", _S.ENDED, (P.CLAIM_CHECK,), needs_reason=True, stamp="ended_by", shared=False),
    Move(_S.EXPLAINED, "dismiss", _S.ENDED, (P.CLAIM_CHECK,), needs_reason=True, stamp="ended_by", shared=False),
    Move(_S.OPEN, "correct", _S.ENDED, (P.CLAIM_TICK,), shared=False),
    Move(_S.EXPLAINED, "correct", _S.ENDED, (P.CLAIM_TICK,), shared=False),
    Move(_S.ENDED, "reopen", _S.OPEN, (P.CLAIM_TICK,), shared=False),
))
DIFFERENCE_TEXTS = {
    "open": N_("发现不同"), "explain": N_("说明原因"), "agree": N_("复核同意说明"), "return": N_("复核未同意说明"),
    "dismiss": N_("金融局认定不处理"), "correct": N_("已更正一致"), "reopen": N_("再次发现不同"),
}


@dataclass(frozen=True, slots=True)
class ReconcileRules:
    """Working days after the end of a month by which a bank is to have compared it, and on which it is reminded."""

    due_working_days: int
    reminded_at: tuple[int, ...]


MONTHS_SHOWN = 12


def month_before(day: date) -> date:
    """The first day of the month that has ended last."""
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def end_of(month: date) -> date:
    """The last day of a month."""
    return (month.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def due_on(month: date, rules: ReconcileRules) -> date:
    """By when a month is to be compared."""
    return add_working_days(end_of(month), rules.due_working_days)


def reminders_due(month: date, day: date, rules: ReconcileRules) -> list[int]:
    """The reminders of a month whose day has come."""
    return [days for days in sorted(rules.reminded_at) if add_working_days(end_of(month), days) <= day]
