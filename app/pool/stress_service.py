"""Stress tests of the pool: asked for by the city, computed by a worker over the loans booked at that moment."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import exists, select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal
from app.core.notices import notify
from app.core.outbox import emit, handles
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.credit.models import CreditProfile
from app.identity.models import Organisation, Person
from app.loans.models import Loan
from app.loans.states import LoanState
from app.pool.models import Booking, StoredRuleSet
from app.pool.queries import bank_lines
from app.pool.records import snapshot_facts
from app.pool.rules import Mode, RatioFacts, RuleSet, TierBasis, TierMethod
from app.pool.service import rules_of
from app.pool.states import BookingState
from app.pool.stress_models import StressRun
from app.pool.stress_rules import Assumptions, Loans, Terms, Verdict, simulate, terms_of, verdict

GRADES = ("A", "B", "C", "D", "E")
"""Grades of a profile; firms without a score come after them."""


@dataclass(frozen=True, slots=True)
class StressAsk:
    """What is to be imagined: how many years, from which seed, with which budget of banks (分); and a second reading, if any."""

    assumed: Assumptions
    years: int
    seed: int
    budget_fen: int
    other_id: UUID | None = None
    other_method: TierMethod | None = None


def _live() -> Any:
    """Loans in the pool whose principal is still open."""
    return (
        Booking.state == BookingState.BOOKED.value, Loan.id == Booking.loan_id, Loan.state == LoanState.DRAWN.value,
        Loan.principal_fen > Loan.principal_repaid_fen,
    )


@use_case(Permission.STRESS_RUN, "pool.stress_ask", returns=StressRun)
def ask_stress(ctx: Context, rule_set_id: UUID, ask: StressAsk) -> StressRun:
    """Asks for a stress test under an edition of the rule. Raises ``Refusal`` (NOTHING_BOOKED, NOT_FOUND)."""
    get_or_404(StoredRuleSet, rule_set_id)
    if ask.other_id is not None:
        get_or_404(StoredRuleSet, ask.other_id)
    if not session().scalar(select(exists().where(*_live()))):
        raise Refusal(ErrorCode.NOTHING_BOOKED)
    run = StressRun(
        asked_by=ctx.actor_id, asked_at=now(), rule_set_id=rule_set_id, other_id=ask.other_id,
        other_method=ask.other_method.value if ask.other_method else None, years=ask.years, seed=ask.seed,
        budget_fen=ask.budget_fen, assumed=dataclasses.asdict(ask.assumed), told=None, done_at=None,
    )
    session().add(run)
    session().flush()
    about(run, years=ask.years, seed=ask.seed)
    emit("pool.stress", run_id=run.id)
    return run


@handles("pool.stress", "pool.compute_stress", queue="long")
def _compute(ctx: Context, payload: dict[str, Any]) -> None:
    compute_stress(ctx, UUID(payload["run_id"]))


@use_case(Permission.STRESS_COMPUTE, "pool.stress_compute", returns=StressRun)
def compute_stress(ctx: Context, run_id: UUID) -> StressRun:
    """Computes a test, once: one that has its answer keeps it."""
    run = get_or_404(StressRun, run_id)
    if run.told is None:
        session().refresh(run, with_for_update=True)
        run.told, run.done_at = result(run), now()
        asker = session().get_one(Person, run.asked_by)
        notify(asker.org_id, N_("压力测试已算完。"), person_id=asker.id, path=f"/pool/stress/{run.id}")
    about(run, years=run.years)
    return run


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The loans of the pool, and whom ``loans.payee`` and ``loans.grade`` point to. ``principal_fen``: by loan, as booked."""

    loans: Loans
    payees: list[str]
    rows: list[Any]


def portfolio(day: date) -> Portfolio:
    """Every booked loan with open principal, sorted by grade; the base of the stop line is what each payee booked this year."""
    rows = list(session().execute(
        select(
            Booking.payee_id.label("org_id"), Booking.firm_id, Booking.mode, Booking.product, Booking.principal_fen,
            Booking.snapshot, (Loan.principal_fen - Loan.principal_repaid_fen).label("open_fen"), CreditProfile.grade,
        )
        .outerjoin(CreditProfile, (CreditProfile.firm_id == Booking.firm_id) & CreditProfile.current)
        .where(*_live())
    ))
    place = {grade: at for at, grade in enumerate(GRADES)}
    rows.sort(key=lambda row: (place.get(row.grade, len(GRADES)), row.firm_id, row.principal_fen))
    payees = sorted({row.org_id for row in rows}, key=str)
    seat = {org_id: at for at, org_id in enumerate(payees)}
    named = {row.id: row.name for row in session().execute(
        select(Organisation.id, Organisation.name).where(Organisation.id.in_(payees)))}
    booked = {line.bank_id: line.booked_fen for line in bank_lines(day.year)}
    loans = Loans(
        open_fen=np.array([row.open_fen for row in rows], np.int64),
        grade=np.array([place.get(row.grade, len(GRADES)) for row in rows], np.int8),
        payee=np.array([seat[row.org_id] for row in rows], np.int64),
        guaranteed=np.array([row.mode == Mode.GUARANTEE for row in rows], np.bool_),
        booked_fen=np.array([booked.get(org_id, 0) for org_id in payees], np.int64),
    )
    return Portfolio(loans, [named[org_id] for org_id in payees], rows)


def ratio_facts(rows: list[Any], rules: RuleSet) -> list[RatioFacts]:
    """What the ratio of each loan looks at under a rule set."""
    if rules.tier_basis is TierBasis.LOAN:
        return [snapshot_facts(row.mode, row.product, row.snapshot, row.principal_fen) for row in rows]
    sums: dict[tuple[UUID, UUID], int] = {}
    for row in rows:
        sums[row.org_id, row.firm_id] = sums.get((row.org_id, row.firm_id), 0) + row.principal_fen
    return [snapshot_facts(row.mode, row.product, row.snapshot, sums[row.org_id, row.firm_id]) for row in rows]


def result(run: StressRun) -> dict[str, Any]:
    """The answer as JSON: the loans it looked at, and a verdict for each rule set. Amounts in 分, chances as fractions."""
    editions = [rules_of(run.rule_set_id)]
    if run.other_id is not None and run.other_method is not None:
        editions.append(dataclasses.replace(rules_of(run.other_id), tier_method=TierMethod(run.other_method)))
    found = portfolio(today())
    terms = [_terms(found, rules, run.budget_fen) for rules in editions]
    assumed = Assumptions(**{**run.assumed, "default_rates": tuple(run.assumed["default_rates"])})
    years = simulate(found.loans, terms, assumed, run.years, run.seed)
    top = round(max(float(np.quantile(one.asked, 0.999)) for one in years))
    verdicts: list[Verdict] = [verdict(one, top) for one in years]
    return {
        "loans": len(found.rows), "open_fen": int(found.loans.open_fen.sum()), "payees": found.payees,
        "booked_fen": found.loans.booked_fen.tolist(), "bars_to_fen": top,
        "grades": [
            {"loans": int(at.sum()), "open_fen": int(found.loans.open_fen[at].sum())}
            for at in (found.loans.grade == grade for grade in range(len(GRADES) + 1))
        ],
        "verdicts": [dataclasses.asdict(one) for one in verdicts],
    }


def _terms(found: Portfolio, rules: RuleSet, budget_fen: int) -> Terms:
    return terms_of(ratio_facts(found.rows, rules), rules, budget_fen)
