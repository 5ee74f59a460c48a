"""The bureau's numbers for bridge funds: ceilings of charges, how long a tentative hold lasts, when to remind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from sqlalchemy import select

from app.bridge.fund_models import BridgeCeiling
from app.bridge.fund_states import CeilingState
from app.bridge.rules import CROSS_BANK, SAME_BANK, BridgeTerms
from app.core.context import Context
from app.core.database import running, session, transaction


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Numbers in force. Rates are fractions of the principal: Guangzhou's own cost targets until the bureau says other ones
    [C4][C6]; hours and days are proposed [P]."""

    daily_rate: Decimal = SAME_BANK.daily_rate_cap
    one_off_rate: Decimal = CROSS_BANK.one_off_rate_cap
    hold_hours: int = 72
    remind_days: int = 30
    wide_days: int = 45

    def over(self, terms: BridgeTerms) -> BridgeTerms:
        """The same terms under these ceilings."""
        return replace(terms, daily_rate_cap=self.daily_rate, one_off_rate_cap=self.one_off_rate)


def current() -> Ceilings:
    """The numbers in force: the newest that two people of the bureau confirmed."""
    if running() is None:
        with transaction(Context.of_system("ceilings"), read_only=True):
            return current()
    row = session().scalar(
        select(BridgeCeiling).where(BridgeCeiling.state == CeilingState.CONFIRMED.value)
        .order_by(BridgeCeiling.decided_at.desc()).limit(1)
    )
    if row is None:
        return Ceilings()
    return Ceilings(row.daily_rate, row.one_off_rate, row.hold_hours, row.remind_days, row.wide_days)
