"""Why a bank refuses a need, what a bank may ask for, and which data make a paper needless: closed lists."""

from __future__ import annotations

from enum import StrEnum

from app.core.working import N_


class QuestionState(StrEnum):
    """Where a question stands."""

    ASKED = "ASKED"
    ANSWERED = "ANSWERED"
    DROPPED = "DROPPED"
    UNANSWERED = "UNANSWERED"


QUESTION_STATES: dict[str, str] = {
    QuestionState.ASKED: N_("待答复"), QuestionState.ANSWERED: N_("已答复"), QuestionState.DROPPED: N_("已撤回"),
    QuestionState.UNANSWERED: N_("未答复"),
}  # fmt: skip

REFUSALS: dict[str, tuple[str, str]] = {
    "OUT_OF_REGION": (N_("不在服务地区"), N_("下一轮可以定向发给在本区有网点的银行。")),
    "OUT_OF_INDUSTRY": (N_("不做这个行业"), N_("下一轮可以看看“适合我的产品”，选做这个行业的银行。")),
    "AMOUNT": (N_("金额不合适"), N_("可以调整金额，或分成两份需求。")),
    "TERM": (N_("期限不合适"), N_("可以换一个期限再发起。")),
    "SALES_LOW": (N_("经营规模不足"), N_("授权更多经营数据（发票、税务、用电）能让银行看到全部收入。")),
    "GRADE_WEAK": (N_("信用评价偏低"), N_("信用画像页写着哪几项可以改善。")),
    "DEBT_HIGH": (N_("已有负债偏高"), N_("还清部分贷款后更新申报，或降低金额。")),
    "COLLATERAL": (N_("担保不足"), N_("可以增加担保，或改为政府性融资担保、风险补偿项下的产品。")),
    "BAD_RECORD": (N_("有不良或处罚记录"), N_("处罚可以申请信用修复；记录有误可以在平台提出异议。")),
    "PAPERS": (N_("资料不足"), N_("请授权数据，或按银行提问补充材料。")),
    "NO_ROOM": (N_("银行本期额度已满"), N_("与企业无关，下一轮可以再发给这家银行。")),
    "OTHER": (N_("其他"), ""),
}
"""Code → name, and what helps the firm."""

PAPERS: dict[str, tuple[str, str | None]] = {
    "LICENCE": (N_("营业执照"), "registration"),
    "STATEMENTS": (N_("近两年财务报表"), "tax"),
    "TAX_RETURN": (N_("纳税申报表"), "tax"),
    "CONTRACT": (N_("合同或订单"), None),
    "RECEIVABLE": (N_("应收账款确认"), None),
    "IP_CERTIFICATE": (N_("知识产权证书"), "ip"),
    "PROPERTY_DEED": (N_("不动产权证"), None),
    "GUARANTOR_ID": (N_("担保人身份证明"), None),
    "PAYROLL": (N_("社保或工资清单"), "social_insurance"),
    "OTHER": (N_("其他材料"), None),
}
"""Kind of paper → name, and the data item (evidence catalogue) that takes its place; ``None`` where only paper tells it."""
