"""Use cases of an appeal: the firm holds something against a refusal, the bank's other person answers, the hour tells the bureau.

Times are those of a complaint (peer-platforms paper §4 [P]): first answer in 2 working days, 15 at most, then the bureau.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, ensure, fire
from app.core.notices import notify
from app.core.outbox import emit, settle_each, timed
from app.core.permissions import OrgKind
from app.core.permissions import Permission as P
from app.core.use_case import about, reading, use_case
from app.core.working import N_
from app.identity.models import Organisation
from app.market import appeal_rules, next_best, policy
from app.market.answer_models import NeedRefusal
from app.market.appeal_models import Appeal
from app.market.appeal_words import APPEAL, AppealState, Remedy
from app.market.award_rules import day_text
from app.market.bid_models import Bid, Choice, ChoiceRefusal
from app.market.level_rules import Step, due
from app.market.models import Need
from app.market.need_cards import card

constraint("uq_appeal_refusal_id", ErrorCode.ALREADY_DONE)
constraint("uq_appeal_choice_id", ErrorCode.ALREADY_DONE)
constraint("ck_appeal_text", ErrorCode.REASON_NEEDED, "text")
constraint("ck_appeal_answer", ErrorCode.REASON_NEEDED, "answer")
constraint("ck_appeal_filed", ErrorCode.NOT_FOUND)
constraint("ck_appeal_gate", ErrorCode.STATE_CHANGED)
constraint("ck_appeal_other_person", ErrorCode.SAME_PERSON)


@use_case(P.APPEAL_FILE, "appeal.file", returns=Appeal)
def file_appeal(ctx: Context, refusal_id: UUID, words: str, *, show_name: bool = False) -> Appeal:
    """The firm appeals, once, against a refusal that it has read: of its need, or of the bid it had chosen.

    ``refusal_id``: the refusal's, or the choice's that was refused. ``show_name``: the bank reads who it is; one that was chosen
    knows. Raises ``NOT_FOUND``, ``REASON_NEEDED``, ``ALREADY_DONE``, ``APPEAL_LATE``.
    """
    if not words.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="text")
    need, bank_id, read_from, chosen = _refused(refusal_id)
    if now() > appeal_rules.appeal_until(read_from, policy.levels()):
        raise Refusal(ErrorCode.APPEAL_LATE)
    if need.case_id is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    target, limit = due(Step.COMPLAINT, now(), policy.levels(), policy.calendar())
    name = {"name": session().get_one(Organisation, need.org_id).name} if show_name or chosen else {}
    appeal = Appeal(
        need_id=need.id, org_id=need.org_id, case_id=need.case_id, bank_id=bank_id, card={**card(need), **name},
        refusal_id=None if chosen else refusal_id, choice_id=refusal_id if chosen else None, text=words.strip()[:500],
        state=AppealState.OPEN.value, at=now(), by=ctx.actor_id, target_at=target, limit_at=limit, next_check_at=limit,
    )  # fmt: skip
    session().add(appeal)
    begin(ctx, APPEAL, appeal, event="file")
    with elevated(ctx, "appeal.file"):
        notify(bank_id, N_("企业对本行的婉拒提出申诉，请由未经手的审批人在 %(time)s 前答复。"), path=f"/appeals/{appeal.id}",
               time=day_text(limit))  # fmt: skip
    emit("step.begun", step=Step.COMPLAINT, subject_type="appeal", subject_id=appeal.id, org_id=bank_id, case_id=None,
         path=f"/appeals/{appeal.id}", wd_from=appeal.at)  # fmt: skip
    about(appeal, case_id=need.case_id, chosen=chosen, named=show_name)
    return appeal


def _refused(refusal_id: UUID) -> tuple[Need, UUID, datetime, bool]:
    """Need, bank, since when the firm could read it, and whether the bank had been chosen."""
    early = session().get(NeedRefusal, refusal_id)
    if early is not None:
        need = get_or_404(Need, early.need_id)
        return need, early.org_id, need.closed_at or early.refused_at, False
    late = get_or_404(ChoiceRefusal, refusal_id)
    choice = get_or_404(Choice, late.choice_id)
    return get_or_404(Need, choice.need_id), choice.bank_org_id, late.at, True


@use_case(P.APPEAL_FILE, "appeal.drop", returns=Appeal)
def drop_appeal(ctx: Context, appeal_id: UUID) -> Appeal:
    """The firm takes it back. Raises ``STATE_CHANGED`` once it is answered."""
    appeal = get_or_404(Appeal, appeal_id, lock=True)
    appeal.ended_at, appeal.next_check_at = now(), None
    with session().no_autoflush:
        fire(ctx, APPEAL, appeal, "drop")
    with elevated(ctx, "appeal.drop"):
        notify(appeal.bank_id, N_("企业撤回了对婉拒的申诉。"), path=f"/appeals/{appeal.id}")
        emit("step.ended", step=Step.COMPLAINT, subject_id=appeal.id, kept=False, at=now())
    about(appeal)
    return appeal


@use_case(P.APPEAL_ANSWER, "appeal.answer", returns=Appeal)
def answer_appeal(ctx: Context, appeal_id: UUID, *, withdraw: bool, words: str) -> Appeal:
    """The bank answers with a reason: its refusal stands, or it takes it back. Then what can be undone is undone.

    Raises ``SAME_PERSON`` (who refused does not judge it), ``REASON_NEEDED``, ``STATE_CHANGED``.
    """
    need_id = get_or_404(Appeal, appeal_id).need_id
    with elevated(ctx, "appeal.answer"):
        need = get_or_404(Need, need_id, lock=True)  # before the appeal, in the order in which a choice locks
        appeal = get_or_404(Appeal, appeal_id, lock=True)
        bid = _bid_of(appeal)
        remedy = _remedy(need, bid) if withdraw else None
    event = "withdraw" if withdraw else "uphold"
    ensure(ctx, APPEAL, appeal, event)
    appeal.answer, appeal.answered_at, appeal.remedy = words.strip()[:500], now(), remedy
    appeal.ended_at, appeal.next_check_at = now(), None
    with session().no_autoflush:
        fire(ctx, APPEAL, appeal, event, reason=words)
    with elevated(ctx, "appeal.answer") as acting:
        if remedy is Remedy.RECALLED and bid is not None:
            next_best.reinstate(acting, need, bid, words.strip())
        notify(appeal.org_id, _told(remedy), path=f"/needs/{need.id}/appeals", case_id=appeal.case_id,
               answer=words.strip()[:500])  # fmt: skip
        emit("step.ended", step=Step.COMPLAINT, subject_id=appeal.id, kept=True, at=now())
    about(appeal, withdraw=withdraw, remedy=remedy)
    return appeal


def _told(remedy: Remedy | None) -> str:
    if remedy is None:
        return N_("银行答复了您的申诉，维持婉拒：%(answer)s")
    if remedy is Remedy.RECALLED:
        return N_("银行撤销了婉拒，它的报价重新参加选择：%(answer)s")
    return N_("银行撤销了婉拒，下一轮可以再发给它：%(answer)s")


def _bid_of(appeal: Appeal) -> Bid | None:
    """The bid that was chosen and refused; ``None`` where the bank never bid."""
    if appeal.choice_id is None:
        return None
    return get_or_404(Bid, get_or_404(Choice, appeal.choice_id).bid_id, lock=True)


def _remedy(need: Need, bid: Bid | None) -> Remedy:
    if bid is None:
        return Remedy.AGAIN
    fits = next_best.least_fen(bid) <= next_best.open_fen(need)
    return appeal_rules.remedy_of(need.state, bid.state, valid_until=bid.valid_until, on=today(), fits=fits)


@use_case(P.APPEAL_TICK, "appeal.escalate")
def escalate(ctx: Context, appeal_id: UUID) -> bool:
    """An appeal that nobody answered within the limit comes before the bureau; the bank still owes its answer."""
    appeal = get_or_404(Appeal, appeal_id, lock=True)
    about(appeal)
    if appeal.next_check_at is None or appeal.next_check_at > now():
        return False
    appeal.next_check_at, appeal.escalated_at = None, now()
    with session().no_autoflush:
        fire(ctx, APPEAL, appeal, "escalate")
    bureaus = session().scalars(select(Organisation.id).where(
        Organisation.kind == OrgKind.BUREAU.value, Organisation.state == "active"
    ))  # fmt: skip
    for bureau in bureaus:
        notify(bureau, N_("一家银行没有在时限内答复企业的申诉。"), path=f"/appeals/{appeal.id}")
    notify(appeal.bank_id, N_("申诉超过时限没有答复，已报金融局；仍须答复。"), path=f"/appeals/{appeal.id}")
    notify(appeal.org_id, N_("银行没有在时限内答复您的申诉，已报金融局。"), path=f"/needs/{appeal.need_id}/appeals",
           case_id=appeal.case_id)  # fmt: skip
    return True


@timed("market.appeals")
def escalate_due(ctx: Context) -> int:
    """Every appeal past its limit, each in its own transaction."""
    with reading(ctx, P.APPEAL_TICK) as db:
        late = list(db.scalars(select(Appeal.id).where(Appeal.next_check_at <= now()).order_by(Appeal.next_check_at).limit(200)))
    return settle_each(late, lambda appeal_id: escalate(ctx, appeal_id), "appeal")
