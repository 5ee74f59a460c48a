"""Use case of owner-borrowers: a bank links a person to a firm, with the proof, so that a loan to them is booked on the firm."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.permissions import Permission
from app.core.secrets import digest
from app.core.use_case import about, use_case
from app.loans.models import Loan
from app.loans.offline_service import require_recognised
from app.pool.owner_models import FirmOwner, OwnerRole

constraint("uq_firm_owner_person", ErrorCode.OWNER_KNOWN, "id_no")
constraint("ck_firm_owner_holds", ErrorCode.OWNER_SHARE, "share")


@dataclass(frozen=True)
class OwnerTerms:
    """A person behind a firm: name, identity number, how they hold it, the share (a fraction) where there is one, the proof."""

    name: str
    id_no: str
    role: OwnerRole
    share: Decimal | None
    proof: str


@use_case(Permission.BOOKING_SUBMIT, "booking.owner", returns=FirmOwner)
def register_owner(ctx: Context, loan_id: UUID, terms: OwnerTerms) -> FirmOwner:
    """Links the borrower of a loan to the firm it was lent for. The audit event names no person.

    Raises ``Refusal``: NOT_FOUND for a loan of another bank, LOAN_UNRECOGNISED, OWNER_KNOWN, OWNER_SHARE.
    """
    loan = get_or_404(Loan, loan_id)
    if loan.org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    require_recognised(loan)
    number = terms.id_no.strip().upper()
    owner = FirmOwner(
        firm_id=loan.firm_id, org_id=loan.org_id, name=terms.name.strip(), id_no=number, id_digest=digest(f"owner:{number}"),
        role=terms.role.value, share=terms.share, proof=terms.proof.strip(), registered_by=ctx.actor_id, registered_at=now(),
    )
    session().add(owner)
    session().flush()
    about(owner, firm_id=loan.firm_id, role=terms.role.value)
    return owner
