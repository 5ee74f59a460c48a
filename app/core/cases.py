"""The case (业务): opened by a need, an offline loan or a bridge; numbered once; seen by its parties."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from app.core.calendar import now, today
from app.core.database import session
from app.core.models import Case, CaseParty, Seal


def open_case(kind: str, subject_org_id: UUID, title: str) -> Case:
    """Opens a case with the next number ``HQ-YYYY-NNNNNN``; its firm is the first party."""
    serial = session().execute(text("select nextval('case_number_seq')")).scalar_one()
    case = Case(
        kind=kind, subject_org_id=subject_org_id, title=title, opened_at=now(), number=f"HQ-{today().year}-{serial:06d}",
    )
    session().add(case)
    session().flush()
    join_case(case.id, subject_org_id)
    return case


def join_case(case_id: UUID, org_id: UUID) -> None:
    """Makes an organisation a party of the case; again is no harm."""
    session().execute(insert(CaseParty).values(case_id=case_id, org_id=org_id, since=now()).on_conflict_do_nothing())


def case_by_number(number: str) -> Case | None:
    """The case the actor may see under a number."""
    return session().scalar(select(Case).where(Case.number == number))


def new_seal() -> Seal:
    """A closed envelope."""
    seal = Seal(opened_at=None)
    session().add(seal)
    session().flush()
    return seal


def open_seal(seal_id: UUID) -> None:
    """Opens an envelope, once. The database refuses to close it again."""
    seal = session().get_one(Seal, seal_id, with_for_update=True)
    if seal.opened_at is None:
        seal.opened_at = now()
        session().flush()
