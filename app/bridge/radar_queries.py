"""What the maturity radar shows; row-level security says whose loans: the firm's own, the bank's own, of the centre those of
firms that let it look. The bureau reads figures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, and_, case, cast, func, or_, select, true

from app.bridge.ask_rules import AskState
from app.bridge.models import Bridge, RenewalAsk
from app.bridge.radar_models import RadarShare, RenewalIntent
from app.bridge.radar_service import mark_of
from app.bridge.states import OVER
from app.core.calendar import today
from app.core.context import Context
from app.core.database import session
from app.core.permissions import OrgKind, Permission
from app.credit.warning_models import EarlyWarning
from app.loans.models import Loan
from app.loans.queries import BANK, FIRM, FIRM_NAME
from app.loans.states import LoanState
from app.market import policy

LEFT = func.coalesce(Loan.principal_fen, 0) - Loan.principal_repaid_fen
WARNING = (
    select(func.max(EarlyWarning.level)).where(EarlyWarning.firm_id == Loan.firm_id, EarlyWarning.state == "OPEN")
    .correlate(Loan).scalar_subquery()
)
"""The worst open warning on the firm that the viewer may read: a column under row-level security, not a rule of its own."""

ASK = (
    select(RenewalAsk.id, RenewalAsk.state).where(RenewalAsk.old_loan_id == Loan.id, RenewalAsk.state != AskState.WITHDRAWN)
    .order_by(RenewalAsk.stored_at.desc()).limit(1).correlate(Loan).lateral("ask")
)
BRIDGE = (
    select(Bridge.id, Bridge.state).where(Bridge.old_loan_id == Loan.id, Bridge.state.not_in(OVER))
    .order_by(Bridge.applied_at.desc()).limit(1).correlate(Loan).lateral("run")
)
UNDER_WAY = case((BRIDGE.c.id.is_not(None), "BRIDGE"), (ASK.c.id.is_not(None), "ASK"), else_="NONE")


def days_left() -> Any:
    """Days from today to maturity."""
    return cast(Loan.due_on - today(), Integer)


def _within(stmt: Any) -> Any:
    last = today() + timedelta(days=policy.transfer().radar_first_days)
    return stmt.where(Loan.state == LoanState.DRAWN.value, Loan.due_on.between(today(), last))


def radar() -> Select[*tuple[Any, ...]]:
    """Running loans that fall due within the first mark, each with intention, warning and what is under way."""
    return _within(_rows())


def _rows() -> Select[*tuple[Any, ...]]:
    return (
        select(Loan.id, Loan.number, Loan.note_no, Loan.due_on, LEFT.label("left_fen"), days_left().label("days"), Loan.org_id,
               FIRM_NAME.label("firm_name"), BANK.name.label("bank_name"), RenewalIntent.intent, RenewalIntent.answered_at,
               RenewalIntent.asked_at, WARNING.label("warning"), ASK.c.id.label("ask_id"), ASK.c.state.label("ask_state"),
               BRIDGE.c.id.label("bridge_id"), BRIDGE.c.state.label("bridge_state"))
        .outerjoin(FIRM, FIRM.id == Loan.firm_id).join(BANK, BANK.id == Loan.org_id)
        .outerjoin(RenewalIntent, RenewalIntent.loan_id == Loan.id)
        .outerjoin(ASK, true()).outerjoin(BRIDGE, true())
    )


def one(loan_id: UUID) -> Any:
    """The radar's row of a running loan, whatever its day, or ``None``."""
    return session().execute(_rows().where(Loan.id == loan_id, Loan.state == LoanState.DRAWN.value)).one_or_none()


def near() -> list[tuple[int, int, int]]:
    """Per mark (days, the nearest first): loans that fall due within it and not within a nearer one, and what is owed (分)."""
    marks = sorted(policy.transfer().radar_marks)
    mark = mark_of(days_left(), tuple(marks)).label("mark")
    rows = session().execute(
        _within(select(mark, func.count(), func.coalesce(func.sum(LEFT), 0)).select_from(Loan)).group_by(mark)
    )
    found = {row[0]: (int(row[1]), int(row[2])) for row in rows}
    return [(one, *found.get(one, (0, 0))) for one in marks]


def by_bank() -> list[Any]:
    """For the bureau: per bank and mark loans, principal (分), intentions and what is under way; no firm. One statement."""
    mark = mark_of(days_left(), policy.transfer().radar_marks).label("mark")

    def count(clause: Any) -> Any:
        return func.count(case((clause, 1)))

    return list(session().execute(_within(
        select(BANK.name, mark, func.count().label("loans"), func.sum(LEFT).label("left_fen"),
               count(RenewalIntent.intent.in_(("RENEW", "LESS", "NO_REPAY"))).label("willing"),
               count(RenewalIntent.intent == "NOT").label("unwilling"),
               count(or_(RenewalIntent.intent.is_(None), RenewalIntent.intent == "UNDECIDED")).label("silent"),
               count(ASK.c.id.is_not(None)).label("asked"), count(BRIDGE.c.id.is_not(None)).label("bridged"))
        .select_from(Loan).join(BANK, BANK.id == Loan.org_id).outerjoin(RenewalIntent, RenewalIntent.loan_id == Loan.id)
        .outerjoin(ASK, true()).outerjoin(BRIDGE, true())
        .group_by(BANK.name, mark).order_by(BANK.name, mark)
    )))


def shared(ctx: Context) -> bool:
    """Whether the firm lets the centre look."""
    return session().scalar(
        select(RadarShare.id).where(RadarShare.firm_id == ctx.org_id, RadarShare.ended_at.is_(None))
    ) is not None


def silent(ctx: Context, limit: int = 20) -> list[Any]:
    """Loans of the bank on which it was asked and has not said what it intends, the nearest first."""
    if ctx.org_kind is not OrgKind.BANK or not ctx.can(Permission.BRIDGE_CONFIRM):
        return []
    return list(session().execute(
        select(Loan.id, Loan.number, Loan.due_on, FIRM_NAME.label("firm_name"))
        .join(RenewalIntent, RenewalIntent.loan_id == Loan.id)
        .outerjoin(FIRM, FIRM.id == Loan.firm_id)
        .where(and_(RenewalIntent.org_id == ctx.org_id, RenewalIntent.intent.is_(None), Loan.state == LoanState.DRAWN.value))
        .order_by(Loan.due_on).limit(limit)
    ))
