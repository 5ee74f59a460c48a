"""Use cases of debts outside the portal: declared by the firm, ended when they are paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.market.debt_models import DeclaredDebt

constraint("ck_declared_debt_frozen", ErrorCode.ALREADY_DONE)
constraint("ck_declared_debt_lender", ErrorCode.INVALID, "lender")
constraint("ck_declared_debt_amount", ErrorCode.INVALID, "amount")
constraint("ck_declared_debt_rate", ErrorCode.INVALID, "annual_rate")


@dataclass(frozen=True, slots=True)
class DebtFields:
    """A debt as the firm says it: still owed in 分, the rate a fraction a year."""

    lender: str
    amount_fen: int
    annual_rate: Decimal | None = None
    due_on: date | None = None
    secured: bool = False


@use_case(Permission.NEED_DRAFT, "debt.declare", returns=DeclaredDebt)
def declare_debt(ctx: Context, fields: DebtFields) -> DeclaredDebt:
    """Keeps a debt as of today. Raises ``INVALID`` at a field."""
    debt = DeclaredDebt(
        org_id=ctx.org_id, lender=fields.lender.strip(), amount_fen=fields.amount_fen, annual_rate=fields.annual_rate,
        due_on=fields.due_on, secured=fields.secured, as_of=today(), declared_at=now(), declared_by=ctx.actor_id,
    )
    session().add(debt)
    session().flush()
    about(debt, amount_fen=debt.amount_fen)
    return debt


@use_case(Permission.NEED_DRAFT, "debt.end", returns=DeclaredDebt)
def end_debt(ctx: Context, debt_id: UUID) -> DeclaredDebt:
    """The debt is paid, or was wrong: it counts no more. Raises ``ALREADY_DONE`` the second time."""
    debt = get_or_404(DeclaredDebt, debt_id)
    if debt.ended_at is not None:
        raise Refusal(ErrorCode.ALREADY_DONE)
    debt.ended_at = now()
    about(debt)
    return debt
