"""The words of batches and matching rounds, and what may be done with a round."""

from __future__ import annotations

from enum import StrEnum

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission as P
from app.core.working import N_


class BatchKind(StrEnum):
    """A list that a department recommends, or a fair where firms and banks meet."""

    LIST = "list"
    FAIR = "fair"


class RoundState(StrEnum):
    """A draft waits for the worker; what is computed is looked at by the desk alone until it is shown."""

    DRAFT = "DRAFT"
    COMPUTED = "COMPUTED"
    SHOWN = "SHOWN"
    ENDED = "ENDED"
    DISCARDED = "DISCARDED"


LIVE_ROUNDS = (RoundState.DRAFT, RoundState.COMPUTED, RoundState.SHOWN)
"""A batch has at most one of these at a time."""
BATCH_KINDS: dict[str, str] = {BatchKind.LIST: N_("推荐清单"), BatchKind.FAIR: N_("对接会")}
ROUND_STATES: dict[str, str] = {
    RoundState.DRAFT: N_("正在计算"), RoundState.COMPUTED: N_("已算出，未公布"), RoundState.SHOWN: N_("已公布"),
    RoundState.ENDED: N_("已结束"), RoundState.DISCARDED: N_("已作废"),
}  # fmt: skip
ROUND_TONES = {
    RoundState.DRAFT: "info", RoundState.COMPUTED: "wait", RoundState.SHOWN: "good", RoundState.ENDED: "plain",
    RoundState.DISCARDED: "plain",
}  # fmt: skip

ROUND = Lifecycle(
    "matching_round",
    RoundState,
    (
        Move(RoundState.DRAFT, "compute", RoundState.COMPUTED, (P.NEED_TICK,), shared=False),
        Move(RoundState.DRAFT, "discard", RoundState.DISCARDED, (P.ROUND_RUN,), shared=False),
        Move(RoundState.COMPUTED, "again", RoundState.DRAFT, (P.ROUND_RUN,), shared=False),
        Move(RoundState.COMPUTED, "show", RoundState.SHOWN, (P.ROUND_RUN,), shared=False),
        Move(RoundState.COMPUTED, "discard", RoundState.DISCARDED, (P.ROUND_RUN,), shared=False),
        Move(RoundState.SHOWN, "end", RoundState.ENDED, (P.ROUND_RUN,), shared=False),
    ),
)
