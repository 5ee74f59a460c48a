"""Officers take up needs, give them back or get them from the approver; what lies too long is freed by the database itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session, transaction
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.notices import notify
from app.core.outbox import timed
from app.core.permissions import Permission, Role
from app.core.use_case import about, use_case
from app.core.working import N_
from app.identity.models import Membership, Person
from app.market import answer_queries, policy, queries
from app.market.claim_models import NeedClaim
from app.market.models import Bid, Need
from app.market.words import BidState, NeedState

constraint("uq_need_claim_live", ErrorCode.CLAIM_TAKEN)
constraint("ck_need_claim_capacity", ErrorCode.CLAIM_FULL)
constraint("ck_need_claim_once", ErrorCode.STATE_CHANGED)
constraint("ck_need_claim_person", ErrorCode.INVALID, "person_id")

LATE_NOTICE = N_("您认领的需求已过时限仍未报价，认领已释放，同事可以接手。")
"""What the database itself tells an officer (migration 0024, ``hq_free_late_claims``)."""


def due_at(claimed: datetime, closes_at: datetime) -> datetime:
    """By when a claimed need should be answered: the end of the first answer's working day, or of bidding."""
    return min(policy.calendar().due(claimed, policy.levels().first_answer_target_wd), closes_at)


def _claim(need: Need, bank: UUID | None, person: UUID | None) -> NeedClaim:
    assert need.closes_at is not None
    at = now()
    claim = NeedClaim(
        need_id=need.id, seal_id=need.seal_id, org_id=bank, person_id=person, claimed_at=at, due_at=due_at(at, need.closes_at)
    )
    session().add(claim)
    session().flush()
    return claim


@use_case(Permission.NEED_CLAIM, "need.claim", returns=NeedClaim)
def claim_need(ctx: Context, need_id: UUID) -> NeedClaim:
    """Takes up an open need. Raises ``CLAIM_TAKEN`` (a colleague has it), ``CLAIM_FULL``, ``BID_AFTER_CLOSE``."""
    need = queries.need_to_bid_on(ctx, need_id)
    if need.state != NeedState.OPEN or need.closes_at is None or need.closes_at <= now():
        raise Refusal(ErrorCode.BID_AFTER_CLOSE)
    if answer_queries.own_refusal(ctx, need_id) is not None:
        raise Refusal(ErrorCode.REFUSED_ALREADY)
    claim = _claim(need, ctx.org_id, ctx.actor_id)
    about(claim, case_id=need.case_id)
    return claim


def _end(claim_id: UUID, reason: str) -> tuple[NeedClaim, Need]:
    claim = get_or_404(NeedClaim, claim_id)
    if claim.ended_at is not None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    claim.ended_at, claim.end_reason = now(), reason
    session().flush()
    return claim, get_or_404(Need, claim.need_id)


@use_case(Permission.NEED_CLAIM, "need.release", returns=NeedClaim)
def release_claim(ctx: Context, claim_id: UUID) -> NeedClaim:
    """Gives one's own claim back. Raises ``NOT_FOUND`` for a colleague's."""
    if get_or_404(NeedClaim, claim_id).person_id != ctx.actor_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    claim, need = _end(claim_id, "RELEASED")
    about(claim, case_id=need.case_id)
    return claim


@use_case(Permission.LOAD_READ, "need.hand_over", returns=NeedClaim)
def hand_over(ctx: Context, claim_id: UUID, person_id: UUID) -> NeedClaim:
    """Gives a claim to another officer of the bank. Raises ``CLAIM_FULL``, ``INVALID`` for somebody who is none."""
    if person_id not in {officer.person_id for officer in load(ctx)}:
        raise Refusal(ErrorCode.INVALID, field="person_id")
    old, need = _end(claim_id, "HANDED")
    claim = _claim(need, ctx.org_id, person_id)
    for person, message in (
        (person_id, N_("审批人把一份已认领的需求转交给您，请在时限内报价。")),
        (old.person_id, N_("您认领的一份需求已由审批人转交同事办理。")),
    ):
        notify(
            claim.org_id, message, person_id=person, path=f"/queue/{need.id}", case_id=need.case_id, seal_id=need.seal_id
        )
    about(claim, case_id=need.case_id, person_id=person_id)
    return claim


@timed("market.claims")
def free_late_claims(ctx: Context) -> int:
    """Frees claims past their hour. How many is nobody's business, the portal's neither: always 0."""
    with transaction(ctx) as unit:
        unit.session.execute(text("select hq_free_late_claims()"))
    return 0


# --- reads: the bank's own rows alone -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OfficerLoad:
    """An officer of the bank with what lies on the desk."""

    person_id: UUID
    name: str
    claims: int
    drafts: int


def capacity(ctx: Context) -> int:
    """Needs that one officer of the bank may hold at once: the smallest of its active products."""
    return int(session().scalar(text("select hq_claim_capacity(:bank)"), {"bank": ctx.org_id}) or 0)


def load(ctx: Context) -> list[OfficerLoad]:
    """The bank's officers with their live claims and drafts, the busiest first."""
    claims = select(func.count()).where(NeedClaim.person_id == Person.id, NeedClaim.ended_at.is_(None)).scalar_subquery()
    drafts = (
        select(func.count())
        .where(Bid.drafted_by == Person.id, Bid.org_id == ctx.org_id, Bid.state == BidState.DRAFT.value)
        .scalar_subquery()
    )
    officers = select(Membership.person_id).where(Membership.role == Role.BANK_OFFICER.value, Membership.org_id == ctx.org_id)
    rows = session().execute(
        select(Person.id, Person.name, claims.label("claims"), drafts.label("drafts"))
        .where(Person.org_id == ctx.org_id, Person.state == "active", Person.id.in_(officers))
    )
    found = [OfficerLoad(row.id, row.name, row.claims, row.drafts) for row in rows]
    return sorted(found, key=lambda officer: (-officer.claims, officer.name))


def live_claims(ctx: Context) -> Sequence[Any]:
    """The bank's live claims with the cards of their needs, those due first first."""
    return session().execute(
        select(
            NeedClaim.id, NeedClaim.person_id, NeedClaim.claimed_at, NeedClaim.due_at, Person.name.label("person"),
            Need.id.label("need_id"), Need.amount_fen, Need.industry_code, Need.size_class, Need.district, Need.firm_form,
        )
        .join(Person, Person.id == NeedClaim.person_id).join(Need, Need.id == NeedClaim.need_id)
        .where(NeedClaim.org_id == ctx.org_id, NeedClaim.ended_at.is_(None)).order_by(NeedClaim.due_at, NeedClaim.id)
    ).all()  # fmt: skip


def claim_on(ctx: Context, need_id: UUID) -> Any:
    """The bank's live claim on a need with its holder's name, or ``None``."""
    return session().execute(
        select(NeedClaim.id, NeedClaim.person_id, NeedClaim.due_at, Person.name.label("person"))
        .join(Person, Person.id == NeedClaim.person_id)
        .where(NeedClaim.org_id == ctx.org_id, NeedClaim.need_id == need_id, NeedClaim.ended_at.is_(None))
    ).one_or_none()
