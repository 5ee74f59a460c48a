"""Quotas of a fund and its calendar, as the centre keeps them by its agreement with the funder. What is held already stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from app.bridge.fund_models import Fund, FundDay, FundQuota
from app.core.calendar import is_working_day, now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text
from app.core.ids import new_id
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.identity.models import Organisation

LONGEST_DAYS = 400
"""A calendar is filled for so many days at once [P]."""
QuotaKey = tuple[str, UUID | None, str | None]
"""Scope, bank, kind: DAY, DEAL and BANK stand alone or with a bank, KIND with its kind."""


@use_case(Permission.FUND_EDIT, "fund.quotas", returns=Fund)
def set_quotas(ctx: Context, fund_id: UUID, quotas: Mapping[QuotaKey, int | None]) -> Fund:
    """Sets limits (分) and takes away those that are ``None``; what is not named stays. Holds that are above stay as well.

    Raises ``Refusal``: AMOUNT_OUT_OF_RANGE, NOT_FOUND for what is no bank.
    """
    fund = get_or_404(Fund, fund_id, lock=True)
    before = {(one.scope, one.bank_org_id, one.kind): one for one in quotas_of(fund_id)}
    for key, limit_fen in quotas.items():
        scope, bank_id, kind = key
        if limit_fen is not None and limit_fen < 0:
            raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="amount", low=money_text(0), high=money_text(10**15))
        if bank_id is not None and get_or_404(Organisation, bank_id).kind != OrgKind.BANK.value:
            raise Refusal(ErrorCode.NOT_FOUND)
        found = before.get(key)
        if limit_fen is None:
            if found is not None:
                session().delete(found)
        elif found is not None:
            found.limit_fen, found.set_at, found.set_by = limit_fen, now(), ctx.actor_id
        else:
            session().add(FundQuota(fund_id=fund.id, org_id=fund.org_id, scope=scope, bank_org_id=bank_id, kind=kind,
                                    limit_fen=limit_fen, set_at=now(), set_by=ctx.actor_id))
    session().flush()
    about(fund, quotas={":".join(str(part) for part in key if part): limit for key, limit in quotas.items()})
    return fund


@dataclass(frozen=True)
class Stretch:
    """Days from ``first`` to ``last`` (both included), all of them or those without work: another limit (分), or closed."""

    first: date
    last: date
    limit_fen: int | None = None
    closed: bool = False
    only_free_days: bool = False
    note: str = ""


@use_case(Permission.FUND_EDIT, "fund.days", returns=Fund)
def set_days(ctx: Context, fund_id: UUID, stretch: Stretch) -> Fund:
    """Writes a stretch into the calendar over what stood there; with neither a limit nor closed its days are as any other again.

    Raises ``Refusal``: DATE_OUT_OF_RANGE, AMOUNT_OUT_OF_RANGE.
    """
    fund = get_or_404(Fund, fund_id, lock=True)
    last = max(stretch.first, today()) + timedelta(days=LONGEST_DAYS)
    if stretch.first < today() or not stretch.first <= stretch.last <= last:
        field = "first" if stretch.first < today() else "last"
        low = max(stretch.first, today())
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field=field, low=low.isoformat(), high=last.isoformat())
    if stretch.limit_fen is not None and stretch.limit_fen < 0:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="amount", low=money_text(0), high=money_text(10**15))
    days = [stretch.first + timedelta(days=number) for number in range((stretch.last - stretch.first).days + 1)]
    if stretch.only_free_days:
        days = [day for day in days if not is_working_day(day)]
    session().execute(delete(FundDay).where(FundDay.fund_id == fund.id, FundDay.day.in_(days)))
    if days and (stretch.closed or stretch.limit_fen is not None):
        session().execute(insert(FundDay), [
            {"id": new_id(), "fund_id": fund.id, "org_id": fund.org_id, "day": day, "limit_fen": stretch.limit_fen,
             "closed": stretch.closed, "note": stretch.note.strip(), "set_at": now(), "set_by": ctx.actor_id}
            for day in days
        ])
    about(fund, first=stretch.first, last=stretch.last, days=len(days), limit_fen=stretch.limit_fen, closed=stretch.closed)
    return fund


def quotas_of(fund_id: UUID) -> list[FundQuota]:
    """A fund's limits."""
    return list(session().scalars(select(FundQuota).where(FundQuota.fund_id == fund_id).order_by(FundQuota.scope)))


def days_of(fund_id: UUID) -> list[FundDay]:
    """A fund's calendar from today on."""
    return list(session().scalars(
        select(FundDay).where(FundDay.fund_id == fund_id, FundDay.day >= today()).order_by(FundDay.day)))
