"""Use cases of a batch: made by the desk, filled with open needs and banks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert

from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, constraint
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.credit.queries import among
from app.enterprises.models import Enterprise
from app.identity.models import Organisation
from app.market.batch_models import BatchBank, BatchNeed, NeedBatch
from app.market.models import Need
from app.market.words import NeedState

constraint("uq_need_batch_name", ErrorCode.NAME_TAKEN, "name")
constraint("ck_need_batch_name", ErrorCode.INVALID, "name")
constraint("ck_need_batch_limit_days", ErrorCode.INVALID, "limit_days")

MOST_AT_ONCE = 20_000
"""Needs taken in with one press."""


@use_case(Permission.BATCH_EDIT, "batch.make", returns=NeedBatch)
def make_batch(ctx: Context, name: str, kind: str, limit_days: int) -> NeedBatch:
    """Begins a batch. Raises ``NAME_TAKEN``."""
    assert ctx.actor_id is not None
    batch = NeedBatch(name=name.strip(), kind=kind, limit_days=limit_days, made_by=ctx.actor_id, made_at=now())
    session().add(batch)
    session().flush()
    about(batch, kind=kind, limit_days=limit_days)
    return batch


@use_case(Permission.BATCH_EDIT, "batch.add_needs")
def add_needs(ctx: Context, batch_id: UUID, need_ids: Sequence[UUID]) -> int:
    """Puts open needs into the batch. Returns how many were not in it yet; those that take no bids are left out."""
    batch = get_or_404(NeedBatch, batch_id)
    open_ids = session().scalars(select(Need.id).where(among(Need.id, need_ids), *_open()))
    added = _put([{"batch_id": batch.id, "need_id": need, "added_at": now()} for need in open_ids])
    about(batch, needs=added)
    return added


def _open() -> tuple[ColumnElement[bool], ...]:
    return Need.state == NeedState.OPEN.value, Need.closes_at > now()


def _put(rows: list[dict[str, object]]) -> int:
    if not rows:
        return 0
    return len(session().execute(insert(BatchNeed).on_conflict_do_nothing().returning(BatchNeed.need_id), rows).all())


def _codes(codes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(code.strip().upper() for code in codes if code.strip()))


@dataclass(frozen=True, slots=True)
class Named:
    """What came of a list of firms: needs added, codes without an open need, needs that were in it already."""

    added: int
    without: tuple[str, ...]
    known: int


@use_case(Permission.BATCH_EDIT, "batch.add_firms")
def add_firms(ctx: Context, batch_id: UUID, codes: Sequence[str]) -> Named:
    """Puts the open needs of the firms with these social credit codes into the batch."""
    batch = get_or_404(NeedBatch, batch_id)
    wanted = _codes(codes)
    found = session().execute(
        select(Need.id, Enterprise.uscc).join(Enterprise, Enterprise.id == Need.org_id)
        .where(Enterprise.uscc.in_(wanted), *_open())
    ).all()  # fmt: skip
    added = _put([{"batch_id": batch.id, "need_id": row.id, "added_at": now()} for row in found])
    without = set(wanted) - {row.uscc for row in found}
    about(batch, codes=len(wanted), needs=added)
    return Named(added, tuple(code for code in wanted if code in without), len(found) - added)


@use_case(Permission.BATCH_EDIT, "batch.remove_firms")
def remove_firms(ctx: Context, batch_id: UUID, codes: Sequence[str]) -> int:
    """Takes the needs of these firms out; a round that was computed with them is then out of date. Returns how many."""
    batch = get_or_404(NeedBatch, batch_id)
    theirs = select(Need.id).join(Enterprise, Enterprise.id == Need.org_id).where(Enterprise.uscc.in_(_codes(codes)))
    gone = session().execute(
        delete(BatchNeed).where(BatchNeed.batch_id == batch.id, BatchNeed.need_id.in_(theirs)).returning(BatchNeed.need_id)
    ).all()
    about(batch, codes=len(codes), needs=len(gone))
    return len(gone)


@use_case(Permission.BATCH_EDIT, "batch.set_banks")
def set_banks(ctx: Context, batch_id: UUID, bank_ids: Sequence[UUID]) -> int:
    """Says which banks take part. Returns how many do."""
    batch = get_or_404(NeedBatch, batch_id)
    banks = list(session().scalars(select(Organisation.id).where(
        Organisation.id.in_(bank_ids), Organisation.kind == OrgKind.BANK.value, Organisation.state == "active"
    )))  # fmt: skip
    session().execute(delete(BatchBank).where(BatchBank.batch_id == batch.id))
    session().add_all([BatchBank(batch_id=batch.id, org_id=bank, kind=OrgKind.BANK.value, added_at=now()) for bank in banks])
    session().flush()
    about(batch, banks=len(banks))
    return len(banks)
