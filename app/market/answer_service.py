"""Use cases around an open need: a bank refuses or asks, the firm answers once for all the banks it names."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import Lifecycle, Move, begin, fire
from app.core.notices import notify
from app.core.permissions import OrgKind
from app.core.permissions import Permission as P
from app.core.use_case import about, use_case
from app.core.working import N_
from app.evidence.consent_queries import grounds
from app.identity.models import Organisation
from app.market import clock_service, policy, queries
from app.market.answer_models import Answer, AnswerBank, NeedRefusal, Question, QuestionAsker
from app.market.answer_words import PAPERS, REFUSALS, QuestionState
from app.market.level_rules import Step
from app.market.models import Need
from app.market.words import NeedState

constraint("uq_need_refusal", ErrorCode.REFUSED_ALREADY)
constraint("ck_bid_refused", ErrorCode.REFUSED_ALREADY)
constraint("ck_need_refusal_bid", ErrorCode.BID_EXISTS)
constraint("ck_need_refusal_other", ErrorCode.REASON_NEEDED, "text")
constraint("ck_question_once", ErrorCode.STATE_CHANGED)
constraint("ck_question_wanted", ErrorCode.REASON_NEEDED, "text")
constraint("ck_answer_text", ErrorCode.REASON_NEEDED, "text")

QUESTION = Lifecycle(
    "question",
    QuestionState,
    (
        Move(QuestionState.ASKED, "answer", QuestionState.ANSWERED, (P.QUESTION_ANSWER,), shared=False, sealed=False),
        Move(QuestionState.ASKED, "drop", QuestionState.DROPPED, (P.QUESTION_ASK,), shared=False),
        # Moved by the database itself when the need takes no more bids (migration 0043, ``hq_questions_closed``).
        Move(QuestionState.ASKED, "close", QuestionState.UNANSWERED, (P.NEED_TICK,), shared=False, sealed=False),
    ),
)


def _open_need(ctx: Context, need_id: UUID) -> Need:
    need = queries.need_to_bid_on(ctx, need_id)
    if need.state != NeedState.OPEN or need.closes_at is None or need.closes_at <= now():
        raise Refusal(ErrorCode.BID_AFTER_CLOSE)
    return need


@use_case(P.NEED_REFUSE, "need.refuse", returns=NeedRefusal)
def refuse_need(ctx: Context, need_id: UUID, reasons: Sequence[str], text: str = "") -> NeedRefusal:
    """The bank will not bid, and says why. The firm reads it after closing.

    A bank that has refused bids no more, unless the need is corrected.

    Raises ``REASON_NEEDED``, ``REFUSED_ALREADY``, ``BID_EXISTS`` (a live bid), ``BID_AFTER_CLOSE``.
    """
    need = _open_need(ctx, need_id)
    known = [reason for reason in REFUSALS if reason in set(reasons)]
    if not known:
        raise Refusal(ErrorCode.REASON_NEEDED, field="reasons")
    refusal = NeedRefusal(
        need_id=need.id, seal_id=need.seal_id, org_id=ctx.org_id, version=need.version, reasons=known,
        text=text.strip()[:500], refused_at=now(), refused_by=ctx.actor_id,
    )
    session().add(refusal)
    session().flush()
    about(refusal, case_id=need.case_id)
    return refusal


@use_case(P.QUESTION_ASK, "question.ask", returns=Question)
def ask(ctx: Context, need_id: UUID, text: str, paper_kind: str | None = None) -> Question:
    """Asks the firm for an answer, or for a paper that no data of its consent replaces.

    Raises ``DATA_INSTEAD``, ``REASON_NEEDED`` (nothing asked), ``BID_AFTER_CLOSE``.
    """
    need = _open_need(ctx, need_id)
    assert need.closes_at is not None
    if paper_kind is not None:
        if paper_kind not in PAPERS:
            raise Refusal(ErrorCode.INVALID, field="paper_kind")
        item = PAPERS[paper_kind][1]
        if item is not None and item in grounds(need.org_id, ctx.org_id, need.case_id):
            raise Refusal(ErrorCode.DATA_INSTEAD, field="paper_kind")
    question = Question(
        id=uuid4(), need_id=need.id, seal_id=need.seal_id, case_id=need.case_id, text=text.strip()[:500],
        kind="PAPER" if paper_kind else "TEXT", paper_kind=paper_kind, asked_on=today(), state=QuestionState.ASKED.value,
        due_at=min(policy.question_due_at(now()), need.closes_at),
    )  # its id tells no hour
    session().add(question)
    session().flush()
    session().add(QuestionAsker(question_id=question.id, org_id=ctx.org_id, person_id=ctx.actor_id, at=now()))
    begin(ctx, QUESTION, question)
    about(question)
    with elevated(ctx, "question.ask"):
        clock_service.begin_sealed(
            Step.QUESTION, "question", question.id, need.org_id, limit=question.due_at, seal_id=need.seal_id,
            case_id=need.case_id, path=f"/needs/{need.id}/questions",
        )
        notify(
            need.org_id, N_("有银行就您的融资需求提问，请答复。"), path=f"/needs/{need.id}/questions", case_id=need.case_id
        )
    return question


@use_case(P.QUESTION_ASK, "question.drop", returns=Question)
def drop_question(ctx: Context, question_id: UUID) -> Question:
    """The bank needs the answer no more. Raises ``NOT_FOUND`` for another bank's."""
    question = get_or_404(Question, question_id, lock=True)
    if session().get(QuestionAsker, question_id) is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    fire(ctx, QUESTION, question, "drop")
    about(question)
    return question


@use_case(P.QUESTION_ANSWER, "question.answer", returns=Answer)
def answer(
    ctx: Context, need_id: UUID, question_ids: Sequence[UUID], text: str, banks: Sequence[UUID] | None = None
) -> Answer:
    """Answers several questions at one go, for every bank of the need (``None``) or for those named; whoever asked reads it.

    Raises ``INVALID`` (no question), ``REASON_NEEDED`` (no text), ``STATE_CHANGED``.
    """
    need = get_or_404(Need, need_id)
    if not question_ids:
        raise Refusal(ErrorCode.INVALID, field="questions")
    if not text.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="text")
    given = Answer(
        need_id=need.id, org_id=ctx.org_id, case_id=need.case_id, text=text.strip()[:1000],
        audience="all" if banks is None else "named", answered_at=now(), answered_by=ctx.actor_id,
    )
    session().add(given)
    session().flush()
    named = session().scalars(select(Organisation.id).where(
        Organisation.id.in_(banks or ()), Organisation.kind == OrgKind.BANK.value, Organisation.state == "active"
    )).all()
    session().add_all([AnswerBank(answer_id=given.id, org_id=bank) for bank in named])
    session().flush()
    for question_id in sorted(set(question_ids)):
        question = get_or_404(Question, question_id, lock=True)
        if question.need_id != need.id:
            raise Refusal(ErrorCode.NOT_FOUND)
        question.answer_id = given.id
        with session().no_autoflush:
            fire(ctx, QUESTION, question, "answer")
    with elevated(ctx, "question.answer"):
        for bank in named:
            notify(bank, N_("企业向贵行补充了融资需求的说明。"), path="/questions")
    about(given, questions=len(set(question_ids)))
    return given
