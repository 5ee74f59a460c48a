"""Step 0: who may ask for renewal without repayment (无还本续贷), and what a bank may answer (transfer-loan paper §6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission as P
from app.core.working import N_

Tone = Literal["good", "wait", "bad", "info", "plain"]


class AskSource(StrEnum):
    """Where the answer comes from: the bank on the portal, the firm for a bank outside it, or the rule itself."""

    PORTAL = "PORTAL"
    STATED = "STATED"
    RULE = "RULE"


class AskState(StrEnum):
    """Where an ask stands."""

    ASKED = "ASKED"
    GRANTED = "GRANTED"
    REFUSED = "REFUSED"
    UNANSWERED = "UNANSWERED"
    WITHDRAWN = "WITHDRAWN"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _NAMES[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _TONES[self]


_NAMES = {
    AskState.ASKED: N_("待银行答复"), AskState.GRANTED: N_("同意无还本续贷"), AskState.REFUSED: N_("不同意无还本续贷"),
    AskState.UNANSWERED: N_("到期未答复"), AskState.WITHDRAWN: N_("已撤回"),
}
_TONES: dict[AskState, Tone] = {
    AskState.ASKED: "wait", AskState.GRANTED: "good", AskState.REFUSED: "plain", AskState.UNANSWERED: "bad",
    AskState.WITHDRAWN: "plain",
}

REASONS: dict[str, str] = {
    "MUST_REPAY": N_("本行要求先还后贷"),
    "POLICY": N_("本行对该产品或行业没有无还本续贷政策"),
    "OPERATION": N_("经营不持续或明显恶化"),
    "RECORD": N_("信用记录不良"),
    "NEED": N_("没有真实的续贷需求"),
    "USE": N_("原贷款用途不合规"),
    "SECURITY": N_("担保条件不足"),
    "SCOPE": N_("不在无还本续贷的适用范围"),
    "OTHER": N_("其他（请写明）"),
}
"""Why a bank does not renew without repayment: a closed list, so that refusals can be counted [P]."""

_S = AskState
ASK = Lifecycle("renewal_ask", AskState, (
    Move(_S.ASKED, "grant", _S.GRANTED, (P.BRIDGE_CONFIRM,)),
    Move(_S.ASKED, "refuse", _S.REFUSED, (P.BRIDGE_CONFIRM,)),
    # A late answer is taken all the same; that it was late is counted.
    Move(_S.UNANSWERED, "grant", _S.GRANTED, (P.BRIDGE_CONFIRM,)),
    Move(_S.UNANSWERED, "refuse", _S.REFUSED, (P.BRIDGE_CONFIRM,)),
    Move(_S.ASKED, "withdraw", _S.WITHDRAWN, (P.BRIDGE_APPLY,)),
    Move(_S.ASKED, "lapse", _S.UNANSWERED, (P.BRIDGE_TICK,)),
))
ASK_EVENTS = {
    "ask": N_("申请无还本续贷"), "grant": N_("银行同意无还本续贷"), "refuse": N_("银行不同意无还本续贷"),
    "withdraw": N_("撤回无还本续贷申请"), "lapse": N_("银行到期未答复"),
}


@dataclass(frozen=True, slots=True)
class Borrower:
    """Who asks, for which loan. ``size_class`` by 300号; ``working_capital``: the loan is a 流动资金贷款."""

    size_class: str
    sole_trader: bool
    working_capital: bool
    due_on: date


class Scope(StrEnum):
    """Whether 金规〔2024〕13号 lets a firm ask."""

    MAY_ASK = "MAY_ASK"
    OUTSIDE = "OUTSIDE"
    TOO_LARGE = "TOO_LARGE"


def scope_of(who: Borrower, medium_until: date) -> Scope:
    """Small and micro firms and sole traders may ask; medium firms for working capital that falls due up to
    ``medium_until`` (金规〔2024〕13号 [C18][C19]). A medium firm outside may go on to a bridge; a large one may not."""
    size = who.size_class.upper()
    if who.sole_trader or size in ("SMALL", "MICRO"):
        return Scope.MAY_ASK
    if size == "MEDIUM":
        return Scope.MAY_ASK if who.working_capital and who.due_on <= medium_until else Scope.OUTSIDE
    return Scope.TOO_LARGE
