"""The maturity radar: how near a loan is to its day, and what a bank may say that it intends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from app.core.working import N_

Tone = Literal["good", "wait", "bad", "info", "plain"]

INTENTS: dict[str, tuple[str, Tone]] = {
    "NO_REPAY": (N_("拟无还本续贷"), "good"), "RENEW": (N_("拟先还后贷"), "info"), "LESS": (N_("拟减额续贷"), "wait"),
    "NOT": (N_("拟不续贷"), "bad"), "UNDECIDED": (N_("尚未决定"), "plain"),
}
"""What a bank says of a loan that falls due. No promise: that is the commitment letter [P]."""


def bucket(days_left: int, marks: Sequence[int]) -> int | None:
    """The nearest mark (days before maturity) that a loan has come within; ``None`` outside of all of them."""
    return min((mark for mark in marks if 0 <= days_left <= mark), default=None)
