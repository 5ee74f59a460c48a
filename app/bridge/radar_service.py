"""The maturity radar: tells firm and bank in time, once each, and takes the bank's word on what it intends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from app.bridge.radar_models import RadarMark, RadarShare, RenewalIntent
from app.bridge.radar_rules import INTENTS, bucket
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.ids import new_id
from app.core.notices import notify
from app.core.outbox import settle_each, timed
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, reading, use_case
from app.loans.models import Loan
from app.loans.states import LoanState
from app.market import policy

constraint("uq_radar_share_live", ErrorCode.ALREADY_DONE)


# --- the firm's word ---------------------------------------------------------------------------------------------------


@use_case(Permission.BRIDGE_APPLY, "radar.share")
def share(ctx: Context, agreed: bool) -> bool:
    """The firm lets the transfer-loan centre see its loans that fall due, or ends that. Returns what holds now."""
    assert ctx.org_id is not None
    live = session().scalar(
        select(RadarShare).where(RadarShare.firm_id == ctx.org_id, RadarShare.ended_at.is_(None)).with_for_update()
    )
    if agreed and live is None:
        session().add(RadarShare(firm_id=ctx.org_id, agreed_at=now(), agreed_by=ctx.actor_id))
    elif not agreed and live is not None:
        live.ended_at, live.ended_by = now(), ctx.actor_id
    session().flush()
    about(subject_id=str(ctx.org_id), agreed=int(agreed))
    return agreed


# --- what the bank intends ---------------------------------------------------------------------------------------------


@use_case(Permission.RADAR_READ, "radar.ask_intent")
def ask_intent(ctx: Context, loan_id: UUID) -> bool:
    """The firm or the centre asks the bank what it intends. ``False`` where it was asked before.

    Raises ``Refusal``: NOT_FOUND, STATE_CHANGED for a loan that is not running, FORBIDDEN for a bank or the bureau.
    """
    if ctx.org_kind not in (OrgKind.ENTERPRISE, OrgKind.BRIDGE_CENTRE):
        raise Refusal(ErrorCode.FORBIDDEN)
    loan = _running(loan_id)
    with elevated(ctx, "radar"):
        fresh = _ask(loan, ctx)
    about(loan, asked=int(fresh))
    return fresh


def _running(loan_id: UUID) -> Loan:
    loan = get_or_404(Loan, loan_id)
    if loan.state != LoanState.DRAWN.value:
        raise Refusal(ErrorCode.STATE_CHANGED)
    return loan


def _ask(loan: Loan, ctx: Context) -> bool:
    """Asks the bank, once a loan. The caller speaks for the portal."""
    made = session().scalar(
        insert(RenewalIntent).values(
            id=new_id(), loan_id=loan.id, firm_id=loan.firm_id, org_id=loan.org_id, asked_at=now(), asked_by=ctx.actor_id,
            asker_org_id=ctx.org_id, note="",
        ).on_conflict_do_nothing(constraint="uq_renewal_intent_loan_id").returning(RenewalIntent.id)
    )  # fmt: skip
    if made is not None:
        notify(loan.org_id, N_("贷款 %(number)s 将于 %(day)s 到期，请在到期雷达上说明续贷意向。"),
               path=f"/bridges/radar/{loan.id}", number=loan.number, day=loan.due_on)
    return made is not None


@use_case(Permission.BRIDGE_CONFIRM, "radar.intend", returns=RenewalIntent)
def intend(ctx: Context, loan_id: UUID, intent: str, note: str = "") -> RenewalIntent:
    """The bank says what it intends, asked or not, and may say otherwise later. It is no promise.

    Raises ``Refusal``: NOT_FOUND for another bank's loan, STATE_CHANGED, INVALID at ``intent``.
    """
    loan = _running(loan_id)
    if loan.org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    if intent not in INTENTS:
        raise Refusal(ErrorCode.INVALID, field="intent")
    with elevated(ctx, "radar"):
        if session().scalar(select(RenewalIntent.id).where(RenewalIntent.loan_id == loan.id)) is None:
            session().add(RenewalIntent(loan_id=loan.id, firm_id=loan.firm_id, org_id=loan.org_id, asked_at=now(), note=""))
    row = session().scalars(select(RenewalIntent).where(RenewalIntent.loan_id == loan.id).with_for_update()).one()
    changed = row.intent != intent
    row.intent, row.note, row.answered_at, row.answered_by = intent, note.strip(), now(), ctx.actor_id
    session().flush()
    if changed:
        with elevated(ctx, "radar"):
            notify(loan.firm_id, N_("%(bank)s说明了贷款 %(number)s 的续贷意向，请查看。意向不是承诺。"), bank=ctx.org_name,
                   path=f"/bridges/radar/{loan.id}", case_id=loan.case_id, number=loan.number)
    about(row, intent=intent)
    return row


# --- notices -----------------------------------------------------------------------------------------------------------


def mark_of(days_left: Any, marks: tuple[int, ...]) -> Any:
    """SQL of ``radar_rules.bucket``: the nearest mark that so many days are within."""
    return case(*((days_left <= mark, literal(mark, Integer)) for mark in sorted(marks)))


@use_case(Permission.BRIDGE_TICK, "radar.tell")
def tell_maturing(ctx: Context, loan_id: UUID) -> int:
    """Tells firm and bank that a loan has come near its day, and asks the bank what it intends. 1 where it was told now."""
    loan = get_or_404(Loan, loan_id)
    days = (loan.due_on - today()).days if loan.due_on is not None else -1
    mark = bucket(days, policy.transfer().radar_marks)
    about(loan, days=days)
    if loan.state != LoanState.DRAWN.value or mark is None:
        return 0
    fresh = session().scalar(
        insert(RadarMark).values(loan_id=loan.id, days=mark, told_at=now()).on_conflict_do_nothing().returning(RadarMark.days)
    )
    if fresh is None:
        return 0
    notify(loan.firm_id,
           N_("贷款 %(number)s 还有 %(days)s 天到期（%(day)s），尚欠本金 %(amount)s。先问银行能否无还本续贷，不行再申请转贷。"),
           path=f"/bridges/radar/{loan.id}", case_id=loan.case_id, number=loan.number, days=days, day=loan.due_on,
           amount=money_text(loan.principal_left_fen))
    if not _ask(loan, ctx):
        notify(loan.org_id, N_("贷款 %(number)s 还有 %(days)s 天到期（%(day)s），尚欠本金 %(amount)s。"),
               path=f"/bridges/radar/{loan.id}", number=loan.number, days=days, day=loan.due_on,
               amount=money_text(loan.principal_left_fen))
    return 1


@timed("bridge.radar")
def tell_due(ctx: Context) -> int:
    """Every running loan that has come within a mark and was not told of at it; returns how many were told now."""
    with reading(ctx, Permission.BRIDGE_TICK) as db:
        marks = policy.transfer().radar_marks
        left = cast(Loan.due_on - today(), Integer)
        told = select(RadarMark.days).where(RadarMark.loan_id == Loan.id, RadarMark.days <= mark_of(left, marks)).exists()
        found = list(db.scalars(
            select(Loan.id).where(
                Loan.state == LoanState.DRAWN.value, Loan.due_on.between(today(), today() + timedelta(days=max(marks))), ~told,
            ).order_by(Loan.due_on).limit(200)
        ))  # fmt: skip
    return settle_each(found, lambda loan_id: tell_maturing(ctx, loan_id), "maturity")


def shares() -> int:
    """How many firms let the centre look."""
    return session().scalar(select(func.count()).select_from(RadarShare).where(RadarShare.ended_at.is_(None))) or 0
