"""What this room holds about a firm, for the firm's own export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.context import Context
from app.core.working import N_
from app.evidence import disclosure
from app.evidence.disclosure_sections import stream
from app.identity.models import Organisation
from app.loans.models import Loan, Repayment


def loans(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """The firm's loans as they stand."""
    hidden = {"firm_id", "org_id", "opened_by", "approved_by", "drawn_by", "next_check_at"}
    columns = [column for column in Loan.__table__.columns if column.name not in hidden]
    return stream(select(*columns, Organisation.name.label("bank")).join(Organisation, Organisation.id == Loan.org_id)
                  .where(Loan.firm_id == firm_id).order_by(Loan.opened_at))


def repayments(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """Repayments of the firm's loans, reversed ones too."""
    columns = [column for column in Repayment.__table__.columns if column.name not in {"reported_by"}]
    return stream(select(*columns).join(Loan, Loan.id == Repayment.loan_id).where(Loan.firm_id == firm_id)
                  .order_by(Repayment.reported_at))


disclosure.add("loans", N_("贷款"), loans, order=73)
disclosure.add("repayments", N_("还款"), repayments, order=74)
