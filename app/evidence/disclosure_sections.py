"""The sections of an export that this room fills: the firm, its people, consents, looks, every fact with all its versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from app.core.context import Context
from app.core.database import elevated, session
from app.core.formats import mask_id, mask_phone
from app.core.models import Case, Paper
from app.enterprises.models import Enterprise, EnterpriseFigures
from app.evidence import disclosure
from app.evidence.correction_models import EvidenceCorrection, EvidenceDispute, EvidenceYear
from app.evidence.models import Consent, EvidenceLook, Quarantine
from app.evidence.rules import N_
from app.evidence.shapes import SHAPES, Shape
from app.evidence.words import column_label
from app.identity.models import Membership, Organisation, Person

Row = Mapping[str, Any]
BATCH = 2_000
"""Rows held in memory at a time."""


def stream(statement: Select[Any]) -> Iterator[Row]:
    """Rows as mappings, through a cursor of the server."""
    result = session().execute(statement, execution_options={"stream_results": True, "yield_per": BATCH})
    for row in result.mappings():
        yield dict(row)


def _columns(model: Any, *left_out: str) -> list[Any]:
    return [column for column in model.__table__.columns if column.name not in left_out]


def _masked_name(name: str | None) -> str | None:
    return name[:1] + "*" * (len(name) - 1) if name else name


def _firm(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    firm = session().get_one(Enterprise, firm_id)
    hidden = {"representative_name", "representative_id_no", "verified_by"}
    yield {column.name: getattr(firm, column.name) for column in _columns(Enterprise, *hidden)} | {
        "name": ctx.org_name, "representative_name": _masked_name(firm.representative_name),
        "representative_id_no": mask_id(firm.representative_id_no),
    }


def _figures(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    return stream(select(*_columns(EnterpriseFigures, "id", "enterprise_id", "actor_id"))
                  .where(EnterpriseFigures.enterprise_id == firm_id).order_by(EnterpriseFigures.version))


def _people(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    roles: dict[UUID, list[str]] = {}
    for row in session().execute(select(Membership.person_id, Membership.role).where(Membership.org_id == firm_id)):
        roles.setdefault(row.person_id, []).append(row.role)
    for person in session().scalars(select(Person).where(Person.org_id == firm_id).order_by(Person.created_at)):
        email = person.email
        yield {
            "name": _masked_name(person.name), "login": person.login, "roles": sorted(roles.get(person.id, [])),
            "phone": mask_phone(person.phone), "email": f"{email[:1]}***{email[email.find('@'):]}" if email else None,
            "state": person.state, "created_at": person.created_at, "left_at": person.left_at,
        }


def _consents(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    columns = _columns(Consent, "firm_id", "receiver_kind", "given_by", "ended_by", "text_sha256")
    statement = (
        select(*columns, Organisation.name.label("receiver"))
        .outerjoin(Organisation, Organisation.id == Consent.receiver_org_id)
        .where(Consent.firm_id == firm_id).order_by(Consent.given_at, Consent.id)
    )
    return stream(statement)


def _looks(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    return stream(
        select(*_columns(EvidenceLook, "firm_id", "org_id", "actor_id"), Organisation.name.label("who"))
        .join(Organisation, Organisation.id == EvidenceLook.org_id)
        .where(EvidenceLook.firm_id == firm_id).order_by(EvidenceLook.at, EvidenceLook.id)
    )


def _facts(shape: Shape, ctx: Context, firm_id: UUID) -> Iterator[Row]:
    """Every version; row-level security leaves the firm's own rows, and of a meter the months in which it was the firm's."""
    table = shape.table
    statement = select(table).order_by(table.c[shape.subject_column], table.c[shape.at], *(table.c[one] for one in shape.key),
                                       table.c.version)
    if shape.subject_column == "firm_no" or "firm_no" in table.c:
        own = select(Enterprise.firm_no).where(Enterprise.id == firm_id).scalar_subquery()
        statement = statement.where(table.c.firm_no == own)
    return stream(statement)


def _years(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    return stream(select(*_columns(EvidenceYear)).order_by(EvidenceYear.item_code, EvidenceYear.subject_no, EvidenceYear.year,
                                                           EvidenceYear.category))


def _waiting(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    """Rows that name the firm and could not be taken in: found under the portal's identity, by the firm's own code alone."""
    firm = session().get_one(Enterprise, firm_id)
    with elevated(ctx, "disclosure.waiting"):
        named = Quarantine.raw["uscc"].astext == firm.uscc
        rows = list(session().execute(
            select(Quarantine.row_no, Quarantine.reason, Quarantine.raw, Organisation.name.label("provider"))
            .join(Organisation, Organisation.id == Quarantine.provider_org_id).where(named).order_by(Quarantine.id).limit(50_000)
        ).mappings())
    yield from (dict(row) for row in rows)


def _disputes(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    hidden = ("firm_id", "firm_name", "firm_uscc", "provider_kind", "provider_org_id", "asked_by", "answered_by", "withdrawn_by",
              "next_check_at", "escalated_at")
    return stream(
        select(*_columns(EvidenceDispute, *hidden), Organisation.name.label("provider"))
        .join(Organisation, Organisation.id == EvidenceDispute.provider_org_id)
        .where(EvidenceDispute.firm_id == firm_id).order_by(EvidenceDispute.asked_at, EvidenceDispute.id)
    )


def _corrections(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    return stream(select(*_columns(EvidenceCorrection, "firm_id", "next_check_at"))
                  .where(EvidenceCorrection.firm_id == firm_id).order_by(EvidenceCorrection.at, EvidenceCorrection.id))


def _papers(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    columns = _columns(Paper, "org_id", "seal_id", "stored_by")
    return stream(select(*columns).where(Paper.org_id == firm_id).order_by(Paper.stored_at))


def _cases(ctx: Context, firm_id: UUID) -> Iterator[Row]:
    return stream(select(*_columns(Case, "subject_org_id")).where(Case.subject_org_id == firm_id).order_by(Case.opened_at))


_ITEM_TITLES = {
    "registration": N_("登记注册"), "registration_changes": N_("登记变更"), "annual_reports": N_("年报"),
    "qualifications": N_("资质与行政许可"), "penalties": N_("行政处罚"), "justice": N_("司法"),
    "dishonesty": N_("严重失信主体名单"),
    "tax": N_("纳税申报"), "tax_grades": N_("纳税信用级别"), "tax_ledger": N_("税款明细"), "invoices": N_("增值税发票"),
    "social_insurance": N_("社会保险"), "housing_fund": N_("住房公积金"), "customs": N_("进出口"), "electricity": N_("用电"),
    "water": N_("用水"), "gas": N_("用气"), "electricity_daily": N_("每日用电"), "meter_links": N_("户号与企业"),
    "ip": N_("知识产权"), "cash_flow": N_("银行资金流"),
}
"""Names of the catalogue's items, marked here for translation."""


disclosure.add("firm", N_("企业"), _firm, order=1)
disclosure.add("figures", N_("经营数据"), _figures, order=2)
disclosure.add("people", N_("人员"), _people, order=3)
disclosure.add("consents", N_("授权"), _consents, order=4)
disclosure.add("looks", N_("查看记录"), _looks, order=5)
for place, (code, shape) in enumerate(SHAPES.items()):
    disclosure.add(code, _ITEM_TITLES[code], partial(_facts, shape), labels=partial(column_label, code), order=10 + place)
disclosure.add("years", N_("按年合计的旧资料"), _years, order=60)
disclosure.add("waiting", N_("待修复的行"), _waiting, order=61)
disclosure.add("disputes", N_("异议"), _disputes, order=62)
disclosure.add("corrections", N_("更正与重算"), _corrections, order=63)
disclosure.add("papers", N_("材料"), _papers, order=64)
disclosure.add("cases", N_("业务"), _cases, order=65)
