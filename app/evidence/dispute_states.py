"""The lifecycle of a dispute."""

from __future__ import annotations

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission
from app.evidence.correction_models import EvidenceDispute
from app.evidence.dispute_rules import DisputeState

P = Permission
S = DisputeState

DISPUTE_LIFE = Lifecycle(EvidenceDispute.__tablename__, DisputeState, (
    Move(S.ASKED, "correct", S.ANSWERED_CORRECTED, (P.DISPUTE_ANSWER,), stamp="answered_by", shared=False),
    Move(S.ASKED, "uphold", S.ANSWERED_UPHELD, (P.DISPUTE_ANSWER,), stamp="answered_by", shared=False),
    Move(S.ASKED, "withdraw", S.WITHDRAWN, (P.DISPUTE_FILE,), stamp="withdrawn_by", shared=False),
))
