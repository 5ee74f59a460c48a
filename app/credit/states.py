"""The lifecycle of a request for a human look."""

from __future__ import annotations

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission
from app.credit.models import ProfileReview
from app.credit.rules import ReviewState

REVIEW_LIFE = Lifecycle(ProfileReview.__tablename__, ReviewState, (
    Move(
        ReviewState.ASKED, "answer", ReviewState.ANSWERED, (Permission.ENTERPRISE_DESK,), stamp="answered_by", shared=False,
    ),
))
