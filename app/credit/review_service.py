"""A firm may ask that a person looks at its profile, and gets a written answer in time.

个人信息保护法 art. 24 (explanation, and no decision by machine alone); 征信业管理条例 art. 25 (answer within
20 days).
"""

from __future__ import annotations

from uuid import UUID

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, NotFound, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.notices import notify
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.core.working import N_
from app.credit.models import CreditProfile, ProfileReview
from app.credit.queries import current_profile
from app.credit.rules import ReviewState, review_due
from app.credit.states import REVIEW_LIFE

constraint("uq_profile_review_open", ErrorCode.ALREADY_DONE, "message")
constraint("ck_profile_review_message", ErrorCode.REASON_NEEDED, "message")
constraint("ck_profile_review_answer", ErrorCode.REASON_NEEDED, "answer")


@use_case(Permission.PROFILE_READ, "credit.ask_review", returns=ProfileReview)
def ask_review(ctx: Context, message: str) -> ProfileReview:
    """The firm asks that a person looks at the profile that stands now, and says why. One open request at a
    time.

    Raises ``NotFound`` without a profile, ``Refusal(REASON_NEEDED)`` without words, ``Refusal(ALREADY_DONE)``
    while an earlier request is open.
    """
    if ctx.org_id is None:
        raise NotFound
    profile = current_profile(ctx.org_id)
    if profile is None:
        raise NotFound
    if not message.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="message")
    review = ProfileReview(
        firm_id=ctx.org_id, profile_id=profile.id, state=ReviewState.ASKED.value, asked_at=now(), asked_by=ctx.actor_id,
        message=message.strip(), due_on=review_due(today()), answered_at=None, answered_by=None, answer=None,
    )
    session().add(review)
    begin(ctx, REVIEW_LIFE, review, event="ask")
    about(review, profile_id=profile.id, due_on=review.due_on)
    return review


@use_case(Permission.ENTERPRISE_DESK, "credit.look_at_review")
def look_at_review(ctx: Context, review_id: UUID) -> tuple[ProfileReview, CreditProfile]:
    """The desk opens a request and the very profile it is about; the look is written down. Raises ``NotFound``."""
    review = get_or_404(ProfileReview, review_id)
    profile = get_or_404(CreditProfile, review.profile_id)
    about(review, profile_id=profile.id)
    return review, profile


@use_case(Permission.ENTERPRISE_DESK, "credit.answer_review", returns=ProfileReview)
def answer_review(ctx: Context, review_id: UUID, answer: str) -> ProfileReview:
    """The desk answers in writing; the firm is told. Raises ``NotFound``, ``Refusal`` where it is answered or empty."""
    review = get_or_404(ProfileReview, review_id, lock=True)
    if not answer.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="answer")
    review.answer, review.answered_at = answer.strip(), now()
    fire(ctx, REVIEW_LIFE, review, "answer")
    with elevated(ctx, "credit.review"):
        notify(review.firm_id, N_("您请求的信用画像人工复核已有答复。"), path="/profile#review")
    about(review)
    return review
