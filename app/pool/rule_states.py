"""The life of a proposed edition of the rule: one person's draft, another one's word."""

from __future__ import annotations

from enum import StrEnum

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission as P


class ProposalState(StrEnum):
    """Where a proposed edition stands."""

    PROPOSED = "PROPOSED"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"


_S = ProposalState
RULE_PROPOSAL = Lifecycle("rule_proposal", ProposalState, (
    Move(_S.PROPOSED, "confirm", _S.CONFIRMED, (P.RULES_DECIDE,), needs_reason=True, stamp="decided_by",
         other_than=("proposed_by",), shared=False),
    Move(_S.PROPOSED, "refuse", _S.REFUSED, (P.RULES_DECIDE,), needs_reason=True, stamp="decided_by",
         other_than=("proposed_by",), shared=False),
    Move(_S.PROPOSED, "withdraw", _S.WITHDRAWN, (P.RULES_PROPOSE,), needs_reason=True, stamp="decided_by", shared=False),
))
