"""States of what happens from the closing on, as data: bid, choice, and the need between its closing and its end."""

from __future__ import annotations

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission as P
from app.market.bid_words import AwardState, ChoiceState, ObjectionState
from app.market.bid_words import BidState as B
from app.market.words import NeedState

NEED_AFTER: tuple[Move, ...] = (
    Move(NeedState.CLOSED, "withdraw", NeedState.WITHDRAWN, (P.NEED_CLOSE,), needs_reason=True),
    Move(NeedState.CLOSED, "choose", NeedState.CHOSEN, (P.CHOICE_MAKE,)),
    Move(NeedState.CLOSED, "settle", NeedState.CHOSEN, (P.CHOICE_MAKE, P.NEED_TICK)),
    Move(NeedState.CLOSED, "lapse", NeedState.LAPSED, (P.NEED_CLOSE, P.NEED_TICK)),
    Move(NeedState.CHOSEN, "fall_back", NeedState.CLOSED, (P.NEED_TICK,), needs_reason=True),
    Move(NeedState.CHOSEN, "lapse", NeedState.LAPSED, (P.NEED_TICK,), needs_reason=True),
)

# Never shared: what one bank did is no business of the bank that is chosen, also after the seal has opened.
BID = Lifecycle(
    "bid",
    B,
    (
        Move(B.DRAFT, "edit", B.DRAFT, (P.BID_DRAFT,), shared=False),
        Move(B.DRAFT, "propose", B.PROPOSED, (P.BID_DRAFT,), shared=False),
        Move(B.DRAFT, "discard", B.WITHDRAWN, (P.BID_DRAFT,), shared=False),
        Move(B.DRAFT, "submit", B.SUBMITTED, (P.BID_SUBMIT,), stamp="submitted_by", other_than=("drafted_by",), shared=False),
        Move(B.PROPOSED, "return", B.DRAFT, (P.BID_SUBMIT, P.BID_DRAFT), needs_reason=True, shared=False),
        Move(B.PROPOSED, "submit", B.SUBMITTED, (P.BID_SUBMIT,), stamp="submitted_by", other_than=("drafted_by",), shared=False),
        Move(B.SUBMITTED, "withdraw", B.WITHDRAWN, (P.BID_WITHDRAW,), needs_reason=True, shared=False),
        Move(B.SUBMITTED, "replace", B.REPLACED, (P.BID_SUBMIT,), shared=False),
        Move(B.SUBMITTED, "open", B.OPENED, (P.NEED_TICK,), shared=False),
        Move(B.SUBMITTED, "lapse", B.LAPSED, (P.NEED_TICK,), shared=False),
        Move(B.OPENED, "choose", B.CHOSEN, (P.NEED_TICK,), shared=False),
        Move(B.OPENED, "lose", B.LOST, (P.NEED_TICK,), shared=False),
        Move(B.OPENED, "lapse", B.LAPSED, (P.NEED_TICK,), shared=False),
        Move(B.LOST, "recall", B.OPENED, (P.NEED_TICK,), shared=False),
        Move(B.LOST, "lapse", B.LAPSED, (P.NEED_TICK,), shared=False),
        Move(B.DRAFT, "lapse", B.LAPSED, (P.NEED_TICK,), shared=False),
        Move(B.PROPOSED, "lapse", B.LAPSED, (P.NEED_TICK,), shared=False),
        Move(B.LAPSED, "reinstate", B.OPENED, (P.NEED_TICK,), needs_reason=True, shared=False),
        Move(B.CHOSEN, "undo", B.OPENED, (P.NEED_TICK,), shared=False),
        Move(B.CHOSEN, "lapse", B.LAPSED, (P.NEED_TICK,), needs_reason=True, shared=False),
    ),
)

C = ChoiceState
CHOICE = Lifecycle(
    "choice",
    C,
    (
        Move(C.LIVE, "approve", C.APPROVED, (P.LOAN_OPEN,)),
        Move(C.APPROVED, "sign", C.SIGNED, (P.CONDITION_MEET, P.LOAN_OPEN)),
        Move(C.APPROVED, "meet", C.APPROVED, (P.CONDITION_MEET,)),
        Move(C.SIGNED, "meet", C.SIGNED, (P.CONDITION_MEET,)),
        Move(C.SIGNED, "keep", C.KEPT, (P.LOAN_OPEN,)),
        *(Move(state, "refuse", C.CANCELLED, (P.LOAN_OPEN,), needs_reason=True) for state in (C.LIVE, C.APPROVED, C.SIGNED)),
        *(Move(state, "break", C.CANCELLED, (P.NEED_TICK,), needs_reason=True) for state in (C.LIVE, C.APPROVED, C.SIGNED)),
        Move(C.LIVE, "undo", C.CANCELLED, (P.NEED_TICK,), needs_reason=True),
    ),
)

A = AwardState
AWARD = Lifecycle(
    "award",
    A,
    (
        Move(A.STANDSTILL, "undo", A.FALLEN, (P.CHOICE_MAKE,), needs_reason=True),
        Move(A.STANDSTILL, "uphold", A.FALLEN, (P.AWARD_JUDGE,), needs_reason=True),
        Move(A.STANDSTILL, "stand", A.FINAL, (P.NEED_TICK,)),
        Move(A.FINAL, "done", A.DONE, (P.LOAN_OPEN,)),
        Move(A.FINAL, "fall", A.FALLEN, (P.NEED_TICK,), needs_reason=True),
    ),
)

O = ObjectionState  # noqa: E741
OBJECTION = Lifecycle(
    "objection",
    O,
    (
        Move(O.OPEN, "dismiss", O.DISMISSED, (P.AWARD_JUDGE,), needs_reason=True, shared=False),
        Move(O.OPEN, "uphold", O.UPHELD, (P.AWARD_JUDGE,), needs_reason=True, shared=False),
    ),
)
