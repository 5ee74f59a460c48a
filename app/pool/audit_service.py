"""Use cases of the audit of claims (risk-compensation paper §5)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import ensure, fire
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.core.working import Check
from app.pool.audit_models import Audit, AuditSample, Question, SampleEntry, Scope
from app.pool.claim_steps import working_deadline
from app.pool.flag_queries import flags_of
from app.pool.flag_rules import FLAG_NAMES, raised
from app.pool.models import Claim
from app.pool.records import check_rows
from app.pool.rules import RuleSet
from app.pool.sample_rules import Candidate, SampleMethod, draw, sample_size
from app.pool.service import rule_set_on, rules_of
from app.pool.states import CLAIM, ClaimState


@use_case(Permission.CLAIM_AUDIT, "claim.suspend", returns=Claim)
def suspend_claim(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """The auditor holds a claim, with the reason."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "suspend", reason=reason)
    claim.held_from, claim.due_at = ClaimState.AUDIT.value, None
    about(claim)
    return claim


@dataclass(frozen=True)
class Answer:
    """What a full audit answers to a question: YES, NO or NA (does not apply); a NO says why."""

    answer: str
    note: str = ""


@use_case(Permission.CLAIM_AUDIT, "claim.audit", returns=Claim)
def audit_claim(
    ctx: Context, claim_id: UUID, opinion: str, answers: Mapping[Question, Answer] | None = None,
    flag_notes: Mapping[str, str] | None = None,
) -> Claim:
    """The auditor gives an opinion; the claim waits for the decision. The red flags are kept as they stand now.

    A claim that was drawn for a full audit needs every question answered and a word on each raised flag. Raises
    ``Refusal(AUDIT_INCOMPLETE)``, ``Refusal(REASON_NEEDED)``.
    """
    claim = get_or_404(Claim, claim_id, lock=True)
    ensure(ctx, CLAIM, claim, "audit")
    if not opinion.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    flags = flags_of(ctx, claim, rules_of(claim.rule_set_id))
    given, notes = dict(answers or {}), {code: note.strip() for code, note in (flag_notes or {}).items() if note.strip()}
    if claim.audit_scope == Scope.FULL:
        _complete(given, notes, flags)
    audit = Audit(
        claim_id=claim.id, case_id=claim.case_id, scope=claim.audit_scope, flags=check_rows(flags), flag_notes=notes,
        answers={one.value: {"answer": made.answer, "note": made.note.strip()} for one, made in given.items()},
        opinion=opinion.strip(), audited_by=ctx.actor_id, audited_at=now(),
    )
    session().add(audit)
    session().flush()
    claim.audit_id, claim.due_at = audit.id, None
    fire(ctx, CLAIM, claim, "audit", reason=opinion)
    about(claim, compensation_fen=claim.compensation_fen, scope=audit.scope, flags=[one.code for one in raised(flags)])
    return claim


def _complete(answers: Mapping[Question, Answer], notes: Mapping[str, str], flags: list[Check]) -> None:
    missing = [one.label for one in Question if one not in answers or answers[one].answer not in ("YES", "NO", "NA")]
    missing += [one.label for one, made in answers.items() if made.answer == "NO" and not made.note.strip()]
    missing += [FLAG_NAMES[one.code] for one in raised(flags) if one.code not in notes]
    if missing:
        raise Refusal(ErrorCode.AUDIT_INCOMPLETE, missing=tuple(missing))


@use_case(Permission.CLAIM_DECIDE, "claim.reaudit", returns=Claim)
def send_back_to_audit(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """The decider asks for another audit."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "reaudit", reason=reason)
    claim.auditor_id = claim.audit_id = None
    claim.due_at = working_deadline(rules_of(claim.rule_set_id).audit_wd)
    about(claim)
    return claim




# --- samples -------------------------------------------------------------------------------------------------------------


def candidates(ctx: Context) -> list[tuple[Claim, list[Check]]]:
    """Claims in audit that no draw has chosen yet, with their flags."""
    waiting = session().scalars(
        select(Claim).where(Claim.state == ClaimState.AUDIT.value, Claim.audit_scope == Scope.DESK.value).order_by(Claim.id))
    return [(claim, flags_of(ctx, claim, rules_of(claim.rule_set_id))) for claim in waiting]


@use_case(Permission.CLAIM_AUDIT, "claim.sample", returns=AuditSample)
def draw_sample(ctx: Context, method: SampleMethod, size: int | None, reason: str) -> AuditSample:
    """Draws claims for a full audit among those in audit; ``size`` ``None`` takes the share of the rule set in force.

    The seed is drawn here, so that nobody chooses it, and recorded with the whole list: the draw can be repeated. Raises
    ``Refusal(NOTHING_TO_DRAW)``, ``Refusal(REASON_NEEDED)``, ``Refusal(SAMPLE_SIZE)``.
    """
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    session().execute(text("select pg_advisory_xact_lock(hashtext('claim.sample'), 0)"))
    listed = {str(claim.id): (claim, raised(flags)) for claim, flags in candidates(ctx)}
    stored = rule_set_on(today())
    if not listed or stored is None:
        raise Refusal(ErrorCode.NOTHING_TO_DRAW)
    rules = RuleSet.from_json(stored.rules)
    wanted = sample_size(len(listed), rules.sample_share) if size is None else size
    if not 0 < wanted <= len(listed):
        raise Refusal(ErrorCode.SAMPLE_SIZE, field="size", most=len(listed))
    sample = AuditSample(
        method=method.value, seed=secrets.randbits(62), flag_weight=rules.sample_flag_weight, population=len(listed),
        size=wanted, reason=reason.strip(), drawn_by=ctx.actor_id, drawn_at=now(),
    )
    session().add(sample)
    session().flush()
    population = [Candidate(key, len(flags)) for key, (_, flags) in listed.items()]
    for one in draw(population, wanted, sample.seed, method, sample.flag_weight):
        claim, flags = listed[one.id]
        session().add(SampleEntry(
            sample_id=sample.id, claim_id=claim.id, flags=[flag.code for flag in flags], weight=one.weight, key=one.key,
            chosen=one.chosen,
        ))
        if one.chosen:
            claim.audit_scope = Scope.FULL.value
    session().flush()
    about(sample, method=sample.method, seed=str(sample.seed), population=sample.population, size=sample.size)
    return sample


def repeats(sample: AuditSample, entries: Sequence[SampleEntry]) -> bool:
    """Whether the recorded list and seed give the recorded draw again."""
    population = [Candidate(str(one.claim_id), len(one.flags)) for one in entries]
    again = draw(population, sample.size, sample.seed, SampleMethod(sample.method), sample.flag_weight)
    told = {str(one.claim_id): (one.weight, one.key, one.chosen) for one in entries}
    return len(entries) == sample.population and {one.id: (one.weight, one.key, one.chosen) for one in again} == told
