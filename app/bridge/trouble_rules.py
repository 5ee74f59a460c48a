"""What may go wrong with a bridge (transfer-loan paper §5): kinds, owners, deadlines, and the life of a trouble."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from app.bridge.states import BridgeState, Tone
from app.core.calendar import add_working_days, close_after
from app.core.errors import N_
from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import OrgKind, Role
from app.core.permissions import Permission as P
from app.market.transfer_rules import TransferRules


class TroubleKind(StrEnum):
    """The bad paths of a bridge that have an owner and a deadline."""

    RENEWAL_REFUSED = "RENEWAL_REFUSED"
    SHORT_DRAWN = "SHORT_DRAWN"
    COURT_FREEZE = "COURT_FREEZE"
    OLD_LOAN_LATE = "OLD_LOAN_LATE"
    OVERDUE = "OVERDUE"
    PROMISE_EXPIRED = "PROMISE_EXPIRED"
    COLLATERAL_RELEASE = "COLLATERAL_RELEASE"
    COLLATERAL_REGISTER = "COLLATERAL_REGISTER"
    GUARANTEE_CALLED = "GUARANTEE_CALLED"
    DOUBLED = "DOUBLED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return KINDS[self].name


@dataclass(frozen=True)
class Kind:
    """A kind of trouble. ``column`` of the bridge names the owner, ``None`` the centre or, of a guarantee, the guarantor;
    ``level`` the working days (of ``TransferRules``) in which to act.

    ``answer_is_enough``: an answer in words meets the deadline; otherwise only the fact that ends the trouble does.
    """

    name: str
    column: str | None
    owner: str
    role: Role
    level: str
    todo: str
    answer_is_enough: bool = False


KINDS: dict[TroubleKind, Kind] = {
    TroubleKind.RENEWAL_REFUSED: Kind(
        N_("放款后未续贷"), "new_bank_org_id", N_("续贷银行"), Role.BANK_OFFICER, "refusal_reason_wd",
        N_("续贷银行在期限前写明不续贷的理由，或说明仍将续贷。资金方对企业的债权继续有效。"), answer_is_enough=True,
    ),
    TroubleKind.SHORT_DRAWN: Kind(
        N_("新贷款不足额"), "firm_id", N_("企业"), Role.FIRM_REPRESENTATIVE, "gap_wd",
        N_("企业在期限前补足差额，转贷在全部归还前保持未结。"),
    ),
    TroubleKind.COURT_FREEZE: Kind(
        N_("账户被冻结"), None, N_("转贷中心"), Role.CENTRE_CLERK, "freeze_wd",
        N_("冻结期间不登记新贷款放款。解除后上传解除文书，再继续办理。"),
    ),
    TroubleKind.OLD_LOAN_LATE: Kind(
        N_("转贷资金迟到，旧贷款已过到期日"), "funder_org_id", N_("资金方"), Role.FUNDER_CLERK, "late_payout_wd",
        N_("资金方立即付款，由原银行确认旧贷款结清。"),
    ),
    TroubleKind.OVERDUE: Kind(
        N_("逾期未归还"), "firm_id", N_("企业"), Role.FIRM_REPRESENTATIVE, "late_return_wd",
        N_("企业归还尚欠的转贷资金；登记归还后本项自动了结。"),
    ),
    TroubleKind.PROMISE_EXPIRED: Kind(
        N_("承诺到期仍未放款"), "new_bank_org_id", N_("续贷银行"), Role.BANK_OFFICER, "lapsed_promise_wd",
        N_("续贷银行放款，或写明理由不续贷；资金放出前也可以重新出具承诺。"), answer_is_enough=True,
    ),
    TroubleKind.COLLATERAL_RELEASE: Kind(
        N_("担保物迟未解除登记"), "old_bank_org_id", N_("原银行"), Role.BANK_OFFICER, "late_collateral_wd",
        N_("旧贷款已结清，原银行立即解除担保物登记；登记解除后本项自动了结。"),
    ),
    TroubleKind.COLLATERAL_REGISTER: Kind(
        N_("担保物迟未办理新登记"), "new_bank_org_id", N_("续贷银行"), Role.BANK_OFFICER, "late_collateral_wd",
        N_("续贷银行立即办理担保物新登记；办妥后本项自动了结。"),
    ),
    TroubleKind.GUARANTEE_CALLED: Kind(
        N_("逾期，由担保机构代偿"), None, N_("担保机构"), Role.GUARANTOR_CLERK, "called_guarantor_wd",
        N_("担保机构把尚欠金额付到还款账户；登记归还后本项自动了结，债权随之了结。"),
    ),
    TroubleKind.DOUBLED: Kind(
        N_("同一借据重复申请"), None, N_("转贷中心"), Role.CENTRE_CLERK, "doubled_wd",
        N_("后一份申请已被拒绝。转贷中心向企业和银行核实，写明结果。"), answer_is_enough=True,
    ),
}
REPORTED: dict[TroubleKind, tuple[BridgeState, ...]] = {
    TroubleKind.COURT_FREEZE: (BridgeState.FUNDED, BridgeState.OLD_REPAID, BridgeState.OVERDUE),
    TroubleKind.RENEWAL_REFUSED: (BridgeState.FUNDED, BridgeState.OLD_REPAID, BridgeState.OVERDUE),
}
"""What people report by hand, and the states of the bridge in which they may: between payout and drawdown (§5)."""

REPORTERS: dict[TroubleKind, tuple[OrgKind, ...]] = {
    TroubleKind.COURT_FREEZE: (OrgKind.BANK, OrgKind.FUNDER, OrgKind.BRIDGE_CENTRE),
    TroubleKind.RENEWAL_REFUSED: (OrgKind.ENTERPRISE, OrgKind.FUNDER, OrgKind.BRIDGE_CENTRE),
}
"""Who reports it. A bank that refuses says so with its reason on the bridge itself."""


class TroubleState(StrEnum):
    """Where a trouble stands."""

    OPEN = "OPEN"
    ANSWERED = "ANSWERED"
    CLOSED = "CLOSED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return {
            TroubleState.OPEN: N_("待处理"), TroubleState.ANSWERED: N_("已答复，待了结"), TroubleState.CLOSED: N_("已了结"),
        }[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return "good" if self is TroubleState.CLOSED else "info" if self is TroubleState.ANSWERED else "wait"


_T = TroubleState
_SYSTEM = (P.BRIDGE_TICK,)
_OWNER = (P.BRIDGE_ANSWER,)

TROUBLE = Lifecycle("bridge_trouble", TroubleState, (
    Move(_T.OPEN, "answer", _T.ANSWERED, _OWNER, needs_reason=True, stamp="answered_by"),
    Move(_T.OPEN, "reply", _T.OPEN, _OWNER, needs_reason=True, stamp="answered_by"),
    Move(_T.OPEN, "deny", _T.CLOSED, _OWNER, needs_reason=True, stamp="closed_by"),
    Move(_T.OPEN, "lift", _T.CLOSED, _OWNER, needs_reason=True, stamp="closed_by"),
    # What the bridge itself did ends a trouble; nobody closes one by hand while money is out.
    Move(_T.OPEN, "resolve", _T.CLOSED, _SYSTEM, stamp="closed_by"),
    Move(_T.ANSWERED, "resolve", _T.CLOSED, _SYSTEM, stamp="closed_by"),
))

TROUBLE_EVENTS = {
    "open": N_("发生异常事项"), "answer": N_("责任方答复异常事项"), "reply": N_("责任方说明异常事项"),
    "deny": N_("银行说明仍将续贷"), "lift": N_("冻结已解除"), "resolve": N_("异常事项了结"),
}


class ClaimState(StrEnum):
    """Whether the funder's claim stands."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


CLAIM = Lifecycle("bridge_claim", ClaimState, (
    Move(ClaimState.OPEN, "close", ClaimState.CLOSED, _SYSTEM),
    Move(ClaimState.OPEN, "pass", ClaimState.CLOSED, _SYSTEM),
))
CLAIM_EVENTS = {
    "open": N_("资金方对企业的未清偿债权成立"), "take_over": N_("资金方对担保机构的未清偿债权成立"),
    "close": N_("该笔债权已清偿"), "pass": N_("未清偿债权转向担保机构"),
}


class Outcome(StrEnum):
    """How a trouble ended."""

    RETURNED = "RETURNED"
    DRAWN = "DRAWN"
    RENEWING = "RENEWING"
    PROMISED = "PROMISED"
    REFUSED = "REFUSED"
    LIFTED = "LIFTED"
    REPAID = "REPAID"
    ENDED = "ENDED"
    MOVED = "MOVED"
    PASSED = "PASSED"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _OUTCOMES[self]


_OUTCOMES = {
    Outcome.RETURNED: N_("转贷资金已全部归还"), Outcome.DRAWN: N_("新贷款已放款"), Outcome.RENEWING: N_("银行说明仍将续贷"),
    Outcome.PROMISED: N_("银行重新出具承诺"), Outcome.REFUSED: N_("银行写明理由不续贷"), Outcome.LIFTED: N_("冻结已解除"),
    Outcome.REPAID: N_("旧贷款已结清"), Outcome.ENDED: N_("转贷已结束"), Outcome.MOVED: N_("登记已办妥"),
    Outcome.PASSED: N_("债权已转向担保机构"),
}

COLLATERAL = (TroubleKind.COLLATERAL_RELEASE, TroubleKind.COLLATERAL_REGISTER)
"""What stands until the collateral is where it should be, whatever becomes of the money."""

CALLED_OFF = ("decline", "reject", "cancel")
"""Events that end a bridge before its money is out."""
ENDS: dict[str, dict[TroubleKind, Outcome]] = {
    "commit": {TroubleKind.PROMISE_EXPIRED: Outcome.PROMISED},
    "old_repaid": {TroubleKind.OLD_LOAN_LATE: Outcome.REPAID},
    "new_drawn": {TroubleKind.PROMISE_EXPIRED: Outcome.DRAWN, TroubleKind.RENEWAL_REFUSED: Outcome.DRAWN},
    "short_drawn": {TroubleKind.PROMISE_EXPIRED: Outcome.DRAWN, TroubleKind.RENEWAL_REFUSED: Outcome.DRAWN},
    "refuse_renewal": {TroubleKind.PROMISE_EXPIRED: Outcome.REFUSED},
    "returned": {kind: Outcome.RETURNED for kind in TroubleKind if kind not in COLLATERAL},
    **{event: dict.fromkeys(TroubleKind, Outcome.ENDED) for event in CALLED_OFF},
}
"""Which event of the bridge ends which trouble, and how."""

UNDRAWN = (BridgeState.APPROVED, BridgeState.SIGNED, BridgeState.FUNDED, BridgeState.OLD_REPAID, BridgeState.OVERDUE)
"""States in which a promise that runs out is a trouble: money of a funder is held or out, and the new loan is not drawn."""


def due_at(kind: TroubleKind, opened: datetime, rules: TransferRules = TransferRules()) -> datetime:
    """The close of the working day by which the owner must have acted, counted from the working day of the opening."""
    return close_after(opened, getattr(rules, KINDS[kind].level))


def old_loan_late(old_due_on: date, today: date) -> bool:
    """Whether a note that fell due on a day (a holiday passes to the next working day) is past it."""
    return old_due_on <= add_working_days(today, -1)


def short_gap(outstanding_fen: int, new_amount_fen: int) -> int:
    """What the firm must add in 分 when the new loan is smaller than what is out; 0 where it still covers it."""
    return max(0, outstanding_fen - new_amount_fen)


def hours_late(due: datetime, moment: datetime) -> int:
    """Whole hours past the deadline; 0 before it."""
    return max(0, int((moment - due).total_seconds() // 3600))
