"""The words of bids and choices: states with their Chinese names and tones, sentences of the database."""

from __future__ import annotations

from enum import StrEnum

from app.core.working import N_


class BidState(StrEnum):
    """Where a bank's bid stands. PROPOSED waits for the approver; a submitted bid never changes its terms."""

    DRAFT = "DRAFT"
    PROPOSED = "PROPOSED"
    SUBMITTED = "SUBMITTED"
    WITHDRAWN = "WITHDRAWN"
    CHOSEN = "CHOSEN"
    LAPSED = "LAPSED"


class ChoiceState(StrEnum):
    """A choice is live until it is cancelled with a reason (the bank does not lend after all)."""

    LIVE = "LIVE"
    CANCELLED = "CANCELLED"


BID_STATES: dict[str, str] = {
    BidState.DRAFT: N_("起草中"), BidState.PROPOSED: N_("待审批"), BidState.SUBMITTED: N_("已提交"),
    BidState.WITHDRAWN: N_("已撤回"), BidState.CHOSEN: N_("被选定"), BidState.LAPSED: N_("未被选定或已失效"),
}  # fmt: skip

BID_TONES = {
    BidState.DRAFT: "plain", BidState.PROPOSED: "wait", BidState.SUBMITTED: "info", BidState.WITHDRAWN: "plain",
    BidState.CHOSEN: "good", BidState.LAPSED: "plain",
}  # fmt: skip

WITHDRAWN_NOTICES = (
    N_("企业已撤回融资需求，本行的报价随之失效，内容未向任何人开启。"), N_("企业已撤回融资需求，本行的报价随之失效。"),
)
"""What the database itself tells a bank whose sealed bid ends with its need (migration 0006, ``hq_need_withdrawn``)."""
