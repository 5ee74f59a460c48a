"""Why a row of a bank's file waits or was refused, beside what its cells alone tell (those reasons are evidence's)."""

from __future__ import annotations

from enum import StrEnum

from app.core.working import N_


class BatchReason(StrEnum):
    """One reason; its sentence takes the row's parameters."""

    ALREADY_WAITING = "already_waiting"
    BOOKED_OTHERWISE = "booked_otherwise"
    CHECKS = "checks"
    CLAIMED = "claimed"
    DIFFERS = "differs"
    LATE = "late"
    LIST_VERSION = "list_version"
    LOAN_STATE = "loan_state"
    NO_RULES = "no_rules"
    RENEWAL_UNKNOWN = "renewal_unknown"
    TWICE = "twice"
    USCC = "uscc"
    WAITS_BUREAU = "waits_bureau"
    WAITS_FIRM = "waits_firm"


R = BatchReason
SENTENCES: dict[str, str] = {
    R.ALREADY_WAITING: N_("这张借据已在等待确认，但内容与这一行不同"),
    R.BOOKED_OTHERWISE: N_("这张借据已经入库，内容与这一行不同；确需更正的，请填写“更正的原因”"),
    R.CHECKS: N_("入库检查未通过"),
    R.CLAIMED: N_("这张借据已申请补偿，不能再更正入库"),
    R.DIFFERS: N_("“%(field)s”与平台登记的不一致：文件为 %(value)s，平台为 %(ours)s"),
    R.LATE: N_("已超过放款后 %(days)s 天的入库期限，请填写“逾期报送的原因”，由金融局决定"),
    R.LIST_VERSION: N_("在重点支持名录内的，请写明名录名称与版本"),
    R.LOAN_STATE: N_("这笔贷款在平台上的状态是“%(state_label)s”，不能入库"),
    R.NO_RULES: N_("现在没有有效的风险补偿办法"),
    R.RENEWAL_UNKNOWN: N_("本行没有登记过原借据 %(value)s，或它不是同一借款人已放款的贷款"),
    R.TWICE: N_("同一文件第 %(value)s 行已有这张借据"),
    R.USCC: N_("“%(value)s”不是有效的统一社会信用代码：%(problem)s"),
    R.WAITS_BUREAU: N_("逾期报送，等待金融局决定"),
    R.WAITS_FIRM: N_("等待借款企业在平台确认这笔线下贷款"),
}
NAMES: dict[str, str] = {
    R.ALREADY_WAITING: N_("已在等待"), R.BOOKED_OTHERWISE: N_("已入库且内容不同"), R.CHECKS: N_("入库检查未通过"),
    R.CLAIMED: N_("已申请补偿"), R.DIFFERS: N_("与平台登记不一致"), R.LATE: N_("逾期未写原因"),
    R.LIST_VERSION: N_("缺名录版本"), R.LOAN_STATE: N_("贷款状态不符"), R.NO_RULES: N_("没有有效办法"),
    R.RENEWAL_UNKNOWN: N_("原借据不明"), R.TWICE: N_("文件内重复"), R.USCC: N_("信用代码有误"),
    R.WAITS_BUREAU: N_("等待金融局"), R.WAITS_FIRM: N_("等待企业确认"),
}
