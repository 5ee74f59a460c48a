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
from app.market.appeal_models import Appeal
from app.market.bid_models import Choice
from app.market.consult_models import Consultation
from app.market.debt_models import DeclaredDebt
from app.market.models import Need


def needs(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """The firm's needs, drafts too. Bids are their bank's words, read on the page of the need once they are open."""
    hidden = {"org_id", "seal_id", "created_by", "next_check_at"}
    columns = [column for column in Need.__table__.columns if column.name not in hidden]
    return stream(select(*columns).where(Need.org_id == firm_id).order_by(Need.created_at))


def choices(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """What the firm chose, with the cost sheet as it stood, and what became of the bank's promise."""
    hidden = {"org_id", "made_by", "next_check_at"}
    columns = [column for column in Choice.__table__.columns if column.name not in hidden]
    return stream(select(*columns).where(Choice.org_id == firm_id).order_by(Choice.made_at))


def debts(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """Debts outside the portal that the firm has declared, ended ones too."""
    columns = [column for column in DeclaredDebt.__table__.columns if column.name not in {"org_id", "declared_by"}]
    return stream(select(*columns).where(DeclaredDebt.org_id == firm_id).order_by(DeclaredDebt.declared_at))


def consultations(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """Consultations of the firm's needs: what banks were shown, what was advised."""
    hidden = {"org_id", "called_by", "agreed_by", "next_check_at"}
    columns = [column for column in Consultation.__table__.columns if column.name not in hidden]
    return stream(select(*columns).where(Consultation.org_id == firm_id).order_by(Consultation.called_at))


def appeals(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """What the firm held against refusals, and what banks answered."""
    hidden = {"org_id", "by", "refused_by", "answered_by", "next_check_at"}
    columns = [column for column in Appeal.__table__.columns if column.name not in hidden]
    return stream(select(*columns).where(Appeal.org_id == firm_id).order_by(Appeal.at))


disclosure.add("needs", N_("融资需求"), needs, order=72)
disclosure.add("declared_debts", N_("申报的平台外贷款"), debts, order=73)
disclosure.add("consultations", N_("会诊"), consultations, order=75)
disclosure.add("appeals", N_("申诉"), appeals, order=76)
disclosure.add("choices", N_("选定与承诺"), choices, order=74)
