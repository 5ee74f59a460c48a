"""The lives of a hold, of an agreement with a funder and of the bureau's ceiling."""

from __future__ import annotations

from enum import StrEnum

from app.core.errors import N_
from app.core.lifecycle import Lifecycle, Move, second_word
from app.core.permissions import Permission as P


class HoldState(StrEnum):
    """Where a seat on a fund stands: HELD is tentative and runs out; CONFIRMED waits for its money; OUT is paid."""

    HELD = "HELD"
    CONFIRMED = "CONFIRMED"
    OUT = "OUT"
    RETURNED = "RETURNED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _HOLD_NAMES[self]


LIVE = (HoldState.HELD, HoldState.CONFIRMED, HoldState.OUT)
"""States in which a hold takes part of the quotas."""
_HOLD_NAMES = {
    HoldState.HELD: N_("暂时占用"), HoldState.CONFIRMED: N_("已确认"), HoldState.OUT: N_("在途"),
    HoldState.RETURNED: N_("已归还"), HoldState.RELEASED: N_("已释放"), HoldState.EXPIRED: N_("到期释放"),
}
_H = HoldState
# The portal moves a seat with its bridge, whoever moved the bridge. What the bridge's own step says is not told twice.
HOLD = Lifecycle("fund_hold", HoldState, (
    Move(_H.HELD, "confirm", _H.CONFIRMED, (P.BRIDGE_TICK,), told=False),
    Move(_H.HELD, "release", _H.RELEASED, (P.BRIDGE_TICK,)),
    Move(_H.HELD, "expire", _H.EXPIRED, (P.BRIDGE_TICK,)),
    Move(_H.CONFIRMED, "release", _H.RELEASED, (P.BRIDGE_TICK,)),
    Move(_H.CONFIRMED, "pay", _H.OUT, (P.BRIDGE_TICK,), told=False),
    # The bridge's last step was taken back on two people's word.
    Move(_H.OUT, "unpay", _H.CONFIRMED, (P.BRIDGE_TICK,), told=False),
    Move(_H.RETURNED, "reopen", _H.OUT, (P.BRIDGE_TICK,), told=False),
    Move(_H.OUT, "return", _H.RETURNED, (P.BRIDGE_TICK,), told=False),
))
HOLD_TEXTS = {
    "hold": N_("暂时占用资金，未签约到期释放"), "confirm": N_("确认占用"), "release": N_("释放占用"),
    "expire": N_("未签约，占用到期释放"),
    "pay": N_("占用的资金放出"), "return": N_("占用的资金归还"),
    "unpay": N_("放款更正，占用等候放款"), "reopen": N_("归还更正，占用仍在途"),
}


class AgreementState(StrEnum):
    """Where an agreement with a funder stands; CONFIRMED is in force within its days."""

    PROPOSED = "PROPOSED"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"
    ENDED = "ENDED"
    EXPIRED = "EXPIRED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _AGREEMENT_NAMES[self]


_A = AgreementState
_AGREEMENT_NAMES = {
    _A.PROPOSED: N_("待另一人签署"), _A.CONFIRMED: N_("已签署"), _A.REFUSED: N_("未签署"), _A.WITHDRAWN: N_("已撤回"),
    _A.ENDED: N_("提前终止"), _A.EXPIRED: N_("已到期"),
}
AGREEMENT = Lifecycle("fund_agreement", AgreementState, (
    *second_word(AgreementState, propose=P.FUND_DRAFT, decide=P.FUND_EDIT),
    Move(_A.CONFIRMED, "end", _A.ENDED, (P.FUND_EDIT,), needs_reason=True, stamp="ended_by", shared=False),
    Move(_A.CONFIRMED, "expire", _A.EXPIRED, (P.BRIDGE_TICK,), shared=False),
))
AGREEMENT_TEXTS = {
    "propose": N_("起草资金方协议"), "confirm": N_("签署资金方协议"), "refuse": N_("不签署资金方协议"),
    "withdraw": N_("撤回资金方协议"), "end": N_("提前终止资金方协议"), "expire": N_("资金方协议到期"),
}


class CeilingState(StrEnum):
    """Where a change of the bureau's numbers stands; the newest confirmed one holds."""

    PROPOSED = "PROPOSED"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return {
            CeilingState.PROPOSED: N_("待另一人决定"), CeilingState.CONFIRMED: N_("已同意"),
            CeilingState.REFUSED: N_("未同意"), CeilingState.WITHDRAWN: N_("已撤回"),
        }[self]


CEILING = Lifecycle("bridge_ceiling", CeilingState, second_word(CeilingState, propose=P.RULES_PROPOSE, decide=P.RULES_DECIDE))
CEILING_TEXTS = {
    "propose": N_("提出转贷收费上限"), "confirm": N_("同意转贷收费上限"), "refuse": N_("不同意转贷收费上限"),
    "withdraw": N_("撤回转贷收费上限"),
}
