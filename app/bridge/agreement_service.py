"""The three-party agreement: what firm, funder and bank have agreed on, frozen at the firm's signature."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from app.bridge.account_service import confirmed_accounts
from app.bridge.bill_models import BridgePaper, PaperKind
from app.bridge.bill_service import heads, put_paper
from app.bridge.fund_models import BridgeQuote
from app.bridge.models import Bridge, Commitment
from app.bridge.rules import Preview
from app.bridge.states import HopAccount
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.formats import mask_id
from app.core.use_case import about
from app.identity.models import Person


def issue_agreement(ctx: Context, bridge: Bridge, promise: Commitment, shown: Preview) -> BridgePaper:
    """Freezes the agreement when the firm signs.

    The three signers are those who gave their word on this portal: the bank's approver in the commitment, the funder's clerk
    in the quote that was picked, the firm's person now. Account numbers stand masked, with their keyed digests.
    """
    assert bridge.signed_at is not None and bridge.quote_id is not None
    paper = put_paper(ctx, bridge, PaperKind.AGREEMENT, {
        **heads(bridge), "signed_at": bridge.signed_at, "old_due_fen": bridge.old_due_fen, "old_due_on": bridge.old_due_on,
        "own_money_fen": bridge.own_money_fen, "planned_days": bridge.planned_days, "terms": bridge.terms,
        "fee": {"days": shown.days, "total_fen": shown.total_fen, "max_days": shown.max_days, "cap_fen": shown.cap_fen,
                "late_daily_fen": shown.late_daily_fen, "annualised": shown.annualised},
        "promise": {
            "promised_fen": promise.promised_fen, "rate_low": promise.rate_low, "rate_high": promise.rate_high,
            "term_months": promise.term_months, "latest_drawdown_on": promise.latest_drawdown_on,
            "valid_until": promise.valid_until, "branch": promise.branch, "seal_digest": promise.seal_digest,
        },
        "accounts": _accounts(bridge), "signers": _signers(ctx, bridge, promise),
    })
    about(bridge, agreement=paper.number, agreement_digest=paper.digest)
    return paper


def _accounts(bridge: Bridge) -> list[dict[str, Any]]:
    found = confirmed_accounts(bridge)
    return [
        {"kind": kind, "holder": found[kind].holder, "bank": found[kind].bank_name, "number": mask_id(found[kind].number),
         "digest": found[kind].digest}
        for kind in HopAccount
    ]


def _signers(ctx: Context, bridge: Bridge, promise: Commitment) -> list[dict[str, Any]]:
    with elevated(ctx, "bridge"):  # the firm does not read the funder's people otherwise
        quote = get_or_404(BridgeQuote, bridge.quote_id)
        funder = session().scalar(select(Person.name).where(Person.id == quote.offered_by))
    names = heads(bridge)
    return [
        {"side": "FIRM", "organisation": bridge.firm_name, "name": ctx.person_name, "at": bridge.signed_at},
        {"side": "FUNDER", "organisation": names["funder"], "name": funder, "at": quote.offered_at},
        {"side": "BANK", "organisation": names["new_bank"], "name": promise.signer_name, "at": promise.signed_at},
    ]
