"""Whose turn it is with a bridge, by when, and what happens otherwise (transfer-loan paper §4, suggested times [P])."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.bridge.models import Bridge
from app.bridge.rules import return_due_on
from app.bridge.states import BridgeState
from app.core.calendar import close_after, end_of_working_day
from app.core.context import Context
from app.core.errors import N_
from app.core.permissions import Permission as P
from app.market import policy


@dataclass(frozen=True)
class Turn:
    """A step that somebody has to take. ``column`` names the organisation that alone may take it.

    ``level`` names the working days (of ``TransferRules``) from the moment the bridge came into its state; ``same_day`` is due on
    that working day; neither has no deadline of its own.
    """

    permission: P
    whose: str
    text: str
    endpoint: str
    action: str
    level: str | None = None
    otherwise: str = ""
    column: str | None = None
    same_day: bool = False


_S = BridgeState
_CENTRE, _FIRM, _BANK = N_("转贷中心"), N_("企业"), N_("银行")
_BACK = Turn(
    P.BRIDGE_PAY, _CENTRE, N_("续贷资金到账后，登记归还"), "bridge.returned", N_("登记归还"), None,
    N_("应还日后一个工作日未归还即为逾期，并通知各方。"), same_day=True,
)
PICK = Turn(
    P.BRIDGE_APPLY, _FIRM, N_("比较资金方报价，选定一家"), "bridge.show", N_("选资金方"), "pick_wd", "", "firm_id",
)
APPROVE = Turn(
    P.BRIDGE_APPROVE, N_("转贷中心复核"), N_("复核这笔转贷；批准即预留资金"), "bridge.show", N_("审批"), "approve_wd",
)
TURNS: dict[BridgeState, Turn] = {
    _S.APPLIED: Turn(P.BRIDGE_DESK, _CENTRE, N_("预审转贷申请"), "bridge.precheck", N_("预审"), "precheck_wd"),
    _S.PRECHECKED: Turn(
        P.BRIDGE_COMMIT, _BANK, N_("出具续贷承诺，或写明理由不承诺"), "bridge.commit", N_("出具承诺"), "promise_wd", "",
        "new_bank_org_id",
    ),
    _S.BANK_COMMITTED: Turn(P.BRIDGE_OFFER, N_("资金方"), N_("为这笔转贷报价"), "bridge.show", N_("报价"), "quote_wd"),
    _S.APPROVED: Turn(
        P.BRIDGE_APPLY, _FIRM, N_("看清费用，签订三方协议"), "bridge.sign", N_("看费用并签约"), None,
        N_("签约前可以取消，预留的资金会释放。"), "firm_id",
    ),
    _S.SIGNED: Turn(
        P.BRIDGE_PAY, _CENTRE, N_("核对自有资金到账后放款"), "bridge.pay", N_("登记放款"), None,
        N_("未在到期日前放款，旧贷款会逾期。"),
    ),
    _S.FUNDED: Turn(
        P.BRIDGE_CONFIRM, N_("原银行"), N_("扣收旧贷款并确认结清"), "bridge.repaid", N_("确认旧贷结清"), None, "",
        "old_bank_org_id", same_day=True,
    ),
    _S.OLD_REPAID: Turn(
        P.BRIDGE_CONFIRM, N_("续贷银行"), N_("按承诺放款并登记新借据"), "bridge.drawn", N_("登记新贷放款"), "drawdown_wd",
        N_("不续贷须在期限内写明理由。"), "new_bank_org_id",
    ),
    _S.NEW_DRAWN: _BACK,
    _S.SHORT_DRAWN: _BACK,
    _S.RENEWAL_REFUSED: _BACK,
    _S.OVERDUE: _BACK,
    _S.BRIDGE_RETURNED: Turn(P.BRIDGE_PAY, _CENTRE, N_("登记费用，结清这笔转贷"), "bridge.settle", N_("结清"), "settle_wd"),
}


def turn_of(bridge: Bridge) -> Turn | None:
    """The step that is due; ``None`` once the bridge is over."""
    if bridge.state == _S.PARTNER_OFFERED:
        return PICK if bridge.fund_id is None else APPROVE
    return TURNS.get(BridgeState(bridge.state))


def is_mine(ctx: Context, bridge: Bridge, turn: Turn) -> bool:
    """Whether the step is the viewer's own."""
    if not ctx.can(turn.permission):
        return False
    owner: UUID | None = getattr(bridge, turn.column) if turn.column is not None else ctx.org_id
    return owner == ctx.org_id


def due_at(bridge: Bridge, turn: Turn) -> datetime | None:
    """The moment by which the step should be taken."""
    if turn is TURNS[_S.SIGNED]:
        return end_of_working_day(bridge.old_due_on)
    if turn is _BACK and bridge.expected_return_on is not None:
        return end_of_working_day(return_due_on(bridge.expected_return_on))
    if turn.level is None and not turn.same_day:
        return None
    days = getattr(policy.transfer(), turn.level) if turn.level is not None else 0
    return close_after(bridge.state_since, days)
