"""The life of a file of loans: read and judged, released by a second person, taken in."""

from __future__ import annotations

from enum import StrEnum

from app.core.errors import N_
from app.core.lifecycle import Lifecycle, Move
from app.core.pages import Tone
from app.core.permissions import OrgKind
from app.core.permissions import Permission as P


class BatchKind(StrEnum):
    """What the rows of a file say."""

    BOOKING = "booking"
    REPORT = "report"
    RECONCILE = "reconcile"
    GUARANTEE = "guarantee"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _KIND_NAMES[self]


_KIND_NAMES = {
    BatchKind.BOOKING: N_("批量入库"), BatchKind.REPORT: N_("贷款月报"), BatchKind.RECONCILE: N_("月末对账"),
    BatchKind.GUARANTEE: N_("政担批量入库"),
}
SENDER = {kind: OrgKind.GUARANTOR if kind is BatchKind.GUARANTEE else OrgKind.BANK for kind in BatchKind}
"""Whose file each kind is."""


class BatchState(StrEnum):
    """Where a file stands."""

    RECEIVED = "RECEIVED"
    READY = "READY"
    RELEASED = "RELEASED"
    DONE = "DONE"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _NAMES[self]

    @property
    def tone(self) -> Tone:
        """Colour of its chip."""
        return _TONES.get(self, "plain")


_S = BatchState
_NAMES = {
    _S.RECEIVED: N_("正在检查"), _S.READY: N_("待复核"), _S.RELEASED: N_("正在办理"), _S.DONE: N_("已办完"),
    _S.FAILED: N_("没有读成"), _S.REFUSED: N_("复核未同意"), _S.WITHDRAWN: N_("已撤回"),
}
_TONES: dict[BatchState, Tone] = {
    _S.RECEIVED: "info", _S.READY: "wait", _S.RELEASED: "info", _S.DONE: "good", _S.FAILED: "bad", _S.REFUSED: "bad",
}
RUNNING = (_S.RECEIVED, _S.RELEASED)
COUNTED = (_S.READY, _S.RELEASED, _S.DONE)

BATCH = Lifecycle("pool_batch", BatchState, (
    Move(_S.RECEIVED, "present", _S.READY, (P.CLAIM_TICK,), shared=False),
    Move(_S.READY, "release", _S.RELEASED, (P.BOOKING_RELEASE,), stamp="released_by", other_than=("prepared_by",), shared=False),
    Move(_S.READY, "refuse", _S.REFUSED, (P.BOOKING_RELEASE,), needs_reason=True, other_than=("prepared_by",), shared=False),
    Move(_S.RELEASED, "finish", _S.DONE, (P.CLAIM_TICK,), shared=False),
    Move(_S.RECEIVED, "fail", _S.FAILED, (P.CLAIM_TICK,), shared=False),
    Move(_S.RELEASED, "fail", _S.FAILED, (P.CLAIM_TICK,), shared=False),
    Move(_S.FAILED, "retry", _S.RECEIVED, (P.BOOKING_SEND,), shared=False),
    Move(_S.READY, "withdraw", _S.WITHDRAWN, (P.BOOKING_SEND,), needs_reason=True, shared=False),
    Move(_S.FAILED, "withdraw", _S.WITHDRAWN, (P.BOOKING_SEND,), needs_reason=True, shared=False),
))

BATCH_TEXTS = {
    "receive": N_("收到文件"), "present": N_("检查完，待复核"), "release": N_("复核同意"), "refuse": N_("复核未同意"),
    "finish": N_("办完"), "fail": N_("没有读成"), "retry": N_("重新读取"), "withdraw": N_("撤回文件"),
}
