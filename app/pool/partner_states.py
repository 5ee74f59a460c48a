"""The life of an agreement with a partner: drafted by one person, signed off by another, ended before its time if need be."""

from __future__ import annotations

from enum import StrEnum

from app.core.errors import N_
from app.core.lifecycle import Lifecycle, Move, second_word
from app.core.permissions import Permission as P


class PartnerState(StrEnum):
    """Where an agreement stands. Whether it runs on a day is read from its days."""

    PROPOSED = "PROPOSED"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"
    ENDED = "ENDED"


AGREEMENT = Lifecycle("pool_agreement", PartnerState, (
    *second_word(PartnerState, propose=P.POOL_PROPOSE, decide=P.POOL_FUND),
    Move(PartnerState.CONFIRMED, "end", PartnerState.ENDED, (P.POOL_FUND,), needs_reason=True, stamp="ended_by", shared=False),
))
AGREEMENT_TEXTS = {
    "propose": N_("起草合作协议"), "confirm": N_("签署合作协议"), "refuse": N_("不同意签署合作协议"),
    "withdraw": N_("撤回合作协议草稿"), "end": N_("提前终止合作协议"),
}
