"""The lives of a booking and of a claim as tables (risk-compensation paper §4 and §5 [P])."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from app.core.errors import N_
from app.core.lifecycle import Lifecycle, Move
from app.core.pages import Tone
from app.core.permissions import Permission as P


class BookingState(StrEnum):
    """Where a booking stands. Whether the loan is repaid, overdue or bad is read from the loan."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    AUTO_CHECKED = "AUTO_CHECKED"
    BOOKED = "BOOKED"
    REJECTED = "REJECTED"
    CLAIMED = "CLAIMED"
    WITHDRAWN = "WITHDRAWN"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _BOOKING_NAMES[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _BOOKING_TONES.get(self, "plain")


_B = BookingState
_BOOKING_NAMES = {
    _B.DRAFT: N_("草稿"), _B.SUBMITTED: N_("待同意补报"), _B.AUTO_CHECKED: N_("已检查"), _B.BOOKED: N_("已入库"),
    _B.REJECTED: N_("未通过"), _B.CLAIMED: N_("已申请补偿"), _B.WITHDRAWN: N_("已撤出"),
}
_BOOKING_TONES: dict[BookingState, Tone] = {_B.SUBMITTED: "wait", _B.BOOKED: "good", _B.REJECTED: "bad", _B.CLAIMED: "info"}

BOOKING = Lifecycle("booking", BookingState, (
    Move(_B.DRAFT, "submit", _B.SUBMITTED, (P.BOOKING_SUBMIT, P.GUARANTEE_BOOK), stamp="submitted_by", shared=False),
    Move(_B.SUBMITTED, "check", _B.AUTO_CHECKED, (P.CLAIM_TICK,), shared=False),
    Move(_B.SUBMITTED, "refuse_late", _B.REJECTED, (P.CLAIM_DECIDE,), needs_reason=True, shared=False),
    Move(_B.AUTO_CHECKED, "book", _B.BOOKED, (P.CLAIM_TICK,)),
    Move(_B.AUTO_CHECKED, "reject", _B.REJECTED, (P.CLAIM_TICK,), needs_reason=True, shared=False),
    Move(_B.BOOKED, "claim", _B.CLAIMED, (P.CLAIM_TICK,), shared=False),
    Move(_B.CLAIMED, "release", _B.BOOKED, (P.CLAIM_TICK,), shared=False),
    Move(_B.BOOKED, "withdraw", _B.WITHDRAWN, (P.BOOKING_SUBMIT, P.GUARANTEE_BOOK), needs_reason=True, shared=False),
    Move(_B.SUBMITTED, "withdraw", _B.WITHDRAWN, (P.BOOKING_SUBMIT, P.GUARANTEE_BOOK), needs_reason=True, shared=False),
))


class ClaimState(StrEnum):
    """Where a claim stands."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    RETURNED = "RETURNED"
    LAPSED = "LAPSED"
    WITHDRAWN = "WITHDRAWN"
    HELD = "HELD"
    AUDIT = "AUDIT"
    DECISION = "DECISION"
    APPROVED = "APPROVED"
    PARTLY_APPROVED = "PARTLY_APPROVED"
    REFUSED = "REFUSED"
    PUBLICISED = "PUBLICISED"
    PAID = "PAID"
    RECOVERING = "RECOVERING"
    CLOSED = "CLOSED"
    CLAWED_BACK = "CLAWED_BACK"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _CLAIM_NAMES[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _CLAIM_TONES.get(self, "plain")


_C = ClaimState
_CLAIM_NAMES = {
    _C.DRAFT: N_("待本行复核"), _C.SUBMITTED: N_("待形式审查"), _C.RETURNED: N_("退回补正"), _C.LAPSED: N_("逾期失效"),
    _C.WITHDRAWN: N_("已撤回"), _C.HELD: N_("暂缓"), _C.AUDIT: N_("审核中"), _C.DECISION: N_("待审定"),
    _C.APPROVED: N_("公示中"), _C.PARTLY_APPROVED: N_("部分同意，公示中"), _C.REFUSED: N_("不予补偿"),
    _C.PUBLICISED: N_("待支付"), _C.PAID: N_("已支付"), _C.RECOVERING: N_("追偿中"), _C.CLOSED: N_("已结案"),
    _C.CLAWED_BACK: N_("已追回"),
}
_CLAIM_TONES: dict[ClaimState, Tone] = {
    _C.DRAFT: "wait", _C.SUBMITTED: "wait", _C.RETURNED: "wait", _C.HELD: "bad", _C.AUDIT: "info", _C.DECISION: "info",
    _C.APPROVED: "info", _C.PARTLY_APPROVED: "info", _C.REFUSED: "bad", _C.PUBLICISED: "wait", _C.PAID: "good",
    _C.RECOVERING: "info", _C.CLOSED: "good", _C.CLAWED_BACK: "bad", _C.LAPSED: "bad",
}

NOT_COUNTED = (_C.DRAFT, _C.REFUSED, _C.LAPSED, _C.WITHDRAWN, _C.CLAWED_BACK)
"""Claims whose loss does not count against the stop line (risk-compensation paper §3 [P])."""
PAID_OUT = (_C.PAID, _C.RECOVERING, _C.CLOSED)
"""Claims whose compensation the payee has and keeps."""
OPEN_FOR_BUREAU = (_C.SUBMITTED, _C.HELD, _C.AUDIT, _C.DECISION, _C.APPROVED, _C.PARTLY_APPROVED, _C.PUBLICISED)

_BANK = ("preparer_id", "reviewer_id")

# Between the bank and the city: no step of a claim is told to the whole case.
CLAIM = Lifecycle("claim", ClaimState, tuple(replace(move, shared=False) for move in (
    Move(_C.DRAFT, "submit", _C.SUBMITTED, (P.CLAIM_REVIEW,), stamp="reviewer_id", other_than=("preparer_id",)),
    Move(_C.DRAFT, "withdraw", _C.WITHDRAWN, (P.CLAIM_PREPARE,), needs_reason=True),
    Move(_C.SUBMITTED, "hold", _C.HELD, (P.CLAIM_TICK,), needs_reason=True),
    Move(_C.SUBMITTED, "accept", _C.AUDIT, (P.CLAIM_CHECK,), stamp="checker_id", other_than=_BANK),
    Move(_C.SUBMITTED, "return", _C.RETURNED, (P.CLAIM_CHECK,), needs_reason=True, other_than=_BANK),
    Move(_C.RETURNED, "resubmit", _C.SUBMITTED, (P.CLAIM_REVIEW,), stamp="reviewer_id", other_than=("preparer_id",)),
    Move(_C.RETURNED, "withdraw", _C.WITHDRAWN, (P.CLAIM_PREPARE,), needs_reason=True),
    Move(_C.RETURNED, "lapse", _C.LAPSED, (P.CLAIM_TICK,)),
    Move(_C.AUDIT, "suspend", _C.HELD, (P.CLAIM_AUDIT,), needs_reason=True),
    Move(_C.AUDIT, "audit", _C.DECISION, (P.CLAIM_AUDIT,), needs_reason=True, stamp="auditor_id", other_than=_BANK),
    Move(_C.DECISION, "hold", _C.HELD, (P.CLAIM_TICK,), needs_reason=True),
    Move(_C.DECISION, "reaudit", _C.AUDIT, (P.CLAIM_DECIDE,), needs_reason=True),
    Move(_C.DECISION, "approve", _C.APPROVED, (P.CLAIM_DECIDE,), stamp="decider_id", other_than=(*_BANK, "auditor_id")),
    Move(_C.DECISION, "approve_part", _C.PARTLY_APPROVED, (P.CLAIM_DECIDE,), needs_reason=True, stamp="decider_id",
         other_than=(*_BANK, "auditor_id")),
    Move(_C.DECISION, "refuse", _C.REFUSED, (P.CLAIM_DECIDE,), needs_reason=True, stamp="decider_id",
         other_than=(*_BANK, "auditor_id")),
    Move(_C.HELD, "lift_to_check", _C.SUBMITTED, (P.CLAIM_DECIDE,), needs_reason=True, stamp="lifted_by"),
    Move(_C.HELD, "lift_to_audit", _C.AUDIT, (P.CLAIM_DECIDE,), needs_reason=True, stamp="lifted_by"),
    Move(_C.HELD, "lift_to_decision", _C.DECISION, (P.CLAIM_DECIDE,), needs_reason=True, stamp="lifted_by"),
    Move(_C.HELD, "refuse", _C.REFUSED, (P.CLAIM_DECIDE,), needs_reason=True),
    Move(_C.APPROVED, "publicise", _C.PUBLICISED, (P.CLAIM_TICK,)),
    Move(_C.PARTLY_APPROVED, "publicise", _C.PUBLICISED, (P.CLAIM_TICK,)),
    Move(_C.APPROVED, "reopen", _C.DECISION, (P.CLAIM_DECIDE,), needs_reason=True),
    Move(_C.PARTLY_APPROVED, "reopen", _C.DECISION, (P.CLAIM_DECIDE,), needs_reason=True),
    Move(_C.PUBLICISED, "reopen", _C.DECISION, (P.CLAIM_DECIDE,), needs_reason=True),
    Move(_C.APPROVED, "uphold", _C.DECISION, (P.CLAIM_CHECK,), needs_reason=True, other_than=("decider_id",)),
    Move(_C.PARTLY_APPROVED, "uphold", _C.DECISION, (P.CLAIM_CHECK,), needs_reason=True, other_than=("decider_id",)),
    Move(_C.PUBLICISED, "pay", _C.PAID, (P.CLAIM_PAY,), stamp="cashier_id",
         other_than=(*_BANK, "auditor_id", "decider_id")),
    Move(_C.PAID, "recover", _C.RECOVERING, (P.RECOVERY_REPORT,)),
    Move(_C.PAID, "close", _C.CLOSED, (P.CLAIM_CHECK,), needs_reason=True),
    Move(_C.RECOVERING, "close", _C.CLOSED, (P.CLAIM_CHECK,), needs_reason=True),
    Move(_C.PAID, "claw_back", _C.CLAWED_BACK, (P.CLAIM_DECIDE,), needs_reason=True),
    Move(_C.RECOVERING, "claw_back", _C.CLAWED_BACK, (P.CLAIM_DECIDE,), needs_reason=True),
)))

BOOKING_TEXTS = {
    "create": N_("准备入库"), "submit": N_("提交入库"), "check": N_("完成自动检查"), "book": N_("入库"),
    "reject": N_("入库检查未通过"), "refuse_late": N_("不同意补报入库"), "claim": N_("入库贷款申请补偿"),
    "release": N_("补偿申请结束，恢复入库"), "withdraw": N_("撤出入库"),
}
CLAIM_TEXTS = {
    "create": N_("准备补偿申请"), "submit": N_("复核并提交补偿申请"), "hold": N_("触及熔断线，暂缓"),
    "accept": N_("形式审查通过"),
    "return": N_("退回补正"), "resubmit": N_("补正后重新提交"), "withdraw": N_("撤回补偿申请"), "lapse": N_("逾期未补正，失效"),
    "suspend": N_("审核暂缓"), "audit": N_("完成审核"), "reaudit": N_("退回重新审核"), "approve": N_("同意补偿"),
    "approve_part": N_("部分同意补偿"), "refuse": N_("不予补偿"), "lift_to_check": N_("解除暂缓"),
    "lift_to_audit": N_("解除暂缓"),
    "lift_to_decision": N_("解除暂缓"), "publicise": N_("公示期满"), "reopen": N_("撤销审定，重新研究"),
    "uphold": N_("异议成立，重新审定"), "pay": N_("支付补偿"),
    "recover": N_("登记追偿回收"), "close": N_("结案"), "claw_back": N_("追回补偿"),
}
