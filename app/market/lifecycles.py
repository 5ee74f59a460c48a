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
        Move(NeedState.DRAFT, "submit", NeedState.CHECKING, (P.NEED_SUBMIT,)),
        Move(NeedState.DRAFT, "discard", NeedState.WITHDRAWN, (P.NEED_DRAFT,), shared=False),
        Move(NeedState.DRAFT, "lapse", NeedState.LAPSED, (P.NEED_TICK,), shared=False),
        Move(NeedState.CHECKING, "release", NeedState.OPEN, (P.NEED_SCREEN, P.NEED_TICK), sealed=False),
        Move(NeedState.CHECKING, "return", NeedState.RETURNED, (P.NEED_SCREEN,), needs_reason=True, sealed=False),
        Move(NeedState.CHECKING, "withdraw", NeedState.WITHDRAWN, (P.NEED_CLOSE,), needs_reason=True),
        Move(NeedState.RETURNED, "submit", NeedState.CHECKING, (P.NEED_SUBMIT,)),
        Move(NeedState.RETURNED, "withdraw", NeedState.WITHDRAWN, (P.NEED_CLOSE,), needs_reason=True),
        Move(NeedState.RETURNED, "lapse", NeedState.LAPSED, (P.NEED_TICK,), needs_reason=True, sealed=False),
        Move(NeedState.OPEN, "correct", NeedState.OPEN, (P.NEED_SUBMIT,), needs_reason=True),
        Move(NeedState.OPEN, "extend", NeedState.OPEN, (P.NEED_CLOSE,)),
        Move(NeedState.OPEN, "close", NeedState.CLOSED, (P.NEED_CLOSE, P.NEED_TICK)),
        Move(NeedState.OPEN, "withdraw", NeedState.WITHDRAWN, (P.NEED_CLOSE,), needs_reason=True),
        *NEED_AFTER,
    ),
)
