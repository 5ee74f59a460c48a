"""The numbers of transfer loans that the city may change (transfer-loan paper §4, §6, §7 [P] unless marked).

They stand with the market's numbers, so that the same two people change them on the same page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class TransferRules:
    """``…_wd`` are working days, ``…_days`` natural days.

    ``medium_until``: medium firms may ask for renewal without repayment of working capital due up to this day (金规〔2024〕13号
    [C18]). ``radar_…_days``: so long before maturity the radar tells firm and bank. ``market_daily_rate…``: what brokers take a
    day at least and at most, as fractions of the principal [C6]; reports tell the saving by the least. From
    ``refusal_reason_wd`` on they are deadlines of what went wrong: a bank that does not renew says why within a working day
    (paper §5). ``release_days`` and ``register_days`` are counted from the payout of a transfer to another bank: its 30–45 days
    are for the collateral [C4].
    """

    medium_until: date = date(2027, 9, 30)
    answer_good_days: int = 180
    radar_first_days: int = 60
    radar_second_days: int = 30
    radar_last_days: int = 15
    precheck_wd: int = 1
    promise_wd: int = 3
    quote_wd: int = 1
    pick_wd: int = 1
    approve_wd: int = 1
    drawdown_wd: int = 3
    settle_wd: int = 1
    letter_notice_wd: int = 3
    market_daily_rate: Decimal = Decimal("0.002")
    market_daily_rate_high: Decimal = Decimal("0.003")
    refusal_reason_wd: int = 1
    gap_wd: int = 3
    freeze_wd: int = 2
    late_payout_wd: int = 1
    late_return_wd: int = 3
    lapsed_promise_wd: int = 1
    guarantor_wd: int = 2
    release_days: int = 30
    register_days: int = 45
    late_collateral_wd: int = 1
    called_guarantor_wd: int = 5
    doubled_wd: int = 1

    @property
    def radar_marks(self) -> tuple[int, ...]:
        """Days before maturity at which the radar tells, the farthest first."""
        return self.radar_first_days, self.radar_second_days, self.radar_last_days
