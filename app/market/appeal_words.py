"""申诉: where what a firm holds against a refusal stands, and what a withdrawn refusal leads to."""

from __future__ import annotations

from enum import StrEnum

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission as P
from app.core.working import N_


class AppealState(StrEnum):
    """UPHELD: the refusal stands; WITHDRAWN: the bank takes the refusal back; DROPPED: the firm takes the appeal back."""

    OPEN = "OPEN"
    UPHELD = "UPHELD"
    WITHDRAWN = "WITHDRAWN"
    DROPPED = "DROPPED"


class Remedy(StrEnum):
    """RECALLED: the bid lies before the firm again. AGAIN: the round is over, the bank is asked in the next one."""

    RECALLED = "RECALLED"
    AGAIN = "AGAIN"


A = AppealState
APPEAL = Lifecycle(
    "appeal",
    A,
    (
        Move(A.OPEN, "uphold", A.UPHELD, (P.APPEAL_ANSWER,), True, "answered_by", ("refused_by",), shared=False),
        Move(A.OPEN, "withdraw", A.WITHDRAWN, (P.APPEAL_ANSWER,), True, "answered_by", ("refused_by",), shared=False),
        Move(A.OPEN, "drop", A.DROPPED, (P.APPEAL_FILE,), shared=False),
        Move(A.OPEN, "escalate", A.OPEN, (P.APPEAL_TICK,), shared=False),
    ),
)
APPEAL_STATES: dict[str, str] = {
    A.OPEN: N_("待银行答复"), A.UPHELD: N_("维持婉拒"), A.WITHDRAWN: N_("撤销婉拒"), A.DROPPED: N_("企业已撤回"),
}  # fmt: skip
APPEAL_TONES = {A.OPEN: "wait", A.UPHELD: "plain", A.WITHDRAWN: "good", A.DROPPED: "plain"}
REMEDIES: dict[str, str] = {
    Remedy.RECALLED: N_("原来的报价重新参加选择"), Remedy.AGAIN: N_("这一轮已不能补报，下一轮可以再发给这家银行"),
}  # fmt: skip
