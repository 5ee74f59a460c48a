"""The audit file of a claim (案卷): all that the city decided on, with the hash of every paper and every event, in one document.

The file is data first; the PDF draws it and carries it inside. Events of the audit log are named by their digest, so that
`huiqiao audit verify` and an inclusion proof tie the file to the sealed log.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import aliased

from app.core.audit import plain
from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.ledger import Account, Transfer
from app.core.models import AuditEvent, Case, Paper, Transition
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.use_case import about, use_case
from app.identity.models import Person
from app.loans.models import Loan
from app.pool.audit_models import Audit
from app.pool.decision_models import ClaimObjection, Decision
from app.pool.models import Booking, Claim, Recovery, StoredRuleSet
from app.pool.top_up_models import TopUp

FORM = 2
"""Form of the file; a later one changes this number and never the meaning of this one."""
HANDS = ("preparer", "reviewer", "checker", "auditor", "decider", "cashier")
_LOAN = (
    "number", "state", "principal_fen", "annual_rate", "term_months", "method", "drawn_on", "due_on", "contract_no", "note_no",
    "principal_repaid_fen", "overdue_days", "five_class",
)
_BOOKING = (
    "state", "mode", "product", "note_no", "principal_fen", "version", "submitted_on", "judged_on", "booked_on", "late_reason",
    "snapshot", "checks",
)
_CLAIM = (
    "state", "principal_drawn_fen", "principal_repaid_fen", "guarantor_paid_fen", "collateral_fen", "other_public_fen",
    "net_principal_loss_fen", "overdue_days", "overdue_since", "five_class", "statement", "tier_method", "basis_fen",
    "compensation_fen", "working", "stop_line", "approved_fen", "returns_count", "prepared_at", "submitted_on", "decided_on",
    "public_until", "audit_scope", "voucher_no", "paid_fen", "paid_on",
)
_RECOVERY = (
    "kind", "received_on", "recovered_fen", "cost_fen", "due_fen", "due_on", "reference", "reported_at", "returned_on",
    "voucher_no",
)
_DECISION = ("verdict", "computed_fen", "approved_fen", "deductions", "reason", "decided_at")
_OBJECTION = ("grounds", "made_at", "state", "answer", "answered_at")
_AUDIT = ("scope", "flags", "answers", "flag_notes", "opinion", "audited_at")
_TOP_UP = ("computed_fen", "paid_fen", "working", "voucher_no", "paid_on")
_PAPER = ("kind", "filename", "media_type", "size", "stored_at", "subject_type")


@dataclass(frozen=True)
class CaseFile:
    """The file as data, as the bytes that are handed out, and their SHA-256 in hex."""

    data: dict[str, Any]
    content: bytes
    sha256: str


def _fields(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: plain(getattr(row, name)) for name in names}


@use_case(Permission.CLAIM_FILE, "claim.file")
def case_file(ctx: Context, claim_id: UUID) -> CaseFile:
    """The file of a claim the actor may see; that it was made, and its hash, is itself an event of the log."""
    claim = get_or_404(Claim, claim_id)
    with elevated(ctx, "pool.case_file"):
        data = _collected(claim)
    data["made"] = {"at": plain(now()), "by_organisation": ctx.org_name, "form": FORM}
    content = json.dumps(data, ensure_ascii=False, sort_keys=True, indent=1).encode()
    made = CaseFile(data, content, hashlib.sha256(content).hexdigest())
    about(claim, sha256=made.sha256)
    return made


def _collected(claim: Claim) -> dict[str, Any]:
    booking, loan = get_or_404(Booking, claim.booking_id), get_or_404(Loan, claim.loan_id)
    case, stored = get_or_404(Case, claim.case_id), get_or_404(StoredRuleSet, claim.rule_set_id)
    names = organisation_names({claim.firm_id, claim.org_id})
    rules = json.dumps(stored.rules, ensure_ascii=False, sort_keys=True).encode()
    return {
        "case": {"number": case.number, "bank": names[claim.org_id], "firm": names[claim.firm_id]},
        "loan": _fields(loan, _LOAN), "booking": _fields(booking, _BOOKING),
        "rule": {
            "code": stored.code, "document": stored.document, "sha256": hashlib.sha256(rules).hexdigest(), "rules": stored.rules,
        },
        "claim": _fields(claim, _CLAIM), "decisions": [
            {"number": one.number, **_fields(one, _DECISION)}
            for one in session().scalars(select(Decision).where(Decision.claim_id == claim.id).order_by(Decision.decided_at))
        ],
        "audits": _told(Audit, _AUDIT, claim, Audit.audited_at), "top_ups": _told(TopUp, _TOP_UP, claim, TopUp.paid_on),
        "objections": _told(ClaimObjection, _OBJECTION, claim, ClaimObjection.made_at),
        "hands": _hands(claim), "recoveries": _recoveries(claim),
        "money": _money(claim), "papers": _papers(claim), "steps": _steps(claim), "events": _events(claim),
    }


def _told(model: Any, names: tuple[str, ...], claim: Claim, order: Any) -> list[dict[str, Any]]:
    """Rows of a table about a claim, in order; who objected is no part of the file."""
    return [_fields(row, names) for row in session().scalars(select(model).where(model.claim_id == claim.id).order_by(order))]


def _hands(claim: Claim) -> dict[str, str | None]:
    """Who did which part, by name: the five people of the rule, and who checked the form."""
    ids = {hand: getattr(claim, f"{hand}_id") for hand in HANDS}
    wanted = {one for one in ids.values() if one is not None}
    named = {row.id: row.name for row in session().execute(select(Person.id, Person.name).where(Person.id.in_(wanted)))}
    return {hand: named.get(one) if one is not None else None for hand, one in ids.items()}


def _recoveries(claim: Claim) -> list[dict[str, Any]]:
    rows = session().scalars(select(Recovery).where(Recovery.claim_id == claim.id).order_by(Recovery.reported_at, Recovery.id))
    return [_fields(row, _RECOVERY) for row in rows]


def _money(claim: Claim) -> list[dict[str, Any]]:
    """Movements of the ledger for this claim: its reservation, payment, returns."""
    debit, credit = aliased(Account), aliased(Account)
    rows = session().execute(
        select(Transfer.kind, Transfer.amount_fen, Transfer.reference, Transfer.memo, Transfer.at, debit.code.label("debit"),
               credit.code.label("credit"))
        .join(debit, debit.id == Transfer.debit_account_id).join(credit, credit.id == Transfer.credit_account_id)
        .where(Transfer.case_id == claim.case_id).order_by(Transfer.at, Transfer.id)
    )
    return [{name: plain(value) for name, value in row._mapping.items()} for row in rows]


def _papers(claim: Claim) -> list[dict[str, Any]]:
    """Papers of the claim and its booking; each lies in the store under its hash."""
    rows = session().scalars(
        select(Paper).where(
            or_(Paper.subject_id == claim.id, Paper.subject_id == claim.booking_id), Paper.subject_type.in_(("claim", "booking")),
        ).order_by(Paper.stored_at, Paper.id)
    )
    return [{**_fields(row, _PAPER), "sha256": row.sha256.hex()} for row in rows]


def _steps(claim: Claim) -> list[dict[str, Any]]:
    """Every step of loan, booking and claim with its reason."""
    rows = list(session().scalars(
        select(Transition).where(Transition.subject_id.in_((claim.id, claim.booking_id, claim.loan_id)))
        .order_by(Transition.at, Transition.id)
    ))
    names = organisation_names({row.org_id for row in rows if row.org_id is not None})
    return [
        {
            "at": plain(row.at), "what": row.subject_type, "event": row.event, "from": row.source, "to": row.target,
            "role": row.actor_role, "organisation": names.get(row.org_id) if row.org_id else None, "reason": row.reason,
        }
        for row in rows
    ]


def _events(claim: Claim) -> list[dict[str, Any]]:
    """Events of the audit log about loan, booking and claim, by digest."""
    rows = session().scalars(
        select(AuditEvent).where(AuditEvent.subject_id.in_((claim.id, claim.booking_id, claim.loan_id)))
        .order_by(AuditEvent.at, AuditEvent.id)
    )
    return [{"id": str(row.id), "at": plain(row.at), "action": row.action, "digest": row.digest.hex()} for row in rows]
