"""The desk looks at a need before banks see it; what it leaves lying its hour releases (peer-platforms paper §4)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import fire
from app.core.notices import notify
from app.core.outbox import emit
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.core.working import N_
from app.market import clock_service, policy
from app.market.closing_service import DUE
from app.market.lifecycles import NEED
from app.market.models import Need, NeedInvitee
from app.market.screening_words import RETURN_REASONS
from app.market.words import EndReason, NeedState

constraint("ck_need_screened", ErrorCode.STATE_CHANGED)
constraint("ck_need_returned_reasons", ErrorCode.INVALID, "reasons")


@use_case(Permission.NEED_SCREEN, "need.release", returns=Need)
def release_need(ctx: Context, need_id: UUID) -> Need:
    """The desk lets banks see a need: the window for bids starts. Raises ``STATE_CHANGED``."""
    need = get_or_404(Need, need_id, lock=True)
    _release(ctx, need, "desk")
    about(need, closes_at=need.closes_at, kind=need.release_kind)
    return need


def _release(ctx: Context, need: Need, kind: str) -> None:
    at = now()
    closes_at = policy.bids_close_at(at, need.distribution)  # asked first: the database takes the whole move or nothing
    need.released_at = need.published_at = at
    need.released_by, need.release_kind = ctx.actor_id, kind
    need.closes_at = need.next_check_at = closes_at
    fire(ctx, NEED, need, "release")
    clock_service.desk_ends(need)
    with elevated(ctx, "need.release"):
        for bank in session().scalars(select(NeedInvitee.org_id).where(NeedInvitee.need_id == need.id)):
            notify(bank, N_("有企业向贵行定向发出一份融资需求，请在截止前查看。"), path=f"/queue/{need.id}")
        message = (
            N_("服务台已核对通过，融资需求开始密封报价。") if kind == "desk"
            else N_("服务台没有在时限内答复，融资需求已自动放行，开始密封报价。")
        )
        notify(need.org_id, message, path=f"/needs/{need.id}", case_id=need.case_id)
        emit("need.published", need_id=need.id)


def _release_by_hour(ctx: Context, need: Need) -> None:
    _release(ctx, need, "auto")


@use_case(Permission.NEED_SCREEN, "need.return", returns=Need)
def return_need(ctx: Context, need_id: UUID, reasons: Sequence[str], note: str = "") -> Need:
    """Gives a need back to its firm with reasons of the closed list. Raises ``REASON_NEEDED``, ``STATE_CHANGED``."""
    need = get_or_404(Need, need_id, lock=True)
    known = [reason for reason in RETURN_REASONS if reason in set(reasons)]
    if not known:
        raise Refusal(ErrorCode.REASON_NEEDED, field="reasons")
    until = policy.returned_until(now())
    need.returned_reasons, need.returned_note, need.next_check_at = known, note.strip()[:500], until
    told = [RETURN_REASONS[reason] for reason in known]
    fire(ctx, NEED, need, "return", reason="；".join([*told, note.strip()] if note.strip() else told))
    clock_service.desk_ends(need)
    with elevated(ctx, "need.return"):
        notify(
            need.org_id, N_("服务台退回了融资需求，请按说明修改后重新提交。"), path=f"/needs/{need.id}", case_id=need.case_id
        )
    about(need, reasons=",".join(known))
    return need


def _lapse_draft(ctx: Context, need: Need) -> None:
    need.ended_at, need.next_check_at = now(), None
    fire(ctx, NEED, need, "lapse", reason=str(N_("没有在期限内提交")))
    emit("need.ended", need_id=need.id, why=EndReason.NOT_SUBMITTED)
    message = N_("一份没有提交的融资需求已过期；内容还在，可以照它重新发起。")
    notify(need.org_id, message, path=f"/needs/{need.id}", case_id=need.case_id)


DUE[NeedState.CHECKING] = _release_by_hour
DUE[NeedState.DRAFT] = DUE[NeedState.RETURNED] = _lapse_draft
