"""The life of a bridge as a table (transfer-loan paper §4 and the bad paths of §5)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from app.core.errors import N_
from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission as P

Tone = Literal["good", "wait", "bad", "info", "plain"]


class BridgeState(StrEnum):
    """Where a bridge stands."""

    APPLIED = "APPLIED"
    PRECHECKED = "PRECHECKED"
    BANK_COMMITTED = "BANK_COMMITTED"
    PARTNER_OFFERED = "PARTNER_OFFERED"
    APPROVED = "APPROVED"
    SIGNED = "SIGNED"
    FUNDED = "FUNDED"
    OLD_REPAID = "OLD_REPAID"
    NEW_DRAWN = "NEW_DRAWN"
    SHORT_DRAWN = "SHORT_DRAWN"
    RENEWAL_REFUSED = "RENEWAL_REFUSED"
    OVERDUE = "OVERDUE"
    BRIDGE_RETURNED = "BRIDGE_RETURNED"
    SETTLED = "SETTLED"
    REJECTED = "REJECTED"
    DECLINED = "DECLINED"
    CANCELLED = "CANCELLED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _NAMES[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _TONES.get(self, "wait")


_NAMES = {
    BridgeState.APPLIED: N_("待预审"),
    BridgeState.PRECHECKED: N_("待银行承诺"),
    BridgeState.BANK_COMMITTED: N_("待资金方报价"),
    BridgeState.PARTNER_OFFERED: N_("待选定与审批"),
    BridgeState.APPROVED: N_("待签约"),
    BridgeState.SIGNED: N_("待放款"),
    BridgeState.FUNDED: N_("已放款，待还旧贷"),
    BridgeState.OLD_REPAID: N_("旧贷已还，待续贷"),
    BridgeState.NEW_DRAWN: N_("新贷已放，待归还"),
    BridgeState.SHORT_DRAWN: N_("新贷不足额，待归还"),
    BridgeState.RENEWAL_REFUSED: N_("银行未续贷，待归还"),
    BridgeState.OVERDUE: N_("逾期未归还"),
    BridgeState.BRIDGE_RETURNED: N_("已归还，待结清"),
    BridgeState.SETTLED: N_("已结清"),
    BridgeState.REJECTED: N_("未通过"),
    BridgeState.DECLINED: N_("银行不承诺续贷"),
    BridgeState.CANCELLED: N_("已取消"),
}
_TONES: dict[BridgeState, Tone] = {
    BridgeState.SETTLED: "good", BridgeState.BRIDGE_RETURNED: "good", BridgeState.FUNDED: "info",
    BridgeState.OLD_REPAID: "info", BridgeState.NEW_DRAWN: "info", BridgeState.SHORT_DRAWN: "bad",
    BridgeState.RENEWAL_REFUSED: "bad", BridgeState.OVERDUE: "bad", BridgeState.REJECTED: "bad",
    BridgeState.DECLINED: "bad", BridgeState.CANCELLED: "plain",
}

_S = BridgeState

BEFORE_PAYOUT = (_S.APPLIED, _S.PRECHECKED, _S.BANK_COMMITTED, _S.PARTNER_OFFERED, _S.APPROVED, _S.SIGNED)
OUT = (_S.FUNDED, _S.OLD_REPAID, _S.NEW_DRAWN, _S.SHORT_DRAWN, _S.RENEWAL_REFUSED, _S.OVERDUE)
"""States in which money of a funder is out."""
RESERVED = (_S.APPROVED, _S.SIGNED)
"""States in which money of a funder is held but not out."""
OVER = (_S.SETTLED, _S.REJECTED, _S.DECLINED, _S.CANCELLED)


def _each(states: Iterable[BridgeState], event: str, target: BridgeState | None, *who: P, **rest: bool) -> list[Move]:
    return [Move(state, event, target or state, who, **rest) for state in states]  # type: ignore[arg-type]


def reopens(state: BridgeState) -> str:
    """The event by which a returned bridge goes back to a state, because a return was recorded wrongly."""
    return f"reopen_{state.value.lower()}"


LIFECYCLE = Lifecycle("bridge", BridgeState, (
    Move(_S.APPLIED, "precheck", _S.PRECHECKED, (P.BRIDGE_DESK,), stamp="clerk_id"),
    Move(_S.APPLIED, "reject", _S.REJECTED, (P.BRIDGE_DESK,), needs_reason=True, stamp="clerk_id"),
    Move(_S.PRECHECKED, "commit", _S.BANK_COMMITTED, (P.BRIDGE_COMMIT,)),
    # A letter that runs out or holds a slip is signed again, never to the firm's harm; the first is kept as replaced.
    *_each(BEFORE_PAYOUT[2:], "commit", None, P.BRIDGE_COMMIT),
    *_each(BEFORE_PAYOUT[1:], "decline", _S.DECLINED, P.BRIDGE_COMMIT, needs_reason=True),
    Move(_S.BANK_COMMITTED, "offer", _S.PARTNER_OFFERED, (P.BRIDGE_OFFER,)),
    Move(_S.PARTNER_OFFERED, "offer", _S.PARTNER_OFFERED, (P.BRIDGE_OFFER,)),
    Move(_S.PARTNER_OFFERED, "pick", _S.PARTNER_OFFERED, (P.BRIDGE_APPLY,)),
    Move(_S.PARTNER_OFFERED, "approve", _S.APPROVED, (P.BRIDGE_APPROVE,), stamp="reviewer_id", other_than=("clerk_id",)),
    Move(_S.PARTNER_OFFERED, "reject", _S.REJECTED, (P.BRIDGE_APPROVE,), needs_reason=True, stamp="reviewer_id",
         other_than=("clerk_id",)),
    # The seat ran out before the firm signed.
    Move(_S.APPROVED, "hold_expired", _S.PARTNER_OFFERED, (P.BRIDGE_TICK,)),
    Move(_S.APPROVED, "sign", _S.SIGNED, (P.BRIDGE_APPLY,)),
    Move(_S.SIGNED, "fund", _S.FUNDED, (P.BRIDGE_PAY,), stamp="payer_id", other_than=("reviewer_id",)),
    # One of two notes is paid off; the other one is not yet.
    *_each((_S.FUNDED, _S.OVERDUE), "note_repaid", None, P.BRIDGE_CONFIRM),
    Move(_S.FUNDED, "old_repaid", _S.OLD_REPAID, (P.BRIDGE_CONFIRM,)),
    Move(_S.OVERDUE, "old_repaid", _S.OVERDUE, (P.BRIDGE_CONFIRM,)),
    # The loans room may tell of the drawdown (the portal itself acts), or the bank's officer here.
    Move(_S.OLD_REPAID, "new_drawn", _S.NEW_DRAWN, (P.BRIDGE_CONFIRM, P.BRIDGE_TICK)),
    Move(_S.OLD_REPAID, "short_drawn", _S.SHORT_DRAWN, (P.BRIDGE_CONFIRM, P.BRIDGE_TICK)),
    Move(_S.OVERDUE, "new_drawn", _S.OVERDUE, (P.BRIDGE_CONFIRM, P.BRIDGE_TICK)),
    Move(_S.OVERDUE, "short_drawn", _S.OVERDUE, (P.BRIDGE_CONFIRM, P.BRIDGE_TICK)),
    *_each((_S.FUNDED, _S.OLD_REPAID), "refuse_renewal", _S.RENEWAL_REFUSED, P.BRIDGE_CONFIRM,
           needs_reason=True),
    *_each((_S.OVERDUE,), "refuse_renewal", None, P.BRIDGE_CONFIRM, needs_reason=True),
    *_each(OUT, "return_part", None, P.BRIDGE_PAY),
    *_each(OUT, "returned", _S.BRIDGE_RETURNED, P.BRIDGE_PAY),
    *_each(OUT[:-1], "overdue", _S.OVERDUE, P.BRIDGE_TICK),
    Move(_S.BRIDGE_RETURNED, "settle", _S.SETTLED, (P.BRIDGE_PAY,)),
    # What was recorded wrongly goes back: the payout before anything followed it, a return until the bridge is settled.
    Move(_S.FUNDED, "unpay", _S.SIGNED, (P.BRIDGE_APPROVE,), needs_reason=True),
    *_each(OUT, "correct", None, P.BRIDGE_APPROVE, needs_reason=True),
    *(Move(_S.BRIDGE_RETURNED, reopens(state), state, (P.BRIDGE_APPROVE,), needs_reason=True) for state in OUT),
    *_each(BEFORE_PAYOUT, "cancel", _S.CANCELLED, P.BRIDGE_APPLY, P.BRIDGE_DESK, needs_reason=True),
))

EVENT_TEXTS = {
    "apply": N_("提出转贷申请"),
    "precheck": N_("转贷预审通过"),
    "reject": N_("转贷未通过"),
    "commit": N_("银行出具续贷承诺"),
    "decline": N_("银行不承诺续贷"),
    "offer": N_("资金方报价"),
    "pick": N_("企业选定资金方"),
    "approve": N_("转贷中心审批通过，资金已预留"),
    "hold_expired": N_("占用到期未签约，退回审批"),
    "sign": N_("签订三方协议"),
    "fund": N_("转贷资金付到还款账户"),
    "note_repaid": N_("原银行确认其中一张借据结清"),
    "old_repaid": N_("原银行确认旧贷款结清"),
    "new_drawn": N_("新贷款放款"),
    "short_drawn": N_("新贷款放款少于承诺"),
    "refuse_renewal": N_("银行在放款后未续贷"),
    "return_part": N_("转贷资金部分归还"),
    "returned": N_("转贷资金全部归还"),
    "overdue": N_("转贷逾期未归还"),
    "settle": N_("转贷结清"),
    "unpay": N_("更正放款登记，转贷回到待放款"),
    "correct": N_("更正归还登记"),
    **{reopens(state): N_("更正归还登记，转贷恢复未结") for state in OUT},
    "cancel": N_("取消转贷"),
}


class QuoteState(StrEnum):
    """Where a fund's quote stands."""

    INVITED = "INVITED"
    OFFERED = "OFFERED"
    PICKED = "PICKED"
    PASSED = "PASSED"
    LAPSED = "LAPSED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _QUOTE_NAMES[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return {"INVITED": "wait", "OFFERED": "info", "PICKED": "good"}.get(self.value, "plain")  # type: ignore[return-value]


_QUOTE_NAMES = {
    QuoteState.INVITED: N_("待报价"), QuoteState.OFFERED: N_("已报价"), QuoteState.PICKED: N_("已选定"),
    QuoteState.PASSED: N_("不报价"), QuoteState.LAPSED: N_("未选中"),
}


class HopAccount(StrEnum):
    """The three accounts on which bridge money may sit (closed loop rule), and where the bank pays the renewal money."""

    FUNDER = "FUNDER"
    CUSTODY = "CUSTODY"
    REPAYMENT = "REPAYMENT"
    RENEWAL = "RENEWAL"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return {
            HopAccount.FUNDER: N_("资金方账户"), HopAccount.CUSTODY: N_("托管账户"), HopAccount.REPAYMENT: N_("贷款还款账户"),
            HopAccount.RENEWAL: N_("续贷资金收款账户"),
        }[self]
