"""States of the market as data: need. What follows the closing is in ``bid_lifecycles``, a product's are in ``product_words``."""

from __future__ import annotations

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission as P
from app.market.bid_lifecycles import AWARD, BID, CHOICE, NEED_AFTER, OBJECTION
from app.market.words import NeedState

__all__ = ["AWARD", "BID", "CHOICE", "NEED", "OBJECTION"]

NEED = Lifecycle(
    "need",
    NeedState,
    (
        Move(NeedState.DRAFT, "submit", NeedState.OPEN, (P.NEED_SUBMIT,)),
        Move(NeedState.DRAFT, "discard", NeedState.WITHDRAWN, (P.NEED_DRAFT,), shared=False),
        Move(NeedState.OPEN, "extend", NeedState.OPEN, (P.NEED_CLOSE,)),
        Move(NeedState.OPEN, "close", NeedState.CLOSED, (P.NEED_CLOSE, P.NEED_TICK)),
        Move(NeedState.OPEN, "withdraw", NeedState.WITHDRAWN, (P.NEED_CLOSE,), needs_reason=True),
        *NEED_AFTER,
    ),
)
