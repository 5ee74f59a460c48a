"""Read models of firms. The caller's transaction carries the identity; row-level security leaves out whom it does not know."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.models import Paper, Transition
from app.core.pages import TimelineEntry
from app.core.queries import organisation_names, timeline_entries
from app.enterprises.models import Enterprise, EnterpriseFigures
from app.enterprises.states import EnterpriseState
from app.identity.models import Organisation, Person


def own_firm(ctx: Context) -> Enterprise:
    """The actor's firm. Raises ``Refusal(NOT_FOUND)`` for anybody who is no firm."""
    return get_or_404(Enterprise, ctx.org_id)


def firm_name(firm_id: UUID) -> str:
    """The name of a firm the actor may see, else nothing."""
    return organisation_names({firm_id}).get(firm_id, "")


def firms_query() -> Select[*tuple[Any, ...]]:
    """Firms the actor may see, with their names."""
    return select(
        Enterprise.id, Organisation.name, Enterprise.uscc, Enterprise.form, Enterprise.district, Enterprise.industry_code,
        Enterprise.size_class, Enterprise.state, Enterprise.synthetic, Enterprise.created_at,
        Enterprise.licence_sha256.is_not(None).label("has_licence"),
    ).join(Organisation, Organisation.id == Enterprise.id)


def figures_history(firm_id: UUID) -> list[EnterpriseFigures]:
    """Every version of a firm's figures, the newest first."""
    return list(session().scalars(
        select(EnterpriseFigures).where(EnterpriseFigures.enterprise_id == firm_id)
        .order_by(EnterpriseFigures.version.desc()).limit(50)
    ))


def licences(firm_id: UUID) -> list[Paper]:
    """Licences a firm has uploaded, the newest first."""
    return list(session().scalars(
        select(Paper).where(Paper.subject_type == Enterprise.__tablename__, Paper.subject_id == firm_id,
                            Paper.kind == "licence").order_by(Paper.stored_at.desc()).limit(20)
    ))


def steps(ctx: Context, firm_id: UUID) -> list[TimelineEntry]:
    """How a firm came to stand where it stands, for the desk: its own steps and those of the desk, newest first."""
    with elevated(ctx, "enterprise steps"):
        rows = list(session().scalars(
            select(Transition).where(Transition.subject_type == Enterprise.__tablename__, Transition.subject_id == firm_id)
            .order_by(Transition.at.desc(), Transition.id.desc()).limit(100)
        ))
        return timeline_entries(rows)


def representative_login(firm_id: UUID) -> tuple[str, str | None] | None:
    """Name and phone of a firm's first person, whom the desk may call; ``None`` where nobody signed up."""
    person = session().scalar(
        select(Person).where(Person.org_id == firm_id, Person.state != "left").order_by(Person.created_at).limit(1)
    )
    return None if person is None else (person.name, person.phone)


def count_in(*states: EnterpriseState) -> int:
    """How many firms the actor may see are in one of the states."""
    return session().scalar(
        select(func.count()).select_from(Enterprise).where(Enterprise.state.in_([state.value for state in states]))
    ) or 0


def _waiting(stmt: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return stmt.where(
        Enterprise.state == EnterpriseState.UNVERIFIED.value, Enterprise.licence_sha256.is_not(None)
    )


def waiting_count() -> int:
    """How many firms with a licence wait for the desk."""
    return session().scalar(_waiting(select(func.count()).select_from(Enterprise))) or 0


def waiting_firms(limit: int = 5) -> list[Any]:
    """Firms with a licence that wait for the desk, the longest first."""
    return list(session().execute(_waiting(firms_query()).order_by(Enterprise.created_at).limit(limit)))
