"""How collateral moves from the old bank to the new one, and how a guarantor covers the gap (transfer-loan paper §5)."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum

from app.bridge.states import Tone
from app.core.errors import N_
from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission as P
from app.market.transfer_rules import TransferRules

KINDS: dict[str, str] = {
    "REAL_ESTATE": N_("不动产抵押"), "EQUIPMENT": N_("设备抵押"), "RECEIVABLES": N_("应收账款质押"), "EQUITY": N_("股权质押"),
    "RIGHTS": N_("知识产权等权利质押"), "OTHER": N_("其他担保物"),
}
"""What may be registered as security [P]."""


class CollateralState(StrEnum):
    """Where a security stands between the two banks."""

    AT_OLD = "AT_OLD"
    RELEASED = "RELEASED"
    REGISTERED = "REGISTERED"
    WITHDRAWN = "WITHDRAWN"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _COLLATERAL[self][0]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _COLLATERAL[self][1]


_C = CollateralState
_COLLATERAL: dict[CollateralState, tuple[str, Tone]] = {
    _C.AT_OLD: (N_("在原银行，待解除"), "wait"), _C.RELEASED: (N_("已解除，待新登记"), "info"),
    _C.REGISTERED: (N_("已在续贷银行登记"), "good"), _C.WITHDRAWN: (N_("登记有误，已撤销"), "plain"),
}
COLLATERAL = Lifecycle("bridge_collateral", CollateralState, (
    Move(_C.AT_OLD, "release", _C.RELEASED, (P.BRIDGE_CONFIRM,), stamp="released_by"),
    Move(_C.RELEASED, "register", _C.REGISTERED, (P.BRIDGE_CONFIRM,), stamp="registered_by"),
    Move(_C.AT_OLD, "withdraw", _C.WITHDRAWN, (P.BRIDGE_DESK,), needs_reason=True),
))
COLLATERAL_EVENTS = {
    "enter": N_("登记随转贷转移的担保物"), "release": N_("原银行解除担保物登记"), "register": N_("续贷银行办妥担保物登记"),
    "withdraw": N_("撤销担保物登记"),
}


class GuaranteeState(StrEnum):
    """Where a guarantor's word stands."""

    ASKED = "ASKED"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"
    CALLED = "CALLED"
    ENDED = "ENDED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _GUARANTEE[self][0]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _GUARANTEE[self][1]


_G = GuaranteeState
_GUARANTEE: dict[GuaranteeState, tuple[str, Tone]] = {
    _G.ASKED: (N_("待担保机构确认"), "wait"), _G.CONFIRMED: (N_("担保中"), "good"),
    _G.REFUSED: (N_("担保机构不承保"), "bad"),
    _G.WITHDRAWN: (N_("已撤回"), "plain"), _G.CALLED: (N_("逾期，由担保机构代偿"), "bad"),
    _G.ENDED: (N_("担保责任已解除"), "plain"),
}
STANDS = (_G.ASKED, _G.CONFIRMED, _G.CALLED)
"""States in which a bridge has its guarantor; there is one at a time."""
GUARANTEE = Lifecycle("bridge_guarantee", GuaranteeState, (
    Move(_G.ASKED, "confirm", _G.CONFIRMED, (P.BRIDGE_GUARANTEE,), stamp="answered_by", at="answered_at"),
    Move(_G.ASKED, "refuse", _G.REFUSED, (P.BRIDGE_GUARANTEE,), needs_reason=True, stamp="answered_by", at="answered_at"),
    Move(_G.ASKED, "withdraw", _G.WITHDRAWN, (P.BRIDGE_DESK,), needs_reason=True),
    Move(_G.CONFIRMED, "withdraw", _G.WITHDRAWN, (P.BRIDGE_DESK,), needs_reason=True),
    # The bridge is overdue while the collateral is between the banks.
    Move(_G.CONFIRMED, "call", _G.CALLED, (P.BRIDGE_TICK,), at="called_at"),
    # The collateral is registered, or the bridge is over.
    Move(_G.ASKED, "end", _G.ENDED, (P.BRIDGE_TICK,), at="ended_at"),
    Move(_G.CONFIRMED, "end", _G.ENDED, (P.BRIDGE_TICK,), at="ended_at"),
    Move(_G.CALLED, "end", _G.ENDED, (P.BRIDGE_TICK,), at="ended_at"),
))
GUARANTEE_EVENTS = {
    "ask": N_("请担保机构为转贷担保"), "confirm": N_("担保机构确认担保"), "refuse": N_("担保机构不承保"),
    "withdraw": N_("撤回担保请求"),
    "call": N_("转贷逾期，债权转由担保机构承担"), "end": N_("担保责任解除"),
}


def due_days(paid_on: date, rules: TransferRules = TransferRules()) -> tuple[date, date]:
    """The last days of the release and of the new registration, in natural days from the payout (the 30–45 days of §1 [C4])."""
    return paid_on + timedelta(days=rules.release_days), paid_on + timedelta(days=rules.register_days)
