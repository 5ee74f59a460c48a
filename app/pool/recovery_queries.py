"""What pages read of recoveries, returns and corrections: sums in SQL, whatever the number of claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select, true

from app.core.calendar import today
from app.core.database import session
from app.identity.models import Person
from app.loans.models import Loan
from app.pool.correction_models import Correction
from app.pool.correction_states import CorrectionState
from app.pool.models import Claim, Recovery
from app.pool.queries import BANK, FIRM


@dataclass(frozen=True)
class Flow:
    """What became of the losses of paid claims, in 分. ``open_fen`` is asked back and has not come, ``late_fen`` of it late."""

    claims: int
    loss_fen: int
    paid_fen: int
    topped_fen: int
    recovered_fen: int
    cost_fen: int
    returned_fen: int
    open_fen: int
    late_fen: int

    @property
    def borne_fen(self) -> int:
        """What is left with the payees."""
        given = self.paid_fen + self.topped_fen - self.returned_fen - self.open_fen
        return self.loss_fen - given - (self.recovered_fen - self.cost_fen)

    @property
    def spent_fen(self) -> int:
        """What the pool has paid and not got back."""
        return self.paid_fen + self.topped_fen - self.returned_fen


def flow(claim_id: UUID | None = None) -> Flow:
    """Sums over one claim, or over all that the actor sees. One statement."""
    paid = (Claim.paid_fen.is_not(None), *(() if claim_id is None else (Claim.id == claim_id,)))
    claims = select(
        func.count().label("claims"), func.sum(Claim.net_principal_loss_fen).label("loss"),
        func.sum(Claim.paid_fen).label("paid"),
    ).where(*paid).subquery()
    topped = select(func.sum(Correction.change_fen).label("topped")).where(
        Correction.state == CorrectionState.PAID, *(() if claim_id is None else (Correction.claim_id == claim_id,))
    ).subquery()
    back = select(
        func.sum(Recovery.recovered_fen).label("recovered"), func.sum(Recovery.cost_fen).label("cost"),
        func.sum(case((Recovery.returned_on.is_not(None), Recovery.due_fen))).label("returned"),
        func.sum(case((Recovery.returned_on.is_(None), Recovery.due_fen))).label("open"),
        func.sum(case((Recovery.returned_on.is_(None) & (Recovery.due_on < today()), Recovery.due_fen))).label("late"),
    ).where(*(() if claim_id is None else (Recovery.claim_id == claim_id,))).subquery()
    both = claims.join(topped, true()).join(back, true())
    row = session().execute(select(claims, topped, back).select_from(both)).one()
    return Flow(*(int(value or 0) for value in row))


def returns_query() -> Select[*tuple[Any, ...]]:
    """Recoveries and claw-backs with loan, firm and bank."""
    return (
        select(
            Recovery.id, Recovery.claim_id, Recovery.kind, Recovery.received_on, Recovery.recovered_fen, Recovery.cost_fen,
            Recovery.due_fen, Recovery.due_on, Recovery.returned_on, Recovery.reminders, Loan.number,
            FIRM.name.label("firm_name"), BANK.name.label("bank_name"),
        )
        .join(Claim, Claim.id == Recovery.claim_id).join(Loan, Loan.id == Claim.loan_id)
        .join(FIRM, FIRM.id == Claim.firm_id).join(BANK, BANK.id == Recovery.org_id)
    )


def corrections_of(claim_id: UUID) -> list[Any]:
    """Corrections of a claim with who proposed them, newest first."""
    return list(session().execute(
        select(Correction, Person.name.label("proposer")).outerjoin(Person, Person.id == Correction.proposed_by)
        .where(Correction.claim_id == claim_id).order_by(Correction.proposed_at.desc())
    ))


def corrections_in(state: CorrectionState, limit: int = 10) -> list[Any]:
    """Corrections that wait in a state, with their banks; top-ups alone where they are confirmed."""
    stmt = (
        select(Correction.claim_id, Correction.change_fen, Correction.worth_fen, BANK.name.label("bank_name"))
        .join(BANK, BANK.id == Correction.org_id).where(Correction.state == state)
    )
    if state is CorrectionState.CONFIRMED:
        stmt = stmt.where(Correction.change_fen > 0)
    return list(session().execute(stmt.order_by(Correction.proposed_at).limit(limit)))


def late_returns(limit: int = 10) -> list[Any]:
    """What is due back and late, the oldest first."""
    return list(session().execute(
        returns_query().where(Recovery.due_fen > 0, Recovery.returned_on.is_(None), Recovery.due_on < today())
        .order_by(Recovery.due_on).limit(limit)
    ))
