"""The life of a warning, and what a bank does with one that concerns it."""

from __future__ import annotations

from enum import StrEnum

from app.core.lifecycle import Lifecycle, Move, second_word
from app.core.permissions import Permission as P
from app.credit.warning_models import EarlyWarning, WarningConcern, WarningProposal


class WarningState(StrEnum):
    """Whether the data still signal it."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


class ConcernState(StrEnum):
    """What a bank has done with a warning."""

    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    CLOSED = "CLOSED"


class ProposalState(StrEnum):
    """Where a proposal of other thresholds stands."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


WARNING_LIFE = Lifecycle(EarlyWarning.__tablename__, WarningState, (
    Move(WarningState.OPEN, "close", WarningState.CLOSED, (P.WARNING_TICK,), shared=False),
))

CONCERN_LIFE = Lifecycle(WarningConcern.__tablename__, ConcernState, (
    Move(ConcernState.OPEN, "acknowledge", ConcernState.ACKNOWLEDGED, (P.WARNING_NOTE,), needs_reason=True,
         stamp="acknowledged_by", shared=False),
    Move(ConcernState.ACKNOWLEDGED, "reopen", ConcernState.OPEN, (P.WARNING_TICK,), shared=False),
    Move(ConcernState.OPEN, "close", ConcernState.CLOSED, (P.WARNING_TICK,), shared=False),
    Move(ConcernState.ACKNOWLEDGED, "close", ConcernState.CLOSED, (P.WARNING_TICK,), shared=False),
))

PROPOSAL_LIFE = Lifecycle(
    WarningProposal.__tablename__, ProposalState, second_word(ProposalState, propose=P.WARNING_PROPOSE, decide=P.WARNING_DECIDE),
)
