"""The words of bids and choices: states with their Chinese names and tones, sentences of the database."""

from __future__ import annotations

from enum import StrEnum

from app.core.working import N_


class BidState(StrEnum):
    """Where a bank's bid stands. PROPOSED waits for the approver; a submitted bid never changes its terms.

    SUBMITTED is sealed, OPENED lies before the firm. A LOST bid binds its bank on until its day: it is the next best.
    """

    DRAFT = "DRAFT"
    PROPOSED = "PROPOSED"
    SUBMITTED = "SUBMITTED"
    REPLACED = "REPLACED"
    WITHDRAWN = "WITHDRAWN"
    OPENED = "OPENED"
    CHOSEN = "CHOSEN"
    LOST = "LOST"
    LAPSED = "LAPSED"


class ChoiceState(StrEnum):
    """The bank's promise after the choice: approved, signed, kept by lending; or cancelled before that, with its outcome."""

    LIVE = "LIVE"
    APPROVED = "APPROVED"
    SIGNED = "SIGNED"
    KEPT = "KEPT"
    CANCELLED = "CANCELLED"


class Outcome(StrEnum):
    """How a promise ended. EXCUSED: refused on a condition of the bid. BROKEN: not kept in time."""

    KEPT = "KEPT"
    EXCUSED = "EXCUSED"
    BROKEN = "BROKEN"


class AwardState(StrEnum):
    """The firm's decision: it stands still for objections, then binds, until the loan is drawn or the promise falls."""

    STANDSTILL = "STANDSTILL"
    FINAL = "FINAL"
    DONE = "DONE"
    FALLEN = "FALLEN"


class ObjectionState(StrEnum):
    """Where an objection of a bank that was not chosen stands."""

    OPEN = "OPEN"
    DISMISSED = "DISMISSED"
    UPHELD = "UPHELD"


class ObjectionReason(StrEnum):
    """On what a bank that was not chosen may object."""

    BID_NOT_OPENED = "BID_NOT_OPENED"
    BANNED_TERMS = "BANNED_TERMS"
    CONFLICT = "CONFLICT"
    OTHER = "OTHER"


CHOICE_STATES: dict[str, str] = {
    ChoiceState.LIVE: N_("待银行审批"), ChoiceState.APPROVED: N_("已批准，待签约"), ChoiceState.SIGNED: N_("已签约，待放款"),
    ChoiceState.KEPT: N_("已放款，承诺兑现"), ChoiceState.CANCELLED: N_("已取消"),
}  # fmt: skip
OUTCOMES: dict[str, str] = {
    Outcome.KEPT: N_("承诺兑现"), Outcome.EXCUSED: N_("条件不成立，未放款"), Outcome.BROKEN: N_("承诺未兑现"),
}  # fmt: skip
AWARD_STATES: dict[str, str] = {
    AwardState.STANDSTILL: N_("公示中"), AwardState.FINAL: N_("已生效"), AwardState.DONE: N_("已放款"),
    AwardState.FALLEN: N_("未成立"),
}  # fmt: skip
OBJECTION_STATES: dict[str, str] = {
    ObjectionState.OPEN: N_("待服务台处理"), ObjectionState.DISMISSED: N_("不成立"), ObjectionState.UPHELD: N_("成立"),
}  # fmt: skip
OBJECTION_REASONS: dict[str, str] = {
    ObjectionReason.BID_NOT_OPENED: N_("本行的报价没有开启，或与回执不一致"),
    ObjectionReason.BANNED_TERMS: N_("被选定的报价含有禁止的收费或搭售"),
    ObjectionReason.CONFLICT: N_("企业与被选定的银行有利益关系"), ObjectionReason.OTHER: N_("其他"),
}  # fmt: skip


class TieKind(StrEnum):
    """What else the bank wants sold or done with the loan. MARGIN is the pledge or margin that secures it, which no ban means."""

    DEPOSIT = "DEPOSIT"
    SETTLEMENT = "SETTLEMENT"
    PAYROLL = "PAYROLL"
    INSURANCE = "INSURANCE"
    CARD = "CARD"
    WEALTH = "WEALTH"
    MARGIN = "MARGIN"
    OTHER = "OTHER"


class ConditionKind(StrEnum):
    """The closed list of what a binding bid may depend on. The last two every bid has."""

    GUARANTEE_SIGNED = "GUARANTEE_SIGNED"
    COLLATERAL_REGISTERED = "COLLATERAL_REGISTERED"
    RECEIVABLE_CONFIRMED = "RECEIVABLE_CONFIRMED"
    INSURANCE_ISSUED = "INSURANCE_ISSUED"
    OWNER_LIABLE = "OWNER_LIABLE"
    USE_PROVED = "USE_PROVED"
    ON_SITE_CHECK = "ON_SITE_CHECK"
    PAPERS_TRUE = "PAPERS_TRUE"
    NOTHING_WORSE = "NOTHING_WORSE"


TIE_KINDS: dict[str, str] = {
    TieKind.DEPOSIT: N_("存款"), TieKind.SETTLEMENT: N_("在本行结算"), TieKind.PAYROLL: N_("在本行代发工资"),
    TieKind.INSURANCE: N_("保险"), TieKind.CARD: N_("信用卡"), TieKind.WEALTH: N_("理财、基金"),
    TieKind.MARGIN: N_("作为担保的保证金或存单"), TieKind.OTHER: N_("其他产品或服务"),
}  # fmt: skip
CONDITION_KINDS: dict[str, str] = {
    ConditionKind.GUARANTEE_SIGNED: N_("保证或担保合同已签订"),
    ConditionKind.COLLATERAL_REGISTERED: N_("抵押或质押已登记"),
    ConditionKind.RECEIVABLE_CONFIRMED: N_("应收账款经债务人确认（30 日内）"),
    ConditionKind.INSURANCE_ISSUED: N_("保证保险已出单"),
    ConditionKind.OWNER_LIABLE: N_("法定代表人或实际控制人连带保证"),
    ConditionKind.USE_PROVED: N_("提供资金用途的合同或订单"),
    ConditionKind.ON_SITE_CHECK: N_("实地核查与申报一致"), ConditionKind.PAPERS_TRUE: N_("申报的资料真实"),
    ConditionKind.NOTHING_WORSE: N_("报价后没有新的涉诉、失信或逾期"),
}  # fmt: skip
USUAL_CONDITIONS = (ConditionKind.PAPERS_TRUE, ConditionKind.NOTHING_WORSE)
"""What every bid depends on, whether its bank ticks it or not."""

BID_STATES: dict[str, str] = {
    BidState.DRAFT: N_("起草中"), BidState.PROPOSED: N_("待审批"), BidState.SUBMITTED: N_("已提交"),
    BidState.REPLACED: N_("已由新报价替换"), BidState.WITHDRAWN: N_("已撤回"), BidState.OPENED: N_("已开启"),
    BidState.CHOSEN: N_("被选定"), BidState.LOST: N_("未被选定"), BidState.LAPSED: N_("已失效"),
}  # fmt: skip

BID_TONES = {
    BidState.DRAFT: "plain", BidState.PROPOSED: "wait", BidState.SUBMITTED: "info", BidState.REPLACED: "plain",
    BidState.WITHDRAWN: "plain", BidState.OPENED: "info", BidState.CHOSEN: "good", BidState.LOST: "plain",
    BidState.LAPSED: "plain",
}  # fmt: skip

WITHDRAWN_NOTICES = (
    N_("企业已撤回融资需求，本行的报价随之失效，内容未向任何人开启。"), N_("企业已撤回融资需求，本行的报价随之失效。"),
)
"""What the database itself tells a bank whose sealed bid ends with its need (``hq_need_withdrawn``)."""

CORRECTED_NOTICE = N_("企业更正了融资需求，本行已提交的报价随之失效，内容未向任何人开启。请按新的需求重新报价。")
"""What the database itself tells a bank whose sealed bid answers a need that is another one now (``hq_need_corrected``)."""
