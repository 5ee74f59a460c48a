"""What tests of early warnings need: a bank that lends to a firm, and bills of its power that stay unpaid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select, text

from app.core import outbox
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.permissions import Role
from app.credit import warning_service
from app.credit.warning_models import EarlyWarning
from app.evidence import service as evidence
from app.loans import warnings as warnings  # its handlers register on import
from tests import cast
from tests.pool_cast import City
from tests.service import fact_tools


@dataclass
class Lender:
    """A bank with a running loan to a firm whose meter belongs to a grid."""

    city: City
    meter: int
    grid: cast.Cast

    @property
    def firm(self) -> cast.Cast:
        return self.city.firm

    @property
    def bank(self) -> cast.Cast:
        return self.city.bank

    def bill(self, days_overdue: int, *, paid: bool = False, compute: bool = True) -> None:
        """A month's bill, due so many days ago; then what the worker does after a delivery."""
        due = today() - timedelta(days=days_overdue)
        with transaction(cast.SYSTEM):
            number = fact_tools.delivery_of(self.grid, "electricity")
            month = {"meter": self.meter, "period": due.replace(day=1)}
            session().execute(text("update electricity_month set current = false "
                                   "where meter_no = :meter and period = :period"), month)
            fact_tools.put("electricity", number, meter_no=self.meter, period=due.replace(day=1), quantity_milli=900_000,
                           metering="metered", bill_fen=800_00, due_on=due, paid_on=due if paid else None,
                           arrears_fen=0 if paid else 800_00, cut_days=0)
        if compute:
            self.compute()

    def compute(self) -> None:
        """The firm's signals anew, and all jobs that follow."""
        warning_service.update_warnings(cast.SYSTEM, [self.firm.id])
        outbox.drain()

    def consent(self, *receivers: cast.Cast | None) -> list[Any]:
        """The firm lets the portal (``None``) and the banks read its power use."""
        given = evidence.give_consent(
            self.firm[Role.FIRM_REPRESENTATIVE], ["electricity"], [bank.id if bank else None for bank in receivers])
        outbox.drain()
        return [one.id for one in given]

    def warnings(self) -> list[EarlyWarning]:
        """Every warning about the firm, as the portal sees them."""
        with transaction(cast.SYSTEM, read_only=True):
            return list(session().scalars(select(EarlyWarning).order_by(EarlyWarning.raised_at)))


def lender(*, drawn: bool = True) -> Lender:
    """The firm, the bank (its loan drawn, unless said otherwise) and the grid."""
    city = City(budget=0)
    if drawn:
        city.drawn()
    grid = cast.provider("广州供电局", ("electricity",))
    with transaction(cast.SYSTEM):
        meter = fact_tools.meter_of(grid)
        fact_tools.link(grid, meter, city.firm, date(2015, 1, 1))
    outbox.drain()
    return Lender(city, meter, grid)
