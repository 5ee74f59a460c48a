"""会诊: where a joint second look stands, what a bank may say of it, and what the desk may advise. Closed lists."""

from __future__ import annotations

from enum import StrEnum

from app.core.working import N_


class ConsultState(StrEnum):
    """Where a consultation stands. Banks read it from SITTING on, the firm its advice once it is ADVISED."""

    PROPOSED = "PROPOSED"
    SITTING = "SITTING"
    ADVISED = "ADVISED"
    DECLINED = "DECLINED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class Outcome(StrEnum):
    """What a bank says."""

    WOULD_IF = "WOULD_IF"
    WOULD_NOT = "WOULD_NOT"
    ASKS = "ASKS"


class Advice(StrEnum):
    """What the desk advises the firm to do."""

    NEXT_ROUND = "NEXT_ROUND"
    OTHER_PRODUCT = "OTHER_PRODUCT"
    IMPROVE = "IMPROVE"


CONSULT_STATES: dict[str, str] = {
    ConsultState.PROPOSED: N_("待企业同意"), ConsultState.SITTING: N_("会诊中"), ConsultState.ADVISED: N_("已有建议"),
    ConsultState.DECLINED: N_("企业不同意"), ConsultState.CANCELLED: N_("已取消"), ConsultState.EXPIRED: N_("逾期结束"),
}  # fmt: skip
CONSULT_TONES = {
    ConsultState.PROPOSED: "wait", ConsultState.SITTING: "info", ConsultState.ADVISED: "good", ConsultState.DECLINED: "plain",
    ConsultState.CANCELLED: "plain", ConsultState.EXPIRED: "bad",
}  # fmt: skip
OUTCOMES: dict[str, str] = {
    Outcome.WOULD_IF: N_("满足条件可以贷"), Outcome.WOULD_NOT: N_("不能贷"), Outcome.ASKS: N_("需要企业先说明"),
}  # fmt: skip
CONDITIONS: dict[str, str] = {
    "LESS_AMOUNT": N_("降低金额"), "OTHER_TERM": N_("调整期限"), "GUARANTEE": N_("增加担保人或政府性融资担保"),
    "COLLATERAL": N_("增加抵押或质押"), "POOL": N_("纳入风险补偿资金池"), "DATA": N_("授权更多经营数据"),
    "DEBT": N_("先还清部分已有贷款"), "OTHER": N_("其他"),
}  # fmt: skip
"""On what a bank would lend; the reasons why it would not are those of a refusal (``answer_words.REFUSALS``)."""
ADVICES: dict[str, str] = {
    Advice.NEXT_ROUND: N_("再发起一轮"), Advice.OTHER_PRODUCT: N_("换一种产品"), Advice.IMPROVE: N_("先改善经营或信用"),
}  # fmt: skip
