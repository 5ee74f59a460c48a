"""What the kernel's own pages read: the case with its timeline, for whoever may see it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from flask_babel import gettext
from sqlalchemy import Select, select, text

from app.core.context import Context
from app.core.database import session
from app.core.models import Case, Transition
from app.core.pages import TimelineEntry, event_texts

_NAMES = text("select id, name from hq_names(cast(:ids as uuid[]))")


@dataclass(frozen=True)
class TimelineRow:
    """A transition with the organisation's name."""

    transition: Transition
    organisation: str


def id_array(ids: Iterable[UUID]) -> str:
    """Ids as PostgreSQL writes an array; psycopg would write a list element by element, in five times the time."""
    return "{" + ",".join(map(str, ids)) + "}"


def organisation_names(ids: set[UUID]) -> dict[UUID, str]:
    """Names by id, in one statement."""
    if not ids:
        return {}
    return {row.id: row.name for row in session().execute(_NAMES, {"ids": id_array(ids)})}


def timeline(ctx: Context, case_id: UUID) -> list[TimelineEntry]:
    """Every step of a case that the actor may see, newest first (row-level security leaves out what is not for them)."""
    rows = list(session().scalars(
        select(Transition).where(Transition.case_id == case_id).order_by(Transition.at.desc(), Transition.id.desc())
    ))
    return timeline_entries(rows)


def timeline_entries(rows: list[Transition]) -> list[TimelineEntry]:
    """Transitions as a page tells them."""
    names = organisation_names({row.org_id for row in rows if row.org_id is not None})
    return [
        TimelineEntry(
            at=row.at, who=gettext("系统") if row.actor_id is None else gettext(ROLE_NAMES.get(row.actor_role, row.actor_role)),
            organisation=names.get(row.org_id, "") if row.org_id else "",
            what=event_texts.text(row.subject_type, row.event),
            reason=reason_text(row.reason or ""),
        )
        for row in rows
    ]


def reason_text(text: str) -> str:
    """A reason as written; the system's own are sentences of the catalogue, several of them, or two of its words: 正常 → 关注."""
    return " → ".join(_told(step) for step in text.split(" → "))


def _told(step: str) -> str:
    """The sentences of a reason that the catalogue knows; what a person wrote stays to the letter."""
    parts = step.split("；")
    told = [gettext(part) if part else "" for part in parts]
    return step if told == parts else gettext("；").join(told)


def cases_query() -> Select[Case]:
    """Cases the actor may see."""
    return select(Case)


def own_cases(ctx: Context, limit: int) -> Select[Case]:
    """The newest cases of the actor's own firm."""
    return select(Case).where(Case.subject_org_id == ctx.org_id).order_by(Case.opened_at.desc()).limit(limit)


def N_(message: str) -> str:
    """Marks a Chinese word for extraction."""
    return message


ROLE_NAMES = {
    "firm_clerk": N_("企业经办人"), "firm_representative": N_("法定代表人"), "bank_officer": N_("客户经理"),
    "bank_approver": N_("审批人"), "bank_admin": N_("银行管理员"), "guarantor_clerk": N_("担保机构经办"),
    "guarantor_reviewer": N_("担保机构复核"), "guarantor_admin": N_("担保机构管理员"), "centre_clerk": N_("转贷中心经办"),
    "centre_reviewer": N_("转贷中心复核"), "centre_admin": N_("转贷中心管理员"), "funder_clerk": N_("资金方经办"),
    "funder_admin": N_("资金方管理员"), "bureau_auditor": N_("金融局审核"), "bureau_reviewer": N_("金融局复核"),
    "bureau_cashier": N_("金融局出纳"), "bureau_leader": N_("金融局领导"), "bureau_admin": N_("金融局管理员"),
    "provider_clerk": N_("数据单位经办"), "provider_admin": N_("数据单位管理员"), "desk": N_("服务台"),
    "system_admin": N_("系统管理员"), "security_admin": N_("安全管理员"), "audit_admin": N_("审计管理员"),
    "system": N_("系统"),
}
KIND_NAMES = {
    "enterprise": N_("企业"), "bank": N_("银行"), "guarantor": N_("担保机构"), "bridge_centre": N_("转贷中心"),
    "funder": N_("资金方"), "bureau": N_("金融局"), "data_provider": N_("数据单位"), "platform": N_("平台"), "system": N_("系统"),
}
