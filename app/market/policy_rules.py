"""The numbers of the market as people change them: by name, in the unit they are read in, within bounds.

A number stands in ``market_policy`` under ``group.field`` of the dataclass that holds its default; working hours under
``hours``, a single day under ``day.YYYY-MM-DD``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from app.core.money import WAN
from app.core.working import N_
from app.market.audience_rules import AudienceRules
from app.market.hours_rules import WorkCalendar, parse_spans, spans_text
from app.market.need_rules import NeedLimits
from app.market.offer_rules import OfferLimits
from app.market.round_rules import RoundRules
from app.market.rules import ServiceLevels
from app.market.standing_rules import StandingRules
from app.market.transfer_rules import TransferRules

G = TypeVar("G", ServiceLevels, OfferLimits, NeedLimits, AudienceRules, StandingRules, RoundRules, TransferRules)
Value = Any
"""As it is stored: whole numbers, rates as text, hours as text, a day as true or false."""
HOURS_CODE = "hours"
DAY = "day."


@dataclass(frozen=True, slots=True)
class Policy:
    """Every number in force."""

    levels: ServiceLevels = field(default_factory=ServiceLevels)
    offer: OfferLimits = field(default_factory=OfferLimits)
    need: NeedLimits = field(default_factory=NeedLimits)
    audience: AudienceRules = field(default_factory=AudienceRules)
    standing: StandingRules = field(default_factory=StandingRules)
    matching: RoundRules = field(default_factory=RoundRules)
    transfer: TransferRules = field(default_factory=TransferRules)
    calendar: WorkCalendar = field(default_factory=WorkCalendar)


GROUPS = ("levels", "audience", "need", "offer", "standing", "matching", "transfer")
GROUP_NAMES = {
    "levels": N_("服务时限"), "audience": N_("派单与清单"), "need": N_("需求"), "offer": N_("报价上限"),
    "standing": N_("银行统计"), "matching": N_("撮合"), "transfer": N_("转贷"),
}  # fmt: skip
NAMES: dict[str, tuple[str, str]] = {
    "levels.desk_check_target_hours": (N_("平台初审：目标"), N_("工作小时")),
    "levels.desk_check_limit_wd": (N_("平台初审：最长，到时自动放行"), N_("个工作日")),
    "levels.first_answer_target_wd": (N_("银行首次答复：目标"), N_("个工作日")),
    "levels.first_answer_limit_wd": (N_("银行首次答复：最长，到时转派"), N_("个工作日")),
    "levels.bidding_target_wd": (N_("报价时间"), N_("个工作日")),
    "levels.bidding_limit_wd": (N_("报价时间：延长后最长"), N_("个工作日")),
    "levels.choice_target_wd": (N_("企业选定：目标"), N_("个工作日")),
    "levels.choice_limit_wd": (N_("企业选定：最长，到时报价失效"), N_("个工作日")),
    "levels.standstill_wd": (N_("选定后的公示期"), N_("个工作日")),
    "levels.decision_target_wd": (N_("银行审批：目标"), N_("个工作日")),
    "levels.credit_loan_decision_target_wd": (N_("银行审批信用贷款：目标"), N_("个工作日")),
    "levels.decision_limit_days": (N_("银行审批：最长，超过按未履约计"), N_("天")),
    "levels.drawdown_report_target_wd": (N_("放款回报：目标"), N_("个工作日")),
    "levels.drawdown_report_limit_wd": (N_("放款回报：最长，超过暂停接单"), N_("个工作日")),
    "levels.appeal_days": (N_("企业对婉拒提出申诉"), N_("天")),
    "levels.complaint_answer_target_wd": (N_("申诉、投诉首次答复：目标"), N_("个工作日")),
    "levels.complaint_answer_limit_wd": (N_("申诉、投诉首次答复：最长，到时报金融局"), N_("个工作日")),
    "levels.targeted_banks_max": (N_("定向需求最多指定"), N_("家银行")),
    "levels.question_target_wd": (N_("企业答复银行提问：目标"), N_("个工作日")),
    "levels.question_limit_wd": (N_("企业答复银行提问：最长"), N_("个工作日")),
    "levels.consultation_agree_wd": (N_("企业决定是否同意会诊"), N_("个工作日")),
    "levels.consultation_wd": (N_("会诊得出结论"), N_("个工作日")),
    "levels.consultation_banks_max": (N_("一次会诊最多请"), N_("家银行")),
    "levels.renewal_ask_target_wd": (N_("银行答复无还本续贷：目标"), N_("个工作日")),
    "levels.renewal_ask_limit_wd": (N_("银行答复无还本续贷：最长，超过按未答复计"), N_("个工作日")),
    "audience.assigned_banks": (N_("派单一次派给"), N_("家银行")),
    "audience.next_banks": (N_("逾期未答复，再派给"), N_("家银行")),
    "audience.next_rounds": (N_("最多再派"), N_("次")),
    "audience.list_days": (N_("清单需求的报价时间"), N_("天")),
    "audience.rate_floor": (N_("派单权重：答复率最低按"), "%"),
    "audience.turn_days": (N_("派单轮次的统计时间"), N_("天")),
    "need.min_amount_fen": (N_("最低金额"), N_("万元")),
    "need.max_amount_fen": (N_("最高金额"), N_("万元")),
    "need.min_term_months": (N_("最短期限"), N_("个月")),
    "need.draft_days": (N_("草稿保留"), N_("天")),
    "need.returned_wd": (N_("退回后重新提交"), N_("个工作日")),
    "need.max_term_months": (N_("最长期限"), N_("个月")),
    "offer.max_annual_rate": (N_("年利率上限"), "%"),
    "offer.max_all_in_rate": (N_("综合年化成本上限"), "%"),
    "offer.max_term_months": (N_("最长期限"), N_("个月")),
    "offer.max_parts": (N_("一份需求最多联合"), N_("家银行")),
    "standing.window_days": (N_("统计时间"), N_("天")),
    "standing.least_cases": (N_("少于此数不公布"), N_("笔")),
    "matching.quota": (N_("为首贷户保留的名额"), "%"),
    "matching.longest": (N_("每份需求最多列出"), N_("个产品")),
    "transfer.medium_until": (N_("中型企业流动资金贷款可申请无还本续贷：到期日不晚于"), N_("（日期）")),
    "transfer.answer_good_days": (N_("银行对无还本续贷的答复多久内有效"), N_("天")),
    "transfer.radar_first_days": (N_("到期提醒：第一次提前"), N_("天")),
    "transfer.radar_second_days": (N_("到期提醒：第二次提前"), N_("天")),
    "transfer.radar_last_days": (N_("到期提醒：第三次提前"), N_("天")),
    "transfer.precheck_wd": (N_("转贷预审"), N_("个工作日")),
    "transfer.promise_wd": (N_("银行出具续贷承诺"), N_("个工作日")),
    "transfer.quote_wd": (N_("资金方报价"), N_("个工作日")),
    "transfer.pick_wd": (N_("企业选定资金方"), N_("个工作日")),
    "transfer.approve_wd": (N_("转贷复核"), N_("个工作日")),
    "transfer.drawdown_wd": (N_("旧贷结清后新贷放款"), N_("个工作日")),
    "transfer.settle_wd": (N_("归还后结清"), N_("个工作日")),
    "transfer.letter_notice_wd": (N_("续贷承诺到期前提醒"), N_("个工作日")),
    "transfer.market_daily_rate": (N_("比较节省时的市场过桥日费率"), "%"),
    "transfer.market_daily_rate_high": (N_("市场过桥日费率的高端"), "%"),
    "transfer.refusal_reason_wd": (N_("异常：银行写明放款后不续贷的理由"), N_("个工作日")),
    "transfer.gap_wd": (N_("异常：企业补足新贷差额"), N_("个工作日")),
    "transfer.freeze_wd": (N_("异常：处置账户冻结"), N_("个工作日")),
    "transfer.late_payout_wd": (N_("异常：资金方补付迟到的转贷资金"), N_("个工作日")),
    "transfer.late_return_wd": (N_("异常：企业归还逾期的转贷资金"), N_("个工作日")),
    "transfer.lapsed_promise_wd": (N_("异常：承诺到期后放款或说明"), N_("个工作日")),
    "transfer.guarantor_wd": (N_("担保机构答复是否为跨行转贷担保"), N_("个工作日")),
    "transfer.release_days": (N_("跨行转贷：原银行解除担保物登记，自放款起"), N_("天")),
    "transfer.register_days": (N_("跨行转贷：续贷银行办妥新登记，自放款起"), N_("天")),
    "transfer.late_collateral_wd": (N_("异常：银行补办迟到的担保物登记"), N_("个工作日")),
    "transfer.called_guarantor_wd": (N_("异常：担保机构代偿逾期的跨行转贷"), N_("个工作日")),
    "transfer.doubled_wd": (N_("异常：核实同一借据的重复申请"), N_("个工作日")),
}
"""Name and unit of what may be changed. Fields that are not here hold as the code says them."""

RENAMED = {"need.question_wd": "levels.question_limit_wd"}
"""Codes under which a number was changed before it stood where it stands now."""
RISING = (
    ("levels.question_target_wd", "levels.question_limit_wd"),
    ("levels.renewal_ask_target_wd", "levels.renewal_ask_limit_wd"),
    ("transfer.market_daily_rate", "transfer.market_daily_rate_high"),
    ("transfer.release_days", "transfer.register_days"),
    ("transfer.radar_last_days", "transfer.radar_second_days"),
    ("transfer.radar_second_days", "transfer.radar_first_days"),
    ("levels.first_answer_target_wd", "levels.first_answer_limit_wd"),
    ("levels.bidding_target_wd", "levels.bidding_limit_wd"),
    ("levels.choice_target_wd", "levels.choice_limit_wd"),
    ("levels.drawdown_report_target_wd", "levels.drawdown_report_limit_wd"),
    ("levels.complaint_answer_target_wd", "levels.complaint_answer_limit_wd"),
    ("need.min_amount_fen", "need.max_amount_fen"),
    ("need.min_term_months", "need.max_term_months"),
    ("offer.max_annual_rate", "offer.max_all_in_rate"),
)
MOST = {"levels.targeted_banks_max": 5, "levels.bidding_extensions": 1, "need.max_term_months": 360, "offer.max_term_months": 360}
"""Above these other rules of the portal break (the database's own checks, the paper's five banks)."""


def parameter(policy: Policy, code: str) -> Value:
    """A number in force, by its code."""
    group, _, name = code.partition(".")
    return getattr(getattr(policy, group), name)


def text_of(code: str, value: Value) -> str:
    """As it is read and typed, without its unit: 3, 24, 300."""
    if code == HOURS_CODE:
        return spans_text(value) if isinstance(value, tuple) else str(value)
    if code.startswith(DAY):
        return "" if value is None else str(value).lower()
    if _is_rate(code):
        return f"{Decimal(str(value)) * 100:f}".rstrip("0").rstrip(".")
    if code.endswith("_fen"):
        return f"{Decimal(value) / WAN:f}".rstrip("0").rstrip(".") if value % WAN else str(value // WAN)
    return str(value)


def parsed(code: str, text: str) -> Value:
    """What was typed, as it is stored. Raises ``ValueError``."""
    if code == HOURS_CODE:
        return spans_text(parse_spans(text))
    if _is_day(code):
        return date.fromisoformat(text.strip()).isoformat()
    try:
        number = Decimal(text.replace(",", "").replace("%", "").replace("％", "").strip())
    except InvalidOperation:
        raise ValueError(code) from None
    if not number.is_finite():
        raise ValueError(code)
    if _is_rate(code):
        return f"{number / 100:f}"
    stored = number * WAN if code.endswith("_fen") else number
    if stored != stored.to_integral_value():
        raise ValueError(code)
    return int(stored)


def _is_rate(code: str) -> bool:
    return isinstance(parameter(Policy(), code), Decimal)


def _is_day(code: str) -> bool:
    return isinstance(parameter(Policy(), code), date)


def _stored(code: str, value: Value) -> Value:
    if _is_day(code):
        return date.fromisoformat(str(value))
    return Decimal(value) if _is_rate(code) else int(value)


def apply(policy: Policy, changes: Mapping[str, Value]) -> Policy:
    """The policy with the changes in it. A code that is no more changes nothing."""
    spans, overrides = policy.calendar.spans, dict(policy.calendar.overrides)
    groups: dict[str, dict[str, Value]] = {group: {} for group in GROUPS}
    for known, value in changes.items():
        code = RENAMED.get(known, known)
        if code == HOURS_CODE:
            spans = parse_spans(value)
        elif code.startswith(DAY):
            _override(overrides, date.fromisoformat(code.removeprefix(DAY)), value)
        elif code in NAMES:
            group, _, name = code.partition(".")
            groups[group][name] = _stored(code, value)
    return Policy(
        _with(policy.levels, groups["levels"]), _with(policy.offer, groups["offer"]), _with(policy.need, groups["need"]),
        _with(policy.audience, groups["audience"]), _with(policy.standing, groups["standing"]),
        _with(policy.matching, groups["matching"]), _with(policy.transfer, groups["transfer"]), WorkCalendar(spans, overrides),
    )  # fmt: skip


def _with(group: G, values: Mapping[str, Value]) -> G:
    return replace(group, **values) if values else group


def _override(overrides: dict[date, bool], day: date, worked: bool | None) -> None:
    if worked is None:
        overrides.pop(day, None)
    else:
        overrides[day] = worked


def sound(policy: Policy) -> str | None:
    """The first number that cannot be: none is below 1 (a rate above 0 and up to 1), a target is not above its limit."""
    for code in NAMES:
        value = parameter(policy, code)
        if isinstance(value, date):
            continue
        most = 1 if isinstance(value, Decimal) else MOST.get(code, 3_650 if not code.endswith("_fen") else 10**13)
        if not 0 < value <= most:
            return code
    return next((low for low, high in RISING if parameter(policy, low) > parameter(policy, high)), None)


def changed(before: Policy, after: Policy) -> dict[str, list[Value]]:
    """What differs, as it is kept: code → [before, after]."""
    pairs = {code: (parameter(before, code), parameter(after, code)) for code in NAMES}
    found = {code: [_plain(one) for one in pair] for code, pair in pairs.items() if pair[0] != pair[1]}
    if before.calendar.spans != after.calendar.spans:
        found[HOURS_CODE] = [spans_text(before.calendar.spans), spans_text(after.calendar.spans)]
    old, new = before.calendar.overrides, after.calendar.overrides
    for day in sorted({*old, *new}):
        if old.get(day) != new.get(day):
            found[f"{DAY}{day.isoformat()}"] = [old.get(day), new.get(day)]
    return found


def _plain(value: Value) -> Value:
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value


def fields_of(group: str) -> list[str]:
    """Codes of a group that may be changed, in the order of its dataclass."""
    return [code for one in fields(getattr(Policy(), group)) if (code := f"{group}.{one.name}") in NAMES]
