"""The words of the market: states, purposes, ways of sending a need out; each with its Chinese name."""

from __future__ import annotations

from enum import StrEnum

from app.core.working import N_
from app.market.bid_words import BID_STATES as BID_STATES
from app.market.bid_words import BID_TONES as BID_TONES
from app.market.bid_words import BidState as BidState
from app.market.bid_words import ChoiceState as ChoiceState
from app.market.product_words import PRODUCT_KINDS
from app.market.terms import RepaymentMethod


class NeedState(StrEnum):
    """Where a financing need stands. Bids are sealed while it is OPEN and compared while it is CLOSED."""

    DRAFT = "DRAFT"
    CHECKING = "CHECKING"
    RETURNED = "RETURNED"
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    CHOSEN = "CHOSEN"
    WITHDRAWN = "WITHDRAWN"
    LAPSED = "LAPSED"




class EndReason(StrEnum):
    """Why a need ended without a loan, as the topic ``need.ended`` tells."""

    WITHDRAWN = "WITHDRAWN"
    NOT_SUBMITTED = "NOT_SUBMITTED"
    NO_BIDS = "NO_BIDS"
    NOT_CHOSEN = "NOT_CHOSEN"
    NOT_KEPT = "NOT_KEPT"


class Purpose(StrEnum):
    """What the firm wants the money for."""

    PURCHASE = "PURCHASE"
    WAGES = "WAGES"
    EQUIPMENT = "EQUIPMENT"
    EXPANSION = "EXPANSION"
    RESEARCH = "RESEARCH"
    OTHER = "OTHER"


class Distribution(StrEnum):
    """Who hears of a need: every bank, the few the firm names, those whose turn it is, or those of a list (peer-platforms
    paper §4 [P])."""

    OPEN = "open"
    TARGETED = "targeted"
    ASSIGNED = "assigned"
    LIST = "list"


LIVE_STATES = (NeedState.CHECKING.value, NeedState.OPEN.value, NeedState.CLOSED.value)
"""A need that binds the firm's time: five of them at most at once (migration 0042)."""

ANY = "ANY"
"""The firm leaves it to the bank."""

NEED_STATES: dict[str, str] = {
    NeedState.DRAFT: N_("草稿"), NeedState.CHECKING: N_("核对中"), NeedState.RETURNED: N_("待修改"),
    NeedState.OPEN: N_("报价中"), NeedState.CLOSED: N_("待选定"),
    NeedState.CHOSEN: N_("已选定"), NeedState.WITHDRAWN: N_("已撤回"), NeedState.LAPSED: N_("已失效"),
}  # fmt: skip
NEED_TONES = {
    NeedState.DRAFT: "plain", NeedState.CHECKING: "info", NeedState.RETURNED: "wait", NeedState.OPEN: "info",
    NeedState.CLOSED: "wait", NeedState.CHOSEN: "good", NeedState.WITHDRAWN: "plain", NeedState.LAPSED: "plain",
}  # fmt: skip
WANTED_KINDS: dict[str, str] = {ANY: N_("不限，由银行建议"), **PRODUCT_KINDS}
PURPOSES: dict[str, str] = {
    Purpose.PURCHASE: N_("采购原料或商品"), Purpose.WAGES: N_("发放工资、支付货款等周转"),
    Purpose.EQUIPMENT: N_("购置设备"), Purpose.EXPANSION: N_("扩建、装修或新开门店"), Purpose.RESEARCH: N_("研发与技术改造"),
    Purpose.OTHER: N_("其他经营用途"),
}  # fmt: skip
METHODS: dict[str, str] = {method: method.label for method in RepaymentMethod}
FIXED_METHODS: dict[str, str] = {method: method.label for method in RepaymentMethod if method is not RepaymentMethod.FREE}
"""Those that need no plan: what a firm may wish for, and loans agreed outside the portal."""
WANTED_METHODS: dict[str, str] = {ANY: N_("不限，由银行建议"), **FIXED_METHODS}
DISTRIBUTIONS: dict[str, str] = {
    Distribution.OPEN: N_("公开：所有合作银行都能看到需求卡片"),
    Distribution.TARGETED: N_("定向：只发给我指定的银行"),
    Distribution.ASSIGNED: N_("派单：由平台轮流派给几家银行，逾期未答复自动转派"),
    Distribution.LIST: N_("清单：由平台编入推荐清单，成批推送给银行"),
}
SIZES: dict[str, str] = {
    "micro": N_("微型"),
    "small": N_("小型"),
    "medium": N_("中型"),
    "large": N_("大型"),
    "unknown": N_("规模未定"),
}
FORMS: dict[str, str] = {"company": N_("企业"), "sole_trader": N_("个体"), "cooperative": N_("合作社")}
