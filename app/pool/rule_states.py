"""The life of a proposed edition of the rule: one person's draft, another one's word."""

from __future__ import annotations

from enum import StrEnum

from app.core.lifecycle import Lifecycle, second_word
from app.core.permissions import Permission as P


class ProposalState(StrEnum):
    """Where a proposed edition stands."""

    PROPOSED = "PROPOSED"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"


RULE_PROPOSAL = Lifecycle(
    "rule_proposal", ProposalState, second_word(ProposalState, propose=P.RULES_PROPOSE, decide=P.RULES_DECIDE)
)
