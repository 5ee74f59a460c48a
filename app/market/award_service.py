"""Use cases of the award: it stands still, is objected to, undone, upheld or dismissed, and stands."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from sqlalchemy import select, text

from app.core.calendar import now
from app.core.cases import join_case
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.models import Case
from app.core.notices import notify
from app.core.outbox import emit, settle_each, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.core.working import N_
from app.identity.service import keep_case
from app.market import award_rules, next_best, policy
from app.market.bid_lifecycles import AWARD, BID, CHOICE, OBJECTION
from app.market.bid_models import Award, Bid, BidCondition, Choice, ChoiceCondition, Objection
from app.market.bid_words import AwardState, ObjectionReason, ObjectionState
from app.market.closing_service import lapse_bid
from app.market.models import Need
from app.market.product_models import ProductVersion
from app.market.product_words import ProductKind

constraint("uq_objection_award_id", ErrorCode.ALREADY_DONE)
constraint("ck_award_objection", ErrorCode.STATE_CHANGED)


def _locked(award_id: UUID) -> tuple[Award, Need]:
    """Award and need, locked in the order in which a choice locks them."""
    need = get_or_404(Need, get_or_404(Award, award_id).need_id, lock=True)
    return get_or_404(Award, award_id, lock=True), need


def _live_choice(award: Award) -> Choice:
    return session().scalars(select(Choice).where(Choice.award_id == award.id).with_for_update()).one()


@use_case(Permission.CHOICE_MAKE, "award.undo", returns=Award)
def undo_award(ctx: Context, award_id: UUID, reason: str) -> Award:
    """The firm thinks again while the award stands still and it may still choose. Raises ``STANDSTILL`` afterwards."""
    award, need = _locked(award_id)
    if not undoable(award, need):
        raise Refusal(ErrorCode.STANDSTILL)
    fire(ctx, AWARD, award, "undo", reason=reason)
    _fall_back(ctx, award, need, reason, excluded=False, more_time=False)
    about(award)
    return award


def undoable(award: Award, need: Need) -> bool:
    """Whether the firm may think again: undoing gains no time, so there must be some left to choose in."""
    return award.state == AwardState.STANDSTILL and now() < award.standstill_until and now() < (need.choose_by or now())


def _fall_back(ctx: Context, award: Award, need: Need, reason: str, *, excluded: bool, more_time: bool = True) -> None:
    """Before it became final: the choice is off, and the firm compares again, without the bid that was chosen if excluded."""
    award.ended_at, award.next_check_at = now(), None
    with elevated(ctx, "award.fall") as acting:
        choice = _live_choice(award)
        bid = get_or_404(Bid, choice.bid_id, lock=True)
        choice.cancelled_at = now()
        fire(acting, CHOICE, choice, "undo", reason=reason)
        if excluded:
            lapse_bid(acting, bid, reason)
        else:
            fire(acting, BID, bid, "undo")
        left = next_best.choose_again(acting, need, reason, more_time=more_time)
        for each in {each.id: each for each in (*left, bid)}.values():
            notify(each.org_id, N_("企业的选定没有成立，正在重新选择。"), path=f"/bids/{each.id}")


@use_case(Permission.AWARD_OBJECT, "award.object", returns=Objection)
def object_to(ctx: Context, need_id: UUID, reason: ObjectionReason, words: str) -> Objection:
    """A bank that was not chosen objects, once to each decision that stands still. They wait for the answer.

    Raises ``STANDSTILL``, ``ALREADY_DONE``.
    """
    if not words.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    found = session().execute(text("select award_id, until from hq_standstill(:need)"), {"need": need_id}).all()
    still = {row.award_id for row in found if row.until > now()}
    if not still:
        raise Refusal(ErrorCode.STANDSTILL)
    own = select(Objection.award_id).where(Objection.need_id == need_id, Objection.org_id == ctx.org_id)
    still -= set(session().scalars(own))
    if not still:
        raise Refusal(ErrorCode.ALREADY_DONE)
    made = [
        Objection(
            award_id=award_id, need_id=need_id, org_id=ctx.org_id, reason=reason.value, text=words.strip()[:500],
            state=ObjectionState.OPEN.value, at=now(), by=ctx.actor_id,
        )
        for award_id in sorted(still)
    ]
    for objection in made:
        session().add(objection)
        begin(ctx, OBJECTION, objection, event="object")
    with elevated(ctx, "award.object"):
        need = get_or_404(Need, need_id)
        notify(need.org_id, N_("有银行对您的选定提出异议，服务台会答复；在那之前选定不生效。"), path=f"/needs/{need_id}/award",
               case_id=need.case_id)
    about(made[0], reason=reason.value, awards=len(made))
    return made[0]


@use_case(Permission.AWARD_JUDGE, "award.judge", returns=Objection)
def judge(ctx: Context, objection_id: UUID, *, uphold: bool, answer: str, excluded: bool = False) -> Objection:
    """The desk answers an objection. Upheld, the award falls and the firm chooses again, ``excluded``: without that bid.

    Raises ``REASON_NEEDED``, ``STATE_CHANGED``.
    """
    objection = get_or_404(Objection, objection_id, lock=True)
    award_id = objection.award_id
    objection.answered_at, objection.answered_by, objection.answer = now(), ctx.actor_id, answer.strip()[:500]
    fire(ctx, OBJECTION, objection, "uphold" if uphold else "dismiss", reason=answer)
    with elevated(ctx, "award.judge"):
        award, need = _locked(award_id)
        if uphold and award.state == AwardState.STANDSTILL:
            fire(ctx, AWARD, award, "uphold", reason=answer)
            _fall_back(ctx, award, need, answer, excluded=excluded)
        elif award.state == AwardState.STANDSTILL:
            award.next_check_at = max(award.standstill_until, now())
        message = N_("对选定的异议成立：%(answer)s") if uphold else N_("对选定的异议不成立：%(answer)s")
        notify(need.org_id, message, path=f"/needs/{need.id}/award", case_id=need.case_id, answer=answer.strip())
        own = select(Bid.id).where(Bid.need_id == need.id, Bid.org_id == objection.org_id, Bid.opened_at.is_not(None))
        notify(objection.org_id, message, path=f"/bids/{session().scalars(own).one()}", answer=answer.strip())
    about(objection, uphold=uphold, excluded=excluded)
    return objection


@use_case(Permission.NEED_TICK, "award.tick")
def settle_award(ctx: Context, award_id: UUID) -> bool:
    """What time does to an award: without an open objection it becomes final. ``False`` where nothing is due."""
    award, need = _locked(award_id)
    about(award)
    if award.state != AwardState.STANDSTILL or award.next_check_at is None or award.next_check_at > now():
        return False
    open_objection = select(Objection.id).where(Objection.award_id == award.id, Objection.state == ObjectionState.OPEN.value)
    if session().scalars(open_objection.limit(1)).first() is not None:
        award.next_check_at = None  # the answer sets it again
        return False
    _stand(ctx, award, need)
    return True


def _stand(ctx: Context, award: Award, need: Need) -> None:
    """The chosen bank becomes a party of the case, kept by whoever drafted the bid; the others stay bound for their validity."""
    award.next_check_at = None
    fire(ctx, AWARD, award, "stand")
    choice = _live_choice(award)
    bid = get_or_404(Bid, choice.bid_id)
    kind = session().get_one(ProductVersion, (bid.product_id, bid.product_version)).facts["kind"]
    choice.decide_by = award_rules.decide_by(now(), policy.levels(), policy.calendar(), credit=kind == ProductKind.CREDIT)
    choice.next_check_at = award_rules.promise_ends(now(), policy.levels(), policy.calendar())
    demands = session().scalars(select(BidCondition).where(BidCondition.bid_id == bid.id).order_by(BidCondition.no))
    session().add_all([
        ChoiceCondition(choice_id=choice.id, no=one.no, bid_id=bid.id, kind=one.kind, text=one.text, note="") for one in demands
    ])
    next_best.settle_losers(ctx, need)
    case = get_or_404(Case, need.case_id)
    join_case(case.id, bid.org_id)
    keep_case(replace(ctx, actor_id=bid.drafted_by, org_id=bid.org_id), case)
    notify(bid.org_id, N_("企业选定了本行的报价（业务 %(number)s），请在承诺的时间内完成审批。"), path=f"/bids/{bid.id}",
           case_id=case.id, number=case.number)
    notify(need.org_id, N_("选定已生效，银行正在审批。"), path=f"/needs/{need.id}/award", case_id=case.id)
    emit("choice.made", choice_id=choice.id)


@timed("market.awards")
def settle_due_awards(ctx: Context) -> int:
    """Every award whose standstill is over, each in its own transaction."""
    with reading(ctx, Permission.NEED_TICK) as db:
        due = list(db.scalars(select(Award.id).where(Award.next_check_at <= now()).order_by(Award.next_check_at).limit(200)))
    return settle_each(due, lambda award_id: settle_award(ctx, award_id), "award")
