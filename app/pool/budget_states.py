"""The lives of a funding and of a closing: one person's draft, another one's word."""

from __future__ import annotations

from app.core.errors import N_
from app.core.lifecycle import Lifecycle, second_word
from app.core.permissions import Permission as P
from app.pool.rule_states import ProposalState

FUNDING = Lifecycle("budget_funding", ProposalState, second_word(ProposalState, propose=P.POOL_PROPOSE, decide=P.POOL_FUND))
CLOSING = Lifecycle("budget_closing", ProposalState, second_word(ProposalState, propose=P.POOL_PROPOSE, decide=P.POOL_FUND))
FUNDING_TEXTS = {
    "propose": N_("提出拨入预算"), "confirm": N_("确认拨入预算"), "refuse": N_("不同意拨入预算"), "withdraw": N_("撤回拨入预算"),
}
CLOSING_TEXTS = {
    "propose": N_("提出年度结账"), "confirm": N_("确认年度结账"), "refuse": N_("不同意年度结账"), "withdraw": N_("撤回年度结账"),
}
