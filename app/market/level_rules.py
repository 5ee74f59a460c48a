"""The steps that run against a limit, and when each is due (peer-platforms paper §4 [P])."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from app.core.working import N_
from app.market.hours_rules import WorkCalendar
from app.market.rules import ServiceLevels

PERCENTS = (50, 80, 100)
"""Of the hard limit's working time: then whoever must act is reminded [P]."""


class Step(StrEnum):
    """A step somebody must take in time, and that is no secret. First answers and bids are sealed and no step of these."""

    DESK_CHECK = "DESK_CHECK"
    CHOICE = "CHOICE"
    DECISION = "DECISION"
    DRAWDOWN_REPORT = "DRAWDOWN_REPORT"
    QUESTION = "QUESTION"
    CONSULTATION = "CONSULTATION"
    COMPLAINT = "COMPLAINT"
    RENEWAL_ASK = "RENEWAL_ASK"


STEPS: dict[str, str] = {
    Step.DESK_CHECK: N_("平台初审"), Step.CHOICE: N_("企业选定"), Step.DECISION: N_("银行审批"),
    Step.DRAWDOWN_REPORT: N_("放款回报"), Step.QUESTION: N_("企业答复提问"), Step.CONSULTATION: N_("会诊"),
    Step.COMPLAINT: N_("申诉答复"), Step.RENEWAL_ASK: N_("银行答复无还本续贷"),
}  # fmt: skip
REMINDERS: dict[str, str] = {
    Step.DESK_CHECK: N_("有需求等待平台初审，时限已用去 %(percent)s%%，最晚 %(limit)s，到时自动放行。"),
    Step.CHOICE: N_("请选定一家银行：时限已用去 %(percent)s%%，最晚 %(limit)s，到时报价失效。"),
    Step.DECISION: N_("企业选定的贷款等待审批：时限已用去 %(percent)s%%，最晚 %(limit)s，超过按未履约计。"),
    Step.DRAWDOWN_REPORT: N_("已批准的贷款等待回报放款：时限已用去 %(percent)s%%，最晚 %(limit)s。"),
    Step.QUESTION: N_("银行的提问等待答复：时限已用去 %(percent)s%%，最晚 %(limit)s。"),
    Step.CONSULTATION: N_("会诊等待结论：时限已用去 %(percent)s%%，最晚 %(limit)s。"),
    Step.COMPLAINT: N_("企业的申诉等待答复：时限已用去 %(percent)s%%，最晚 %(limit)s，到时报金融局。"),
    Step.RENEWAL_ASK: N_("企业申请无还本续贷，等待答复：时限已用去 %(percent)s%%，最晚 %(limit)s，超过按未答复计。"),
}


def due(step: Step, start: datetime, levels: ServiceLevels, calendar: WorkCalendar) -> tuple[datetime, datetime]:
    """Target and hard limit of a step that began at a moment. A consultation takes 5 wd [C25]."""
    if step is Step.DESK_CHECK:
        limit = calendar.due(start, levels.desk_check_limit_wd)
        return min(calendar.add_hours(start, levels.desk_check_target_hours), limit), limit
    if step is Step.DECISION:
        limit = calendar.due_natural(start, levels.decision_limit_days)
        return min(calendar.due(start, levels.decision_target_wd), limit), limit
    target, most = {
        Step.CHOICE: (levels.choice_target_wd, levels.choice_limit_wd),
        Step.DRAWDOWN_REPORT: (levels.drawdown_report_target_wd, levels.drawdown_report_limit_wd),
        Step.QUESTION: (levels.question_target_wd, levels.question_limit_wd),
        Step.CONSULTATION: (levels.consultation_wd, levels.consultation_wd),
        Step.COMPLAINT: (levels.complaint_answer_target_wd, levels.complaint_answer_limit_wd),
        Step.RENEWAL_ASK: (levels.renewal_ask_target_wd, levels.renewal_ask_limit_wd),
    }[step]
    return calendar.due(start, target), calendar.due(start, most)


def passed(share: int) -> int:
    """The latest mark that a share (whole per cent) has reached; 0 before the first."""
    return max((mark for mark in PERCENTS if share >= mark), default=0)


def next_mark(told: int) -> int | None:
    """The mark after the one that was told; ``None`` after the last."""
    return next((mark for mark in PERCENTS if mark > told), None)
