"""The monthly report in one statement, and the cases behind each of its figures."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, Date, Integer, Select, and_, case, cast, func, literal, null, or_, select, union_all
from sqlalchemy.orm import aliased

from app.bridge.models import Bridge, BridgeHop
from app.bridge.report_rules import Line, month_after
from app.core.database import session
from app.enterprises.models import Enterprise
from app.identity.models import Organisation
from app.market import policy

NOBODY = "-"
"""The key of bridges that have no partner yet."""


def _facts() -> CTE:
    """Every bridge with the days on which something happened to it; ``fen_days``: its money times the days each part was out."""
    used = (
        select(BridgeHop.bridge_id, func.sum(BridgeHop.amount_fen * (BridgeHop.on_day - Bridge.paid_on)).label("fen_days"))
        .join(Bridge, Bridge.id == BridgeHop.bridge_id).where(BridgeHop.from_account == "REPAYMENT")
        .group_by(BridgeHop.bridge_id).subquery("used")
    )
    return (
        select(
            Bridge.id, Bridge.new_bank_org_id.label("bank"), Bridge.funder_org_id.label("partner"), Enterprise.district,
            cast(func.timezone("Asia/Shanghai", Bridge.applied_at), Date).label("applied_on"), Bridge.approved_on, Bridge.paid_on,
            Bridge.returned_on, Bridge.settled_on, Bridge.refused_on, Bridge.overdue_on, Bridge.amount_fen, Bridge.fee_fen,
            used.c.fen_days,
            (func.row_number().over(partition_by=Bridge.firm_id, order_by=(Bridge.applied_at, Bridge.id)) == 1).label("first"),
        )
        .join(Enterprise, Enterprise.id == Bridge.firm_id).outerjoin(used, used.c.bridge_id == Bridge.id).cte("facts")
    )  # fmt: skip


def _happened(facts: Any, month: date) -> dict[str, Any]:
    """For each figure the condition that a bridge counts in it."""

    def within(column: Any) -> Any:
        return and_(column >= month, column < month_after(month))

    applied = within(facts.c.applied_on)
    return {
        "applied": applied, "first": and_(applied, facts.c.first), "approved": within(facts.c.approved_on),
        "paid": within(facts.c.paid_on), "returned": within(facts.c.returned_on), "settled": within(facts.c.settled_on),
        "refused": within(facts.c.refused_on), "overdue": within(facts.c.overdue_on),
    }  # fmt: skip


def report(month: date) -> list[Line]:
    """Lines of a month (its first day): all, and by bank, partner and district. One statement."""
    facts = _facts()
    counts = _happened(facts, month)
    days = case((counts["returned"], facts.c.returned_on - facts.c.paid_on))

    def total(column: Any, figure: str) -> Any:
        return func.coalesce(func.sum(case((counts[figure], column))), 0)

    figures = [
        *(func.count(case((counts[name], 1))).label(name) for name in counts),
        total(facts.c.amount_fen, "paid").label("paid_fen"), total(facts.c.fee_fen, "settled").label("fee_fen"),
        total(facts.c.fen_days, "settled").label("fen_days"), func.round(func.avg(days), 1).label("average_days"),
        func.max(days).label("longest_days"),
    ]  # fmt: skip
    counted = or_(*counts.values())
    bank, partner = aliased(Organisation), aliased(Organisation)
    rows = session().execute(union_all(
        select(literal("all").label("by"), literal("").label("key"), literal("").label("name"), *figures).where(counted),
        select(literal("bank"), cast(facts.c.bank, bank.name.type), bank.name, *figures)
        .join(bank, bank.id == facts.c.bank).where(counted).group_by(facts.c.bank, bank.name),
        select(literal("partner"), func.coalesce(cast(facts.c.partner, bank.name.type), NOBODY), func.coalesce(partner.name, ""),
               *figures)
        .select_from(facts).outerjoin(partner, partner.id == facts.c.partner).where(counted)
        .group_by(facts.c.partner, partner.name),
        select(literal("district"), facts.c.district, facts.c.district, *figures).where(counted).group_by(facts.c.district),
    )).mappings()
    rate = policy.transfer().market_daily_rate
    lines = [Line(**{**row, **{name: int(row[name]) for name in ("paid_fen", "fee_fen", "fen_days")}}, market_rate=rate)
             for row in rows]  # fmt: skip
    return sorted(lines, key=lambda line: (line.by, -line.applied, -line.paid_fen, line.name))


def cases(month: date, figure: str, by: str, key: str) -> Select[*tuple[Any, ...]]:
    """The bridges that a figure of a line counts. Raises ``KeyError`` or ``ValueError`` for a figure or line that is none."""
    facts = _facts()
    clause = _happened(facts, month)[figure]
    if by == "bank":
        clause = and_(clause, facts.c.bank == UUID(key))
    elif by == "partner":
        clause = and_(clause, facts.c.partner.is_(null()) if key == NOBODY else facts.c.partner == UUID(key))
    elif by == "district":
        clause = and_(clause, facts.c.district == key)
    elif by != "all":
        raise KeyError(by)
    bank, partner = aliased(Organisation), aliased(Organisation)
    return (
        select(Bridge.id, Bridge.firm_name, Bridge.old_note_no, Bridge.state, Bridge.amount_fen, Bridge.requested_fen,
               Bridge.applied_at, Bridge.paid_on, Bridge.returned_on, Bridge.fee_fen, bank.name.label("bank"),
               partner.name.label("partner"), facts.c.district,
               cast(facts.c.returned_on - facts.c.paid_on, Integer).label("days"))
        .join(facts, facts.c.id == Bridge.id).join(bank, bank.id == Bridge.new_bank_org_id)
        .outerjoin(partner, partner.id == Bridge.funder_org_id).where(clause)
    )  # fmt: skip


def first_month() -> date | None:
    """The month of the first application there is."""
    found: date | None = session().scalar(select(cast(func.timezone("Asia/Shanghai", func.min(Bridge.applied_at)), Date)))
    return found


