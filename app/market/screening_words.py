"""Why the desk returns a need: a closed list, each with what helps."""

from __future__ import annotations

from enum import StrEnum

from app.core.working import N_


class ReturnReason(StrEnum):
    """What the desk finds wrong with a need before banks see it."""

    USE_UNCLEAR = "USE_UNCLEAR"
    AMOUNT_ODD = "AMOUNT_ODD"
    DATA_MISSING = "DATA_MISSING"
    DUPLICATE = "DUPLICATE"
    USE_BANNED = "USE_BANNED"
    FIRM_WRONG = "FIRM_WRONG"


RETURN_REASONS: dict[str, str] = {
    ReturnReason.USE_UNCLEAR: N_("用途不清"), ReturnReason.AMOUNT_ODD: N_("金额与经营情况不符"),
    ReturnReason.DATA_MISSING: N_("资料缺失"), ReturnReason.DUPLICATE: N_("重复提交"),
    ReturnReason.USE_BANNED: N_("用途不合规（购房、证券投资、转借等）"), ReturnReason.FIRM_WRONG: N_("主体信息待更正"),
}  # fmt: skip
RETURN_HELP: dict[str, str] = {
    ReturnReason.USE_UNCLEAR: N_("请写明买什么、付给哪一类对方、什么时候付。"),
    ReturnReason.AMOUNT_ODD: N_("请调整金额，或在具体说明里写明订单、合同等依据。"),
    ReturnReason.DATA_MISSING: N_("请授权平台使用税务、发票等数据，或补充经营信息。"),
    ReturnReason.DUPLICATE: N_("同一笔资金只需要一份需求；请撤回其中一份。"),
    ReturnReason.USE_BANNED: N_("经营性贷款不得用于购房、证券投资或转借他人，请改为实际经营用途。"),
    ReturnReason.FIRM_WRONG: N_("请先在企业信息里更正名称、地址或法定代表人。"),
}
