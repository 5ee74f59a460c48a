"""Receipts of sealed bids: written with the submission, read by their bank alone, checked against what was opened."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from app.core.audit import plain
from app.core.database import session
from app.market.bid_models import Bid, BidReceipt
from app.market.models import Need
from app.market.receipt_rules import FORM, SALT_BYTES, canonical, commitment, opened_digest

_BID = (
    "id", "org_id", "need_id", "product_id", "product_version", "amount_fen", "term_months", "method", "conventions",
    "conditions", "valid_until", "interest_fen", "fees_fen", "total_extra_fen", "ties_declared", "submitted_at",
)  # fmt: skip
_OPTIONAL = ("min_part_fen", "part_fees", "plan")
"""Told where the bid has them: a receipt of before says what it said."""
_RATES = ("annual_rate", "all_in_rate", "effective_rate", "simple_rate")
_NEED = ("amount_fen", "term_months", "purpose_kind", "product_kind", "repayment")


def facts_of(bid: Bid, need: Need) -> dict[str, Any]:
    """Every word of a bid with its lines loaded, and the terms it answers. Amounts in 分, rates as text, times in UTC."""
    facts = {column: getattr(bid, column) for column in _BID}
    facts |= {column: f"{getattr(bid, column):.6f}" for column in _RATES}
    facts |= {column: getattr(bid, column) for column in _OPTIONAL if getattr(bid, column) is not None}
    facts["need"] = {column: getattr(need, column) for column in _NEED} | ({"allows_parts": True} if need.allows_parts else {})
    facts["fees"] = [[fee.kind, fee.amount_fen, fee.payee, fee.at, fee.every_months, fee.text] for fee in bid.fees]
    facts["ties"] = [[tie.kind, tie.required, tie.text] for tie in bid.ties]
    facts["demands"] = [[one.no, one.kind, one.text] for one in bid.demands]
    told: dict[str, Any] = plain(facts)
    return told


def write(bid: Bid, need: Need) -> BidReceipt:
    """The receipt of a bid that has just been handed in, in the same transaction."""
    salt, words = secrets.token_bytes(SALT_BYTES), canonical(facts_of(bid, need))
    assert bid.submitted_at is not None
    receipt = BidReceipt(
        bid_id=bid.id, need_id=bid.need_id, org_id=bid.org_id, seal_id=bid.seal_id, form=FORM, salt=salt, canonical=words,
        commitment=commitment(salt, words), at=bid.submitted_at,
    )
    session().add(receipt)
    session().flush()
    return receipt


def commitments(need_id: UUID) -> list[bytes]:
    """What was opened together, for those who bid, the firm, the bureau and the portal; empty while the seal is closed."""
    return [bytes(row[0]) for row in session().execute(text("select hq_commitments(:need)"), {"need": need_id})]


@dataclass(frozen=True)
class Kept:
    """A receipt as its bank reads it. ``opened`` is empty before opening; ``same``: the bid still says what it said."""

    receipt: BidReceipt
    opened: list[bytes]
    same: bool

    @property
    def listed(self) -> bool:
        """Whether this bid's commitment is among those opened."""
        return self.receipt.commitment in self.opened

    @property
    def digest(self) -> str:
        """The digest of what was opened, as it stands in the record of the closing."""
        return opened_digest(self.opened).hex()

    def download(self) -> dict[str, Any]:
        """What ``huiqiao market verify-receipt`` reads, and anything else that can compute a hash."""
        receipt = self.receipt
        told: dict[str, Any] = {
            "form": receipt.form, "bid_id": str(receipt.bid_id), "need_id": str(receipt.need_id), "at": receipt.at.isoformat(),
            "salt": receipt.salt.hex(), "canonical": receipt.canonical, "commitment": receipt.commitment.hex(),
        }
        if self.opened:
            told["opened"] = {"commitments": [one.hex() for one in sorted(self.opened)], "digest": self.digest}
        return told


def kept(bid: Bid, need: Need) -> Kept | None:
    """The receipt of a bid with its lines loaded; ``None`` where it was never handed in."""
    receipt = session().scalar(select(BidReceipt).where(BidReceipt.bid_id == bid.id))
    if receipt is None:
        return None
    return Kept(receipt, commitments(need.id), canonical(facts_of(bid, need)) == receipt.canonical)
