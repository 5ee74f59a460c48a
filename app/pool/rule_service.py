"""Editions of the rule: drafted by one person with a reason, in force on another one's word, previewed on last year's loans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.pool.eligibility import eligibility, is_eligible
from app.pool.models import Booking, Claim, StoredRuleSet
from app.pool.queries import BANK, FIRM
from app.pool.records import snapshot_facts, snapshot_loan
from app.pool.rule_models import RuleProposal
from app.pool.rule_states import RULE_PROPOSAL, ProposalState
from app.pool.rules import RuleSet, TierBasis, payable
from app.pool.service import store_edition
from app.pool.states import NOT_COUNTED, BookingState

constraint("uq_rule_proposal_open", ErrorCode.EDITION_WAITING)
constraint("ck_rule_proposal_two_persons", ErrorCode.SAME_PERSON)
constraint("ck_rule_proposal_hands", ErrorCode.STATE_CHANGED)
constraint("ck_rule_proposal_reason", ErrorCode.REASON_NEEDED, "reason")
constraint("ck_rule_set_confirmed", ErrorCode.FORBIDDEN)

PREVIEW_DAYS = 365
"""How far back a preview looks."""


@use_case(Permission.RULES_PROPOSE, "pool.propose_rules", returns=RuleProposal)
def propose_rules(ctx: Context, base_id: UUID, rules: RuleSet, reason: str) -> RuleProposal:
    """Proposes an edition; it judges nothing yet. One proposal waits at a time.

    Raises ``Refusal``: EDITION_SAME, EDITION_EXISTS (its code), EDITION_WAITING (another proposal), REASON_NEEDED.
    """
    assert ctx.actor_id is not None
    base = get_or_404(StoredRuleSet, base_id)
    if RuleSet.from_json(base.rules) == rules:
        raise Refusal(ErrorCode.EDITION_SAME)
    if session().scalar(select(StoredRuleSet.id).where(StoredRuleSet.code == rules.code)) is not None:
        raise Refusal(ErrorCode.EDITION_EXISTS, field="code")
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    proposal = RuleProposal(
        base_code=base.code, rules=rules.to_json(), reason=reason.strip(), state=ProposalState.PROPOSED.value,
        proposed_by=ctx.actor_id, proposed_at=now(), decided_by=None, decided_at=None,
    )
    session().add(proposal)
    begin(ctx, RULE_PROPOSAL, proposal, event="propose")
    about(proposal, code=rules.code, base=base.code)
    return proposal


def decide_rules(ctx: Context, proposal_id: UUID, event: str, reason: str) -> RuleProposal:
    """Confirms or refuses a proposal, or takes one's own back. A confirmed edition judges from its first day on.

    Raises ``Refusal`` (FORBIDDEN, SAME_PERSON, STATE_CHANGED, REASON_NEEDED), ``NotFound``.
    """
    return (withdraw_rules if event == "withdraw" else judge_rules)(ctx, proposal_id, event, reason)


@use_case(Permission.RULES_DECIDE, "pool.judge_rules", returns=RuleProposal)
def judge_rules(ctx: Context, proposal_id: UUID, event: str, reason: str) -> RuleProposal:
    """The second person's word."""
    proposal = _move(ctx, proposal_id, event, reason)
    if proposal.state == ProposalState.CONFIRMED:
        with elevated(ctx, "pool.edition"):
            store_edition(RuleSet.from_json(proposal.rules), proposal.id)
    return proposal


@use_case(Permission.RULES_PROPOSE, "pool.withdraw_rules", returns=RuleProposal)
def withdraw_rules(ctx: Context, proposal_id: UUID, event: str, reason: str) -> RuleProposal:
    """Takes one's own proposal back."""
    return _move(ctx, proposal_id, event, reason)


def _move(ctx: Context, proposal_id: UUID, event: str, reason: str) -> RuleProposal:
    proposal = get_or_404(RuleProposal, proposal_id, lock=True)
    fire(ctx, RULE_PROPOSAL, proposal, event, reason=reason)
    about(proposal, event=event, code=proposal.rules["code"])
    return proposal


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """A claim of the past year, in 分: what its own edition gave, and what the other one would give."""

    claim_id: UUID
    number: str
    bank: str
    firm: str
    loss_fen: int
    before_fen: int
    after_fen: int


@dataclass(frozen=True, slots=True)
class Preview:
    """An edition tried on the past year. ``refused``: bookings it would not have taken, by check; of ``bookings``."""

    lines: list[PreviewLine]
    bookings: int
    refused: dict[str, int]
    refused_fen: int

    @property
    def before_fen(self) -> int:
        """Compensation of all claims under their own editions (分)."""
        return sum(line.before_fen for line in self.lines)

    @property
    def after_fen(self) -> int:
        """Compensation of all claims under the other edition (分)."""
        return sum(line.after_fen for line in self.lines)


def preview(rules: RuleSet) -> Preview:
    """Last year's claims and bookings under another edition, in two statements: compensation with its ceiling, and the checks
    that need no other booking (size, place, product, amount, use, industry, term, rate, deadline)."""
    since = today() - timedelta(days=PREVIEW_DAYS)
    claims = session().execute(
        select(
            Claim.id, Claim.net_principal_loss_fen, Claim.compensation_fen, Claim.guarantor_paid_fen, Claim.other_public_fen,
            Claim.paid_out_fen, Claim.basis_fen, Booking.principal_fen, Booking.mode, Booking.product, Booking.snapshot,
            FIRM.name.label("firm"), BANK.name.label("bank"),
        )
        .join(Booking, Booking.id == Claim.booking_id).join(FIRM, FIRM.id == Claim.firm_id).join(BANK, BANK.id == Claim.org_id)
        .where(Claim.submitted_on >= since, Claim.state.not_in(NOT_COUNTED)).order_by(Claim.submitted_on.desc(), Claim.id)
    ).all()
    booked = session().execute(
        select(Booking.mode, Booking.product, Booking.principal_fen, Booking.snapshot, Booking.submitted_on)
        .where(Booking.booked_on >= since, Booking.state.in_((BookingState.BOOKED, BookingState.CLAIMED)))
    ).all()
    refused: dict[str, int] = {}
    refused_fen = 0
    for row in booked:
        facts = snapshot_loan(row.mode, row.product, row.principal_fen, row.snapshot, row.submitted_on, rules.valid_from)
        checks = eligibility(facts, rules)
        if not is_eligible(checks):
            refused_fen += row.principal_fen
            for check in checks:
                if not check.passed:
                    refused[check.code] = refused.get(check.code, 0) + 1
    return Preview([_line(row, rules) for row in claims], len(booked), refused, refused_fen)


def _line(row: Any, rules: RuleSet) -> PreviewLine:
    basis = row.principal_fen if rules.tier_basis is TierBasis.LOAN else max(row.basis_fen, row.principal_fen)
    facts = snapshot_facts(row.mode, row.product, row.snapshot, basis)
    loss = row.net_principal_loss_fen
    after = payable(facts, loss, row.guarantor_paid_fen, row.other_public_fen, rules, row.paid_out_fen).amount_fen
    return PreviewLine(row.id, row.snapshot["loan_number"], row.bank, row.firm, loss, row.compensation_fen, after)
