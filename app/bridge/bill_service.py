"""Bills, invoices, receipts and agreements: papers whose data are frozen and whose digest stands in the audit trail."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from app.bridge.bill_models import BridgePaper, PaperKind, StoredBillLine
from app.bridge.bill_rules import PartReturned, bill_lines, saving, total_of
from app.bridge.fund_models import BridgeQuote
from app.bridge.hops import acts_of
from app.bridge.models import Bridge
from app.bridge.notes import numbers
from app.bridge.terms import terms_of
from app.core.audit import canonical, plain
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.market import policy

constraint("uq_bridge_paper_voucher", ErrorCode.VOUCHER_TAKEN, "fee_voucher_no")
constraint("uq_bridge_paper_once", ErrorCode.ALREADY_DONE)
constraint("ck_bridge_paper_parties", ErrorCode.STATE_CHANGED)
constraint("ck_bridge_bill_adds_up", ErrorCode.STATE_CHANGED)
constraint("ck_bridge_bill_line_ceiling", ErrorCode.FEE_UNLISTED)
constraint("fk_bridge_bill_line_fee_kind", ErrorCode.FEE_UNLISTED)
constraint("ck_bridge_fee_billed", ErrorCode.FEE_UNLISTED)


def put_paper(ctx: Context, bridge: Bridge, kind: PaperKind, data: dict[str, Any], **rest: Any) -> BridgePaper:
    """Freezes a paper of a bridge; the database gives it its number. ``rest``: total, voucher, what it cancels."""
    assert bridge.funder_org_id is not None
    frozen = plain(data)
    row = BridgePaper(
        bridge_id=bridge.id, case_id=bridge.case_id, kind=kind.value, org_id=bridge.funder_org_id, firm_id=bridge.firm_id,
        bank_org_id=bridge.new_bank_org_id, data=frozen, digest=hashlib.sha256(canonical(frozen)).digest(), issued_at=now(),
        issued_by=ctx.actor_id, **rest,
    )
    session().add(row)
    session().flush()
    session().refresh(row)
    return row


def digest_holds(paper: BridgePaper) -> bool:
    """Whether the data are still those that were frozen."""
    return hashlib.sha256(canonical(paper.data)).digest() == bytes(paper.digest)


def papers_of(bridge_id: UUID) -> list[BridgePaper]:
    """Papers of a bridge that the viewer may see, oldest first."""
    return list(session().scalars(
        select(BridgePaper).where(BridgePaper.bridge_id == bridge_id).order_by(BridgePaper.issued_at, BridgePaper.id)))


def live_bill(bridge_id: UUID) -> BridgePaper | None:
    """The bill that was not cancelled."""
    other = aliased(BridgePaper)
    return session().scalar(select(BridgePaper).where(
        BridgePaper.bridge_id == bridge_id, BridgePaper.kind == PaperKind.BILL.value,
        ~select(other.id).where(other.cancels_id == BridgePaper.id).exists(),
    ))


def issue_bill(ctx: Context, bridge: Bridge) -> BridgePaper:
    """The bill of a bridge that has come back whole: every return for its days, by the terms that were picked."""
    assert bridge.paid_on is not None and bridge.terms is not None and bridge.amount_fen is not None
    returned = [
        PartReturned(act.first.id, act.first.amount_fen, act.first.on_day) for act in acts_of(bridge.id) if not act.is_payout
    ]
    lines = bill_lines(returned, bridge.paid_on, terms_of(bridge.terms))
    total = total_of(lines)
    rules = policy.transfer()
    market = [saving(part.amount_fen, (part.on_day - bridge.paid_on).days, 0, rules) for part in returned]
    low, high = sum(one.market_low_fen for one in market), sum(one.market_high_fen for one in market)
    paper = put_paper(ctx, bridge, PaperKind.BILL, {
        **heads(bridge), "paid_on": bridge.paid_on, "returned_on": bridge.returned_on, "terms": bridge.terms, "total_fen": total,
        "lines": [
            {"part": line.part, "kind": line.kind, "principal_fen": line.principal_fen, "days": line.days, "rate": line.rate}
            for line in lines
        ],
        "market": {"low_rate": rules.market_daily_rate, "high_rate": rules.market_daily_rate_high,
                   "low_fen": low, "high_fen": high, "saving_low_fen": low - total,
                   "saving_high_fen": high - total},
    }, total_fen=total)
    session().add_all(
        StoredBillLine(paper_id=paper.id, part=line.part, hop_id=line.key, fee_kind=line.kind.value,
                       principal_fen=line.principal_fen, days=line.days, rate=line.rate)
        for line in lines
    )
    session().flush()
    about(bridge, bill=paper.number, bill_digest=paper.digest, fee_fen=total)
    return paper


def cancel_bill(ctx: Context, bridge: Bridge, reason: str) -> None:
    """Takes the bill of a bridge back, because a return was recorded wrongly; its number is used up."""
    bill = live_bill(bridge.id)
    if bill is not None:
        put_paper(ctx, bridge, PaperKind.CANCELLATION, {
            **heads(bridge), "cancels": bill.number, "cancels_digest": bill.digest, "reason": reason,
        }, cancels_id=bill.id)


def take_payment(ctx: Context, bridge: Bridge, bill: BridgePaper, voucher_no: str) -> None:
    """The fee was paid under a voucher: the invoice and the receipt. Where nothing is charged there is neither.

    Raises ``Refusal(INVALID)`` without a voucher, ``Refusal(VOUCHER_TAKEN)``.
    """
    total = bill.total_fen or 0
    if total == 0:
        return
    if not voucher_no:
        raise Refusal(ErrorCode.INVALID, field="fee_voucher_no")
    facts = {**heads(bridge), "bill": bill.number, "bill_digest": bill.digest, "total_fen": total, "lines": bill.data["lines"]}
    invoice = put_paper(ctx, bridge, PaperKind.INVOICE, facts, total_fen=total)
    receipt = put_paper(ctx, bridge, PaperKind.RECEIPT, {
        **facts, "invoice": invoice.number, "voucher_no": voucher_no, "received_at": now(),
    }, total_fen=total, voucher_no=voucher_no)
    about(bridge, invoice=invoice.number, invoice_digest=invoice.digest, receipt=receipt.number, receipt_digest=receipt.digest)


def heads(bridge: Bridge) -> dict[str, Any]:
    """What stands at the head of every paper: the parties, the note, the money."""
    assert bridge.funder_org_id is not None
    names = organisation_names({bridge.funder_org_id, bridge.new_bank_org_id, bridge.old_bank_org_id})
    firm = get_or_404(Enterprise, bridge.firm_id)
    fund = session().scalar(select(BridgeQuote.fund_name).where(BridgeQuote.id == bridge.quote_id))
    return {
        "form": 1, "bridge_id": bridge.id, "agreement_no": bridge.agreement_no, "firm": bridge.firm_name, "uscc": firm.uscc,
        "funder": names[bridge.funder_org_id], "fund": fund, "old_bank": names[bridge.old_bank_org_id],
        "new_bank": names[bridge.new_bank_org_id], "kind": bridge.kind, "old_note_no": numbers(bridge),
        "amount_fen": bridge.amount_fen,
    }





@use_case(Permission.BRIDGE_READ, "bridge_paper.read", returns=BridgePaper)
def fetch_paper(ctx: Context, paper_id: UUID) -> BridgePaper:
    """A paper for somebody who may see it; the look is recorded. Raises ``Refusal(NOT_FOUND)``, also where data were changed."""
    paper = get_or_404(BridgePaper, paper_id)
    if not digest_holds(paper):
        raise Refusal(ErrorCode.NOT_FOUND)
    about(paper, kind=paper.kind, digest=paper.digest)
    return paper
