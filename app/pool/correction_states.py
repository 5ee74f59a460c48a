"""The life of a correction: proposed by the auditor, decided by a leader, a top-up paid by the cashier."""

from __future__ import annotations

from enum import StrEnum

from app.core.errors import N_
from app.core.lifecycle import Lifecycle, Move, second_word
from app.core.pages import Tone
from app.core.permissions import Permission as P


class CorrectionState(StrEnum):
    """Where a correction stands."""

    PROPOSED = "PROPOSED"
    CONFIRMED = "CONFIRMED"
    PAID = "PAID"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _NAMES[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _TONES[self]


_S = CorrectionState
_NAMES = {
    _S.PROPOSED: N_("待另一人确认"), _S.CONFIRMED: N_("已确认"), _S.PAID: N_("已补付"), _S.REFUSED: N_("未同意"),
    _S.WITHDRAWN: N_("已撤回"),
}
_TONES: dict[CorrectionState, Tone] = {
    _S.PROPOSED: "wait", _S.CONFIRMED: "info", _S.PAID: "good", _S.REFUSED: "bad", _S.WITHDRAWN: "plain",
}

CORRECTION = Lifecycle("claim_correction", CorrectionState, (
    *second_word(CorrectionState, propose=P.CLAIM_AUDIT, decide=P.CLAIM_DECIDE),
    Move(_S.CONFIRMED, "pay", _S.PAID, (P.CLAIM_PAY,), stamp="paid_by", other_than=("proposed_by", "decided_by"), shared=False),
))
CORRECTION_TEXTS = {
    "propose": N_("提出更正"), "confirm": N_("确认更正"), "refuse": N_("不同意更正"), "withdraw": N_("撤回更正"),
    "pay": N_("支付补付"),
}
