"""The life of a scoring model: nobody alone decides which model scores the city.

Who brings a model (system administrator) may not approve it (security administrator or the bureau's leader), and who approved it
may not activate it; going back to an earlier model again takes two. The database holds the same rules (migration 0019).
"""

from __future__ import annotations

from enum import StrEnum

from app.core.errors import N_, ErrorCode, constraint
from app.core.lifecycle import Lifecycle, Move
from app.core.pages import Tone
from app.core.permissions import Permission as P
from app.credit.models import ScoringModel


class ModelState(StrEnum):
    """Where a model stands. ``RECALLED``: somebody asked to go back to it, and a second person has not said yes yet."""

    CANDIDATE = "candidate"
    APPROVED = "approved"
    ACTIVE = "active"
    RETIRED = "retired"
    RECALLED = "recalled"
    REFUSED = "refused"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _NAMES[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _TONES.get(self, "plain")


_S = ModelState
_NAMES = {
    _S.CANDIDATE: N_("候选"), _S.APPROVED: N_("已批准，待启用"), _S.ACTIVE: N_("在用"), _S.RETIRED: N_("已停用"),
    _S.RECALLED: N_("待回退"), _S.REFUSED: N_("未批准"),
}
_TONES: dict[ModelState, Tone] = {
    _S.CANDIDATE: "wait", _S.APPROVED: "info", _S.ACTIVE: "good", _S.RECALLED: "wait", _S.REFUSED: "bad",
}
_GOVERNORS = (P.MODEL_PROPOSE, P.MODEL_APPROVE)

MODEL_LIFE = Lifecycle(ScoringModel.__tablename__, ModelState, (
    Move(_S.CANDIDATE, "approve", _S.APPROVED, (P.MODEL_APPROVE,), needs_reason=True, stamp="approved_by",
         other_than=("proposed_by",), shared=False),
    Move(_S.CANDIDATE, "refuse", _S.REFUSED, (P.MODEL_APPROVE,), needs_reason=True, shared=False),
    Move(_S.APPROVED, "refuse", _S.REFUSED, (P.MODEL_APPROVE,), needs_reason=True, shared=False),
    Move(_S.APPROVED, "activate", _S.ACTIVE, _GOVERNORS, needs_reason=True, stamp="activated_by",
         other_than=("approved_by",), shared=False),
    Move(_S.ACTIVE, "retire", _S.RETIRED, _GOVERNORS, shared=False),
    Move(_S.RETIRED, "recall", _S.RECALLED, _GOVERNORS, needs_reason=True, stamp="recalled_by", shared=False),
    Move(_S.RECALLED, "restore", _S.ACTIVE, (P.MODEL_APPROVE,), needs_reason=True, stamp="restored_by",
         other_than=("recalled_by",), shared=False),
    Move(_S.RECALLED, "drop", _S.RETIRED, _GOVERNORS, needs_reason=True, shared=False),
))

DECISIONS = ("approve", "activate", "restore", "recall", "drop", "refuse")
"""What a person may decide, in the order of the buttons; ``retire`` happens to the one that another takes the place of."""

for _name in ("ck_scoring_model_two_persons", "ck_scoring_model_activated_two_persons", "ck_scoring_model_restored_two_persons"):
    constraint(_name, ErrorCode.SAME_PERSON)
for _name in ("uq_scoring_model_active", "ck_scoring_model_life", "ck_scoring_model_succession", "ck_scoring_model_birth"):
    constraint(_name, ErrorCode.STATE_CHANGED)
constraint("ck_scoring_model_person", ErrorCode.FORBIDDEN)
constraint("uq_scoring_model_version", ErrorCode.MODEL_KNOWN, "file")
constraint("uq_model_training_open", ErrorCode.TRAINING_OPEN)
constraint("uq_model_report_open", ErrorCode.ALREADY_DONE)
