"""What pages and later rooms read of the market. Row-level security has already limited it to what the actor may see."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.models import Case
from app.core.permissions import OrgKind
from app.enterprises.industries import section_of
from app.identity.models import Organisation
from app.market.bid_queries import own_live_bid as own_live_bid
from app.market.models import Need, NeedInvitee, NeedVersion
from app.market.words import LIVE_STATES, NeedState


def need_to_bid_on(ctx: Context, need_id: UUID) -> Need:
    """A need as a bank sees it while it drafts.

    Raises ``Refusal(BID_AFTER_CLOSE)`` where bidding ended while the form was open: from that moment the need is hidden
    from a bank without a bid, which would otherwise read that there is nothing. Else raises ``Refusal(NOT_FOUND)``.
    """
    if session().get(Need, need_id) is None:
        with elevated(ctx, "need.offered"):
            invited = select(NeedInvitee.org_id).where(NeedInvitee.need_id == need_id)
            offered = session().scalar(select(Need.id).where(
                Need.id == need_id, Need.published_at.is_not(None), Need.state != NeedState.OPEN,
                (Need.distribution == "open") | invited.where(NeedInvitee.org_id == ctx.org_id).exists(),
            ))
        if offered is not None:
            raise Refusal(ErrorCode.BID_AFTER_CLOSE)
    return get_or_404(Need, need_id)


# --- needs -----------------------------------------------------------------------------------------------------------


def needs_query() -> Any:
    """The firm's needs with the number of their case."""
    return select(
        Need.id,
        Need.state,
        Need.amount_fen,
        Need.term_months,
        Need.purpose_kind,
        Need.product_kind,
        Need.created_at,
        Need.published_at,
        Need.closes_at,
        Need.choose_by,
        Case.number,
    ).outerjoin(Case, Case.id == Need.case_id)


def need_of_case(case_id: UUID) -> Need | None:
    """The need that opened a case, if the actor may see it."""
    return session().scalar(select(Need).where(Need.case_id == case_id))


def case_of(need: Need) -> Case | None:
    """The case of a need, once it is published; banks see it when they are chosen."""
    return session().get(Case, need.case_id) if need.case_id else None


def banks() -> list[tuple[UUID, str]]:
    """Banks that take part, by name."""
    return [
        (row.id, row.name)
        for row in session().execute(
            select(Organisation.id, Organisation.name)
            .where(Organisation.kind == OrgKind.BANK.value, Organisation.state == "active")
            .order_by(Organisation.name)
        )
    ]


def desks() -> list[UUID]:
    """The organisations that keep the desk."""
    return list(session().scalars(
        select(Organisation.id).where(Organisation.kind == OrgKind.PLATFORM.value, Organisation.state == "active")
        .order_by(Organisation.id)
    ))


def invited(need_id: UUID) -> list[tuple[UUID, str]]:
    """The banks that a targeted need names."""
    return [
        (row.id, row.name)
        for row in session().execute(
            select(Organisation.id, Organisation.name)
            .join(NeedInvitee, NeedInvitee.org_id == Organisation.id)
            .where(NeedInvitee.need_id == need_id)
            .order_by(Organisation.name)
        )
    ]


def invited_banks(need_id: UUID) -> list[UUID]:
    """The banks that a targeted need names, as far as the actor may know them."""
    return list(session().scalars(select(NeedInvitee.org_id).where(NeedInvitee.need_id == need_id, NeedInvitee.via == "named")))


def industry_name(code: str | None) -> str:
    """The industry's section in Chinese (message id); empty where it is not known."""
    section = section_of(code) if code else None
    return section.name_zh if section else ""


def versions(need: Need) -> list[NeedVersion]:
    """What the need said before it was corrected, the newest first."""
    if need.version == 1:
        return []
    return list(session().scalars(
        select(NeedVersion).where(NeedVersion.need_id == need.id).order_by(NeedVersion.version.desc())
    ))


def desk_needs_query() -> Any:
    """Needs with their firm, for the desk: those that were ever submitted."""
    return (
        select(
            Need.id, Need.state, Need.amount_fen, Need.term_months, Need.purpose_kind, Need.product_kind, Need.submitted_at,
            Need.check_due_at, Need.released_at, Need.release_kind, Need.distribution, Organisation.name,
        )
        .join(Organisation, Organisation.id == Need.org_id)
        .where(Need.submitted_at.is_not(None))
    )


def needs_to_check() -> list[tuple[Need, str]]:
    """Needs that wait for the desk with the names of their firms, those due first first."""
    rows = session().execute(
        select(Need, Organisation.name).join(Organisation, Organisation.id == Need.org_id)
        .where(Need.state == NeedState.CHECKING.value).order_by(Need.check_due_at).limit(10)
    )
    return [(row.Need, row.name) for row in rows]


def twins(need: Need) -> int:
    """Other live needs of the same firm over the same amount."""
    return session().scalar(select(func.count()).where(
        Need.org_id == need.org_id, Need.id != need.id, Need.amount_fen == need.amount_fen, Need.state.in_(LIVE_STATES)
    )) or 0


# --- what waits ------------------------------------------------------------------------------------------------------


def firm_waits() -> list[Need]:
    """The firm's needs that are not over, the newest first."""
    return list(
        session().scalars(
            select(Need)
            .where(Need.state.in_([NeedState.DRAFT.value, NeedState.RETURNED.value, *LIVE_STATES]))
            .order_by(Need.created_at.desc())
            .limit(10)
        )
    )


