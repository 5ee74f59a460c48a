"""Why a row of a bank's file waits or was refused, beside what its cells alone tell (those reasons are evidence's)."""

from __future__ import annotations

from enum import StrEnum

from app.core.working import N_
from app.pool.ruleset import DayKind, RuleSet


class LoanChange(StrEnum):
    """What happened to a loan in the month that a report tells of."""

    PREPAYMENT = "PREPAYMENT"
    RESTRUCTURE = "RESTRUCTURE"
    RENEWAL = "RENEWAL"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _CHANGE_NAMES[self]


_CHANGE_NAMES = {
    LoanChange.PREPAYMENT: N_("提前还款"), LoanChange.RESTRUCTURE: N_("重组展期"), LoanChange.RENEWAL: N_("续贷"),
}


class BatchReason(StrEnum):
    """One reason; its sentence takes the row's parameters."""

    ALREADY_WAITING = "already_waiting"
    BALANCE = "balance"
    BOOKED_OTHERWISE = "booked_otherwise"
    CHECKS = "checks"
    CLAIMED = "claimed"
    CLASS_BETTER = "class_better"
    DAYS_FEWER = "days_fewer"
    DIFFERS = "differs"
    GUARANTEED = "guaranteed"
    LATE = "late"
    LATE_WORKING = "late_working"
    LIST_VERSION = "list_version"
    LISTED_OTHERWISE = "listed_otherwise"
    LOAN_STATE = "loan_state"
    MONTH_OTHER = "month_other"
    MONTH_RUNS = "month_runs"
    NEEDS = "needs"
    NEW_NOTE = "new_note"
    NO_RULES = "no_rules"
    NOT_SETTLED = "not_settled"
    NOT_TAKEN = "not_taken"
    NOTE_UNKNOWN = "note_unknown"
    PAID_OTHERWISE = "paid_otherwise"
    RENEWAL_UNKNOWN = "renewal_unknown"
    REPORT_DAY = "report_day"
    SETTLED = "settled"
    TWICE = "twice"
    USCC = "uscc"
    WAITS_BANK = "waits_bank"
    WAITS_BUREAU = "waits_bureau"
    WAITS_FIRM = "waits_firm"


R = BatchReason
SENTENCES: dict[str, str] = {
    R.ALREADY_WAITING: N_("这张借据已在等待确认，但内容与这一行不同"),
    R.BOOKED_OTHERWISE: N_("这张借据已经入库，内容与这一行不同；确需更正的，请填写“更正的原因”"),
    R.CHECKS: N_("入库检查未通过"),
    R.CLAIMED: N_("这张借据已申请补偿，不能再更正入库"),
    R.DIFFERS: N_("“%(field)s”与平台登记的不一致：文件为 %(value)s，平台为 %(ours)s"),
    R.GUARANTEED: N_("这笔贷款已登记担保合同，由担保机构办理入库"),
    R.LATE: N_("已超过放款后 %(days)s 天的入库期限，请填写“逾期报送的原因”，由金融局决定"),
    R.LATE_WORKING: N_("已超过放款后 %(days)s 个工作日的入库期限，请填写“逾期报送的原因”，由金融局决定"),
    R.LIST_VERSION: N_("在重点支持名录内的，请写明名录名称与版本"),
    R.LOAN_STATE: N_("这笔贷款在平台上的状态是“%(state_label)s”，不能入库"),
    R.NO_RULES: N_("现在没有有效的风险补偿办法"),
    R.RENEWAL_UNKNOWN: N_("本行没有登记过原借据 %(value)s，或它不是同一借款人已放款的贷款"),
    R.BALANCE: N_("余额与平台按还款算出的不同：文件为 %(value)s，平台为 %(ours)s"),
    R.CLASS_BETTER: N_("五级分类比应有的好：文件为“%(value_label)s”，按逾期天数至少为“%(ours_label)s”"),
    R.DAYS_FEWER: N_("逾期天数比平台看到的少：文件为 %(value)s 天，平台为 %(ours)s 天"),
    R.LISTED_OTHERWISE: N_("与平台不同"),
    R.MONTH_OTHER: N_("一个文件只对一个月：前面的行是 %(value)s"),
    R.MONTH_RUNS: N_("这个月还没有结束，月末之后才能对账"),
    R.NEEDS: N_("变动为“%(change_label)s”的，请填写“%(field)s”；不是的，请留空"),
    R.NEW_NOTE: N_("新借据 %(value)s 还没有登记为这笔贷款的续贷，请先入库并填写“原借据编号”"),
    R.NOT_SETTLED: N_("续贷后原借据应已还清，按本行收回金额仍欠 %(value)s"),
    R.NOT_TAKEN: N_("没有登记成功"),
    R.NOTE_UNKNOWN: N_("本行没有登记过这张借据"),
    R.PAID_OTHERWISE: N_("这一截止日的收回金额或变动已经报过，与这一行不同；请先在贷款页面冲正，再单笔登记"),
    R.REPORT_DAY: N_("截止日应在 %(low)s 至 %(high)s 之间，且不早于上一次报告"),
    R.SETTLED: N_("这笔贷款在平台上已结清，余额应为零"),
    R.TWICE: N_("同一文件第 %(value)s 行已有这张借据"),
    R.USCC: N_("“%(value)s”不是有效的统一社会信用代码：%(problem)s"),
    R.WAITS_BANK: N_("等待银行登记这份担保合同"),
    R.WAITS_BUREAU: N_("逾期报送，等待金融局决定"),
    R.WAITS_FIRM: N_("等待借款企业在平台确认这笔线下贷款"),
}
NAMES: dict[str, str] = {
    R.ALREADY_WAITING: N_("已在等待"), R.BOOKED_OTHERWISE: N_("已入库且内容不同"), R.CHECKS: N_("入库检查未通过"),
    R.CLAIMED: N_("已申请补偿"), R.DIFFERS: N_("与平台登记不一致"), R.LATE: N_("逾期未写原因"),
    R.LATE_WORKING: N_("逾期未写原因"),
    R.LIST_VERSION: N_("缺名录版本"), R.LOAN_STATE: N_("贷款状态不符"), R.NO_RULES: N_("没有有效办法"),
    R.BALANCE: N_("余额不符"), R.CLASS_BETTER: N_("分类偏好"), R.DAYS_FEWER: N_("逾期天数偏少"), R.NEEDS: N_("变动未写全"),
    R.LISTED_OTHERWISE: N_("与平台不同"), R.MONTH_OTHER: N_("月份不一"), R.MONTH_RUNS: N_("月份未结束"),
    R.NEW_NOTE: N_("新借据未登记"), R.NOT_SETTLED: N_("原借据未还清"), R.NOT_TAKEN: N_("没有登记成功"),
    R.NOTE_UNKNOWN: N_("借据不明"), R.PAID_OTHERWISE: N_("收回金额已报且不同"), R.REPORT_DAY: N_("截止日不对"),
    R.SETTLED: N_("已结清"),
    R.RENEWAL_UNKNOWN: N_("原借据不明"), R.TWICE: N_("文件内重复"), R.USCC: N_("信用代码有误"),
    R.GUARANTEED: N_("已有担保合同"), R.WAITS_BANK: N_("等待银行登记"),
    R.WAITS_BUREAU: N_("等待金融局"), R.WAITS_FIRM: N_("等待企业确认"),
}
DIFFERENCES = (R.BALANCE, R.DAYS_FEWER, R.CLASS_BETTER)
"""Reasons for which a row of a report waits: it was taken, and what it says is not what the portal saw."""


def late_reason(rules: RuleSet) -> BatchReason:
    """Why a late row without a reason is refused: by the kind of days that the edition counts."""
    return R.LATE_WORKING if rules.booking_day_kind is DayKind.WORKING else R.LATE
