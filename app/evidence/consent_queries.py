"""What pages read of consents and looks: who may read what, on what ground, who did, and which consent let which data in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, case, cast, func, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.core.calendar import now
from app.core.database import session
from app.core.models import Case
from app.enterprises.models import Enterprise
from app.evidence.models import Consent, DataItem, EvidenceLook
from app.evidence.queries import in_force
from app.evidence.rules import LINKS, Basis, ConsentState
from app.identity.models import Organisation, Person


def consentable() -> list[DataItem]:
    """The items a firm consents to; others are public, come along with one of these, or are not taken in yet."""
    return list(session().scalars(
        select(DataItem).where(
            DataItem.active, DataItem.consent_needed, DataItem.consent_item == DataItem.code, DataItem.code != LINKS,
        ).order_by(DataItem.position)
    ))


def personal_items() -> frozenset[str]:
    """Consentable items that hold data about a person where the firm is a sole trader."""
    return frozenset(session().scalars(select(DataItem.consent_item).where(DataItem.personal_for_sole_trader).distinct()))


def cases_for_consent(org_id: UUID, limit: int = 20) -> list[tuple[UUID, str, str]]:
    """The firm's newest financing cases: id, number, title. A consent may be bound to one of them."""
    rows = session().scalars(
        select(Case).where(Case.subject_org_id == org_id, Case.kind == "need").order_by(Case.opened_at.desc()).limit(limit)
    )
    return [(row.id, row.number, row.title) for row in rows]


def name_case(case_id: UUID | None) -> None:
    """Tells the database for which case the actor reads: under a consent for a case nothing is readable without it."""
    session().execute(text("select set_config('hq.case', :case, true)"), {"case": str(case_id) if case_id else ""})


@dataclass(frozen=True)
class Ground:
    """Why an item may be read: under which consent, or as a public record."""

    basis: Basis
    consent_id: UUID | None


_GROUNDS = text("""
select i.code, c.id as consent_id
from data_item i
left join lateral (
  select c.id from consent c
  where c.firm_id = :firm and c.receiver_org_id = :org and c.item_code = i.consent_item and c.state = 'ACTIVE'
    and c.valid_until > :at and (c.purpose <> 'case' or c.case_id = cast(:case as uuid))
  order by c.purpose limit 1) c on i.consent_needed
where i.active and i.code <> :links and (c.id is not null or (not i.consent_needed and exists (
  select 1 from enterprise e where e.id = :firm and e.firm_no in (select hq_readable_firms(i.code)))))
order by i.position
""")


def grounds(firm_id: UUID, org_id: UUID | None, case_id: UUID | None = None) -> dict[str, Ground]:
    """What a bank may read of a firm now, for pre-approval or for one case, item by item, each with its ground."""
    values = {"firm": firm_id, "org": org_id, "case": case_id, "at": now(), "links": LINKS}
    return {
        row.code: Ground(Basis.CONSENT if row.consent_id is not None else Basis.PUBLIC, row.consent_id)
        for row in session().execute(_GROUNDS, values)
    }


def consents_by_id(ids: Sequence[UUID]) -> dict[UUID, Consent]:
    """Consents by id, as far as the actor may see them."""
    return {one.id: one for one in session().scalars(select(Consent).where(Consent.id.in_(ids)))}


def _names(column: Any, between: str) -> Any:
    return func.string_agg(column, aggregate_order_by(cast(between, Text), DataItem.position))


def consents_for_bank(org_id: UUID) -> Any:
    """Firms whose consents in force name a bank, one row a firm and purpose, with the items."""
    return (
        select(
            Consent.firm_id, Organisation.name.label("firm"), Enterprise.synthetic,
            _names(DataItem.name_zh, "、").label("name_zh"),
            _names(DataItem.name_en, ", ").label("name_en"), Consent.purpose, Consent.case_id,
            func.max(func.hq_consent_case_number(Consent.case_id)).label("case_number"),
            func.max(Consent.given_at).label("given_at"), func.min(Consent.valid_until).label("valid_until"),
        )
        .join(Enterprise, Enterprise.id == Consent.firm_id).join(Organisation, Organisation.id == Enterprise.id)
        .join(DataItem, DataItem.code == Consent.item_code)
        .where(Consent.receiver_org_id == org_id, *in_force())
        .group_by(Consent.firm_id, Organisation.name, Enterprise.synthetic, Consent.purpose, Consent.case_id)
    )


def consents_of_firm(firm_id: UUID) -> Any:
    """Every consent a firm ever gave, with the receiver's name (empty = the portal itself) and how often it was used."""
    state = case((Consent.state != ConsentState.ACTIVE.value, Consent.state),
                 (Consent.valid_until <= now(), ConsentState.EXPIRED.value), else_=Consent.state)
    used = (
        select(EvidenceLook.consent_id, func.count().label("uses"), func.max(EvidenceLook.at).label("last_use"))
        .where(EvidenceLook.firm_id == firm_id, EvidenceLook.consent_id.is_not(None)).group_by(EvidenceLook.consent_id).subquery()
    )
    return (
        select(
            Consent.id, Consent.item_code, DataItem.name_zh, DataItem.name_en, Consent.receiver_org_id,
            Organisation.name.label("receiver"), Consent.purpose, state.label("state"), Consent.given_at,
            Consent.valid_until, Consent.ended_at, Consent.signed_text, Consent.text_version, Consent.text_sha256,
            Consent.personal_signed_text, Consent.personal_text_version, Consent.personal_text_sha256, Consent.used_at,
            func.coalesce(used.c.uses, 0).label("uses"), used.c.last_use, Case.number.label("case_number"),
        )
        .join(DataItem, DataItem.code == Consent.item_code)
        .outerjoin(Organisation, Organisation.id == Consent.receiver_org_id)
        .outerjoin(used, used.c.consent_id == Consent.id).outerjoin(Case, Case.id == Consent.case_id)
        .where(Consent.firm_id == firm_id)
    )


_LOOK = (
    EvidenceLook.id, EvidenceLook.at, EvidenceLook.actor_role, DataItem.name_zh, DataItem.name_en, EvidenceLook.purpose,
    EvidenceLook.result, EvidenceLook.basis, EvidenceLook.consent_id, EvidenceLook.case_id,
)


def looks_at_firm(firm_id: UUID) -> Any:
    """Who looked at a firm's evidence, when, at what, why, under which consent."""
    return (
        select(*_LOOK, Organisation.name.label("bank"), Case.number.label("case_number"))
        .join(Organisation, Organisation.id == EvidenceLook.org_id).join(DataItem, DataItem.code == EvidenceLook.item_code)
        .outerjoin(Case, Case.id == EvidenceLook.case_id).where(EvidenceLook.firm_id == firm_id)
    )


def looks_of_bank(org_id: UUID) -> Any:
    """What a bank's people looked at, for its own compliance. A firm that the bank may no longer know has no name here."""
    return (
        select(*_LOOK, Person.name.label("person"), Organisation.name.label("firm"),
               func.hq_consent_case_number(EvidenceLook.case_id).label("case_number"))
        .join(DataItem, DataItem.code == EvidenceLook.item_code)
        .outerjoin(Organisation, Organisation.id == EvidenceLook.firm_id).outerjoin(Person, Person.id == EvidenceLook.actor_id)
        .where(EvidenceLook.org_id == org_id)
    )


@dataclass(frozen=True)
class Origin:
    """A delivery that carried rows of an item of the firm."""

    item: str
    number: int
    provider: str
    label: str
    synthetic: bool
    at: datetime | None


_ORIGINS = text("""
select i.code, s.number, o.name, s.source_label, s.synthetic, s.finished_at
from data_item i cross join lateral hq_sources_of_firm(i.code, :firm_no) s join organisation o on o.id = s.provider_org_id
where i.active and (cast(:items as text[]) is null or i.code = any(cast(:items as text[])))
order by i.position, s.number desc
""")


def origins(firm_no: int, items: Sequence[str] | None = None) -> dict[str, list[Origin]]:
    """Deliveries behind a firm's evidence by item, latest first, as far as the actor may read the items."""
    found: dict[str, list[Origin]] = {}
    for row in session().execute(_ORIGINS, {"firm_no": firm_no, "items": list(items) if items is not None else None}):
        found.setdefault(row[0], []).append(Origin(*row))
    return found


@dataclass(frozen=True)
class ConsentTrace:
    """Which data one consent let in: its items, and behind each the deliveries that had come by then."""

    consent: Consent
    item: DataItem
    covered: list[DataItem]
    origins: dict[str, list[Origin]]


def trace_of(firm_no: int, consent_ids: Sequence[UUID], until: datetime) -> list[ConsentTrace]:
    """From the consents a profile rested on down to the deliveries that had been taken in by ``until``."""
    consents = consents_by_id(consent_ids)
    items = list(session().scalars(select(DataItem).where(DataItem.active).order_by(DataItem.position)))
    covers = {one.item_code: [item for item in items if item.consent_item == one.item_code] for one in consents.values()}
    known = origins(firm_no, sorted({item.code for covered in covers.values() for item in covered}))
    by_code = {item.code: item for item in items}
    return [
        ConsentTrace(
            consent, by_code[consent.item_code], covers[consent.item_code],
            {
                item.code: [one for one in known.get(item.code, []) if one.at is not None and one.at <= until]
                for item in covers[consent.item_code]
            },
        )
        for consent in sorted(consents.values(), key=lambda one: (by_code[one.item_code].position, one.given_at))
    ]
