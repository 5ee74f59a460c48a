"""Policy of the market: what an offer may say, how long each step may take, and how a bank's queue is ranked.

Arithmetic of schedules and all-in rates is in ``costs``, the vocabulary in ``terms``; both are offered from
here too.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.market.costs import (
    REGULAR_MONTHS,
    AllIn,
    CashFlow,
    Conventions,
    DayCount,
    FirstPeriod,
    FreeRate,
    HolidayRule,
    Instalment,
    all_in_rate,
    cash_flows,
    fee_total_fen,
    free_schedule_rate,
    schedule,
)
from app.market.match_rules import (
    GRADE_RANK,
    REASON_TEXTS,
    Match,
    MatchReason,
    MatchWeights,
    NeedFacts,
    ProductFacts,
    match_score,
)
from app.market.offer_rules import BANNED_ALWAYS, BANNED_FOR_SMALL, CLOSED_LIST, OfferLimits, check_offer
from app.market.terms import FEE_NAMES, Fee, FeeKind, FeeTime, Offer, Payee, RepaymentMethod

__all__ = [
    "BANNED_ALWAYS", "BANNED_FOR_SMALL", "CLOSED_LIST", "FEE_NAMES", "GRADE_RANK", "REASON_TEXTS",
    "REGULAR_MONTHS", "AllIn", "CashFlow", "Conventions", "DayCount", "Fee", "FeeKind", "FeeTime",
    "FirstPeriod", "FreeRate", "HolidayRule", "Instalment", "Match", "MatchReason", "MatchWeights",
    "NeedFacts", "Offer", "OfferLimits", "Payee", "ProductFacts", "RepaymentMethod", "ServiceLevels",
    "all_in_rate", "cash_flows", "check_offer", "fee_total_fen", "free_schedule_rate", "match_score",
    "schedule",
]  # fmt: skip

@dataclass(frozen=True, slots=True)
class ServiceLevels:
    """Time targets and hard limits of the market (peer-platforms paper §4 [P]).

    ``…_wd`` are working days, ``…_days`` natural days, ``…_hours`` working hours, ``…_percent`` of the hard
    limit.
    """

    desk_check_target_hours: int = 4
    desk_check_limit_wd: int = 1
    first_answer_target_wd: int = 1
    first_answer_limit_wd: int = 3
    reminder_percents: tuple[int, ...] = (50, 80, 100)
    bidding_target_wd: int = 3
    bidding_limit_wd: int = 5
    bidding_extensions: int = 1
    choice_target_wd: int = 5
    choice_limit_wd: int = 10
    standstill_wd: int = 1
    decision_target_wd: int = 5
    credit_loan_decision_target_wd: int = 3
    decision_limit_days: int = 30
    drawdown_report_target_wd: int = 2
    drawdown_report_limit_wd: int = 5
    complaint_answer_target_wd: int = 2
    complaint_answer_limit_wd: int = 15
    appeal_days: int = 10
    targeted_banks_max: int = 5
    question_target_wd: int = 1
    question_limit_wd: int = 2
    consultation_agree_wd: int = 5
    consultation_wd: int = 5
    consultation_banks_max: int = 5
    renewal_ask_target_wd: int = 2
    renewal_ask_limit_wd: int = 3
