"""Use cases of a consultation: the desk calls it, the firm agrees, banks say what they think, the desk advises the firm.

Nothing of it binds anybody. What the firm agrees to (``card``) is all that the banks read; the firm reads the advice, and of
the banks' opinions only those whose bank agreed to be named (peer-platforms paper §2, 思明 [C25]: done in five working days).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import Lifecycle, Move, begin, fire
from app.core.notices import notify
from app.core.outbox import emit, settle_each, timed
from app.core.permissions import OrgKind
from app.core.permissions import Permission as P
from app.core.use_case import about, reading, use_case
from app.core.working import N_
from app.identity.models import Organisation
from app.market import policy, queries
from app.market.answer_models import NeedRefusal
from app.market.answer_words import REFUSALS
from app.market.award_rules import day_text
from app.market.consult_models import Consultation, ConsultationSeat, Opinion
from app.market.consult_words import CONDITIONS, Advice, Outcome
from app.market.consult_words import ConsultState as C
from app.market.level_rules import Step
from app.market.models import Need
from app.market.need_cards import card
from app.market.product_words import PRODUCT_KINDS

constraint("uq_consultation_live", ErrorCode.ALREADY_DONE)
constraint("ck_consultation_called", ErrorCode.STATE_CHANGED)
constraint("ck_consultation_gate", ErrorCode.STATE_CHANGED)
constraint("ck_consultation_sits", ErrorCode.STATE_CHANGED)
constraint("ck_consultation_reason", ErrorCode.REASON_NEEDED, "reason")
constraint("ck_consultation_advised", ErrorCode.REASON_NEEDED, "advice")
constraint("ck_consultation_other_product", ErrorCode.REASON_NEEDED, "product_kinds")
constraint("ck_consultation_improve", ErrorCode.REASON_NEEDED, "text")
constraint("ck_consultation_opinion_said", ErrorCode.REASON_NEEDED, "reasons")
constraint("ck_consultation_opinion_words", ErrorCode.REASON_NEEDED, "text")

CONSULTATION = Lifecycle(
    "consultation",
    C,
    (
        Move(C.PROPOSED, "agree", C.SITTING, (P.CONSULT_AGREE,)),
        Move(C.PROPOSED, "decline", C.DECLINED, (P.CONSULT_AGREE,)),
        Move(C.PROPOSED, "cancel", C.CANCELLED, (P.CONSULT_CALL,), needs_reason=True),
        Move(C.PROPOSED, "expire", C.EXPIRED, (P.CONSULT_TICK,)),
        Move(C.SITTING, "advise", C.ADVISED, (P.CONSULT_CALL,)),
        Move(C.SITTING, "cancel", C.CANCELLED, (P.CONSULT_CALL,), needs_reason=True),
        Move(C.SITTING, "expire", C.EXPIRED, (P.CONSULT_TICK,)),
    ),
)


@use_case(P.CONSULT_CALL, "consultation.call", returns=Consultation)
def call(ctx: Context, need_id: UUID, banks: Sequence[UUID], reason: str) -> Consultation:
    """Asks the firm whether these banks may look again at a need that ended without an offer. Banks hear nothing yet.

    Raises ``BANKS_COUNT``, ``REASON_NEEDED``, ``ALREADY_DONE`` (one at a time), ``STATE_CHANGED`` (there were offers).
    """
    need = get_or_404(Need, need_id)
    most = policy.levels().consultation_banks_max
    found = session().scalars(select(Organisation.id).where(
        Organisation.id.in_(banks), Organisation.kind == OrgKind.BANK.value, Organisation.state == "active"
    ).order_by(Organisation.id)).all()  # fmt: skip
    if not 1 <= len(found) <= most:
        raise Refusal(ErrorCode.BANKS_COUNT, field="banks", most=most)
    if need.case_id is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    until = policy.calendar().due(now(), policy.levels().consultation_agree_wd)
    consultation = Consultation(
        need_id=need.id, case_id=need.case_id, org_id=need.org_id, state=C.PROPOSED.value, reason=reason.strip()[:500],
        card=_card(ctx, need), called_at=now(), called_by=ctx.actor_id, agree_by=until, reply="", advice=[], product_kinds=[],
        advice_text="", next_check_at=until,
    )  # fmt: skip
    session().add(consultation)
    begin(ctx, CONSULTATION, consultation, event="call")
    session().add_all(ConsultationSeat(consultation_id=consultation.id, org_id=bank) for bank in found)
    session().flush()
    with elevated(ctx, "consultation.call"):
        notify(need.org_id, N_("服务台建议请 %(count)s 家银行会诊您没有收到报价的需求，请在 %(time)s 前决定是否同意。"),
               path=f"/needs/{need.id}/consultation", case_id=need.case_id, count=len(found), time=day_text(until))  # fmt: skip
    about(consultation, banks=len(found))
    return consultation


def _card(ctx: Context, need: Need) -> dict[str, Any]:
    """The need without its firm, and for which reasons it was refused how often; who refused stays out."""
    with elevated(ctx, "consultation.call"):
        lists = session().scalars(select(NeedRefusal.reasons).where(NeedRefusal.need_id == need.id))
        refused = Counter(reason for reasons in lists for reason in reasons)
    return {**card(need), "refused": dict(sorted(refused.items()))}


# --- the firm ----------------------------------------------------------------------------------------------------------


@use_case(P.CONSULT_AGREE, "consultation.agree", returns=Consultation)
def agree(ctx: Context, consultation_id: UUID, *, show_name: bool) -> Consultation:
    """The firm lets the named banks look at its card, with its name only where it says so. Their time begins."""
    found = get_or_404(Consultation, consultation_id, lock=True)
    due = policy.calendar().due(now(), policy.levels().consultation_wd)
    name = {"name": session().get_one(Organisation, found.org_id).name} if show_name else {}
    found.agreed_at, found.agreed_by = now(), ctx.actor_id
    found.due_at = found.next_check_at = due  # asked first: the database takes the whole move or nothing
    found.card = {**found.card, **name}
    fire(ctx, CONSULTATION, found, "agree")
    with elevated(ctx, "consultation.agree"):
        for bank in seats(found.id):
            notify(bank, N_("服务台请贵行会诊一份没有收到报价的融资需求，请在 %(time)s 前说明意见。"),
                   path=f"/consultations/{found.id}", time=day_text(due))  # fmt: skip
            _begun(found, bank, f"/consultations/{found.id}")
        for desk in queries.desks():
            _begun(found, desk, f"/desk/consultations/{found.id}")
    about(found, named=show_name)
    return found


def _begun(found: Consultation, org_id: UUID, path: str) -> None:
    emit("step.begun", step=Step.CONSULTATION, subject_type="consultation", subject_id=found.id, org_id=org_id,
         case_id=None, path=path, wd_from=found.agreed_at)  # fmt: skip


def _ended(found: Consultation, *, kept: bool, org_id: UUID | None = None) -> None:
    emit("step.ended", step=Step.CONSULTATION, subject_id=found.id, org_id=org_id, kept=kept, at=now())


@use_case(P.CONSULT_AGREE, "consultation.decline", returns=Consultation)
def decline(ctx: Context, consultation_id: UUID) -> Consultation:
    """The firm does not want it; no bank hears of it."""
    found = get_or_404(Consultation, consultation_id, lock=True)
    found.ended_at, found.next_check_at = now(), None
    fire(ctx, CONSULTATION, found, "decline")
    about(found)
    return found


@use_case(P.CONSULT_AGREE, "consultation.reply", returns=Consultation)
def reply(ctx: Context, consultation_id: UUID, text: str) -> Consultation:
    """The firm answers, once, what banks asked; it does not learn which of them. Raises ``REASON_NEEDED``, ``STATE_CHANGED``."""
    found = get_or_404(Consultation, consultation_id, lock=True)
    if not text.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="text")
    if found.state != C.SITTING or found.reply:
        raise Refusal(ErrorCode.STATE_CHANGED)
    found.reply = text.strip()[:1000]
    session().flush()
    with elevated(ctx, "consultation.reply"):
        for bank in seats(found.id):
            notify(bank, N_("企业为会诊补充了说明。"), path=f"/consultations/{found.id}")
    about(found)
    return found


# --- banks -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """What a bank says: an outcome, with conditions or reasons of the closed lists. ``named``: the firm may read it as ours."""

    outcome: str
    conditions: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    text: str = ""
    named: bool = False


@use_case(P.CONSULT_SIT, "consultation.say")
def say(ctx: Context, consultation_id: UUID, words: Words) -> None:
    """A bank that sits says what it thinks; until the advice it may say it anew.

    Raises ``INVALID``, ``REASON_NEEDED``, ``STATE_CHANGED``, ``NOT_FOUND`` (not seated).
    """
    found = get_or_404(Consultation, consultation_id)
    if words.outcome not in set(Outcome):
        raise Refusal(ErrorCode.INVALID, field="outcome")
    assert ctx.org_id is not None
    opinion = session().get(Opinion, (found.id, ctx.org_id), with_for_update=True)
    if opinion is None:
        opinion = Opinion(consultation_id=found.id, org_id=ctx.org_id)
    opinion.outcome, opinion.text, opinion.named = words.outcome, words.text.strip()[:500], words.named
    opinion.conditions = _known(CONDITIONS, words.conditions) if words.outcome == Outcome.WOULD_IF else []
    opinion.reasons = _known(REFUSALS, words.reasons) if words.outcome == Outcome.WOULD_NOT else []
    opinion.said_at, opinion.said_by = now(), ctx.actor_id
    session().add(opinion)
    session().flush()
    with elevated(ctx, "consultation.say"):
        if words.outcome == Outcome.ASKS:
            notify(found.org_id, N_("会诊的银行需要您先说明情况。"), path=f"/needs/{found.need_id}/consultation",
                   case_id=found.case_id)  # fmt: skip
        else:
            _ended(found, kept=True, org_id=ctx.org_id)
    about(found, outcome=words.outcome, named=words.named)


def _known(words: Any, codes: Sequence[str]) -> list[str]:
    return [code for code in words if code in set(codes)]


# --- the desk ----------------------------------------------------------------------------------------------------------


@use_case(P.CONSULT_CALL, "consultation.advise", returns=Consultation)
def advise(
    ctx: Context, consultation_id: UUID, advice: Sequence[str], text: str = "", product_kinds: Sequence[str] = ()
) -> Consultation:
    """Ends it with advice of the closed list. Raises ``REASON_NEEDED`` (no advice)."""
    found = get_or_404(Consultation, consultation_id, lock=True)
    found.advice = [one.value for one in Advice if one.value in set(advice)]
    if not found.advice:
        raise Refusal(ErrorCode.REASON_NEEDED, field="advice")
    found.product_kinds = _known(PRODUCT_KINDS, product_kinds) if Advice.OTHER_PRODUCT in found.advice else []
    found.advice_text = text.strip()[:1000]
    found.ended_at, found.next_check_at = now(), None
    with session().no_autoflush:
        fire(ctx, CONSULTATION, found, "advise")
    _tell_end(ctx, found, N_("会诊有了结论，请看服务台的建议。"), kept=True)
    about(found, advice=",".join(found.advice), product_kinds=",".join(found.product_kinds))
    return found


@use_case(P.CONSULT_CALL, "consultation.cancel", returns=Consultation)
def cancel(ctx: Context, consultation_id: UUID, reason: str) -> Consultation:
    """Calls it off. Raises ``REASON_NEEDED``."""
    found = get_or_404(Consultation, consultation_id, lock=True)
    found.ended_at, found.next_check_at = now(), None
    with session().no_autoflush:
        fire(ctx, CONSULTATION, found, "cancel", reason=reason)
    _tell_end(ctx, found, N_("服务台取消了会诊。"), kept=False)
    about(found)
    return found


def _tell_end(ctx: Context, found: Consultation, message: str, *, kept: bool) -> None:
    with elevated(ctx, "consultation.end"):
        notify(found.org_id, message, path=f"/needs/{found.need_id}/consultation", case_id=found.case_id)
        if found.agreed_at is None:
            return
        for bank in seats(found.id):
            notify(bank, N_("一份需求的会诊已经结束。"), path=f"/consultations/{found.id}")
        _ended(found, kept=kept)


@use_case(P.CONSULT_TICK, "consultation.tick")
def settle(ctx: Context, consultation_id: UUID) -> bool:
    """What time does: a firm that does not answer has not agreed; a consultation without advice ends. ``False``: nothing due."""
    found = get_or_404(Consultation, consultation_id, lock=True)
    about(found)
    if found.next_check_at is None or found.next_check_at > now():
        return False
    found.ended_at, found.next_check_at = now(), None
    with session().no_autoflush:
        fire(ctx, CONSULTATION, found, "expire")
    if found.agreed_at is None:
        _tell_end(ctx, found, N_("您没有在期限内同意会诊，会诊没有举行。"), kept=False)
    else:
        _tell_end(ctx, found, N_("会诊没有在期限内得出结论，已经结束；您可以重新发起一轮。"), kept=True)
    return True


@timed("market.consultations")
def settle_due(ctx: Context) -> int:
    """Every consultation whose time is over, each in its own transaction."""
    with reading(ctx, P.CONSULT_TICK) as db:
        due = list(db.scalars(
            select(Consultation.id).where(Consultation.next_check_at <= now()).order_by(Consultation.next_check_at).limit(200)
        ))  # fmt: skip
    return settle_each(due, lambda found: settle(ctx, found), "consultation")


def seats(consultation_id: UUID) -> list[UUID]:
    """The banks that are asked, in a fixed order."""
    return list(session().scalars(
        select(ConsultationSeat.org_id).where(ConsultationSeat.consultation_id == consultation_id)
        .order_by(ConsultationSeat.org_id)
    ))  # fmt: skip
