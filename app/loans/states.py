"""The life of a loan as a table. The bank keeps a promise or breaks it; what follows is reported, not chosen."""

from __future__ import annotations

from enum import StrEnum

from app.core.errors import N_
from app.core.lifecycle import Lifecycle, Move
from app.core.pages import Tone
from app.core.permissions import Permission as P


class LoanState(StrEnum):
    """Where a loan stands."""

    AGREED = "AGREED"
    APPROVED = "APPROVED"
    REFUSED = "REFUSED"
    DRAWN = "DRAWN"
    REPAID = "REPAID"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _STATE_NAMES[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _TONES.get(self, "plain")


_STATE_NAMES = {
    LoanState.AGREED: N_("待审批"),
    LoanState.APPROVED: N_("待放款"),
    LoanState.REFUSED: N_("未获批准"),
    LoanState.DRAWN: N_("已放款"),
    LoanState.REPAID: N_("已结清"),
}
_TONES: dict[LoanState, Tone] = {
    LoanState.AGREED: "wait", LoanState.APPROVED: "wait", LoanState.REFUSED: "bad", LoanState.DRAWN: "info",
    LoanState.REPAID: "good",
}

_S = LoanState

LOAN = Lifecycle("loan", LoanState, (
    Move(_S.AGREED, "approve", _S.APPROVED, (P.LOAN_APPROVE,), stamp="approved_by", other_than=("opened_by",)),
    Move(_S.AGREED, "refuse", _S.REFUSED, (P.LOAN_APPROVE,), needs_reason=True, stamp="approved_by",
         other_than=("opened_by",)),
    Move(_S.APPROVED, "draw", _S.DRAWN, (P.LOAN_REPORT,), stamp="drawn_by", other_than=("approved_by",)),
    Move(_S.APPROVED, "refuse", _S.REFUSED, (P.LOAN_APPROVE,), needs_reason=True),
    Move(_S.AGREED, "lapse", _S.REFUSED, (P.LOAN_TICK,), needs_reason=True),
    Move(_S.APPROVED, "lapse", _S.REFUSED, (P.LOAN_TICK,), needs_reason=True),
    Move(_S.DRAWN, "reclass", _S.DRAWN, (P.LOAN_REPORT, P.LOAN_TICK)),
    Move(_S.DRAWN, "settle", _S.REPAID, (P.LOAN_REPORT,)),
    Move(_S.REPAID, "reopen", _S.DRAWN, (P.LOAN_REPORT,), needs_reason=True),
))

EVENT_TEXTS = {
    "open": N_("确定一笔贷款"),
    "approve": N_("批准贷款"),
    "refuse": N_("未批准贷款"),
    "lapse": N_("承诺的贷款逾期未放款"),
    "draw": N_("登记放款"),
    "reclass": N_("五级分类变化"),
    "settle": N_("贷款结清"),
    "reopen": N_("冲正还款，贷款恢复"),
}
