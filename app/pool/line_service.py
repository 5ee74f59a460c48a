"""Approved claims when money runs short (``budget_mode``): who gets it, in parts or in order, and what stays is carried.

QUEUE: in the order of decision, whole; the first that does not fit, and all after it, wait for money or for next year's budget.
PRO_RATA: an officer spreads what is left; each gets the same share, the rest keeps its place in the line. Nothing drops
silently (risk-compensation paper §3, budget [P]). The guarantors' money is a line of its own.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.ledger import Account, Transfer, post, reserve, void
from app.core.notices import notify
from app.core.outbox import timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.pool import money
from app.pool.budget import BudgetResult, within_budget
from app.pool.budget_models import Wait, WaitKind, WaitState
from app.pool.judging import rule_set_on
from app.pool.models import Claim
from app.pool.positions import ask_back, position_of
from app.pool.rules import BudgetMode, Mode, RuleSet
from app.pool.states import PAID_OUT

constraint("uq_claim_wait_voucher_no", ErrorCode.VOUCHER_TAKEN, "voucher_no")
constraint("uq_claim_wait_open", ErrorCode.STATE_CHANGED)


_STANDING = (WaitState.WAITING, WaitState.COVERED)


def rest_is_open(claim_id: UUID) -> bool:
    """Whether a part of an approved compensation still waits for money or for its payment."""
    return session().scalar(select(Wait.id).where(
        Wait.claim_id == claim_id, Wait.kind == WaitKind.REST, Wait.state.in_(_STANDING)).limit(1)) is not None


def account_of(mode: Mode, year: int) -> Account:
    """The year's account that a mode is paid from."""
    return (money.guarantee_budget if mode is Mode.GUARANTEE else money.budget)(year)


def mode_of(claim: Claim) -> Mode:
    """Whether the bank or the guarantor is compensated."""
    return Mode(claim.mode)


def _lock(mode: Mode) -> None:
    """One line, one decision at a time: two at once would each see nobody ahead."""
    session().execute(text("select pg_advisory_xact_lock(hashtext('pool.line'), hashtext(:mode))"), {"mode": mode.value})


def line(mode: Mode) -> list[Wait]:
    """Who waits for money, in the order of decision."""
    return list(session().scalars(
        select(Wait).where(Wait.mode == mode.value, Wait.state == WaitState.WAITING).order_by(Wait.since, Wait.id)
    ))


def hold(claim: Claim, amount_fen: int, *, may_wait: bool) -> Transfer | None:
    """Reserves an approved amount (分) in this year's budget; None where the claim joined the line instead.

    Raises ``Refusal(BUDGET_EXHAUSTED)`` where there is not enough, or somebody stands in the line, and it may not wait.
    """
    mode = mode_of(claim)
    _lock(mode)
    earlier = session().scalar(select(func.count()).select_from(Transfer).where(
        Transfer.case_id == claim.case_id, Transfer.reference.like(f"claim:{claim.id}:reserve:%")))
    ahead = session().scalar(select(Wait.id).where(Wait.mode == mode.value, Wait.state == WaitState.WAITING).limit(1)) is not None
    if not ahead:
        try:
            return money.or_exhausted(lambda: _reserve(claim, mode, amount_fen, f"claim:{claim.id}:reserve:{earlier}"))
        except Refusal:
            if not may_wait:
                raise
    if not may_wait:
        raise Refusal(ErrorCode.BUDGET_EXHAUSTED)
    join(claim, mode, WaitKind.CLAIM, amount_fen, now())
    return None


def _reserve(claim: Claim, mode: Mode, amount_fen: int, reference: str) -> Transfer:
    return reserve(
        account_of(mode, today().year), money.paid_to(claim.org_id), amount_fen, case_id=claim.case_id, reference=reference,
        memo=N_("补偿预留"),
    )


def join(claim: Claim, mode: Mode, kind: WaitKind, amount_fen: int, since: datetime) -> Wait:
    """A place in the line."""
    wait = Wait(
        claim_id=claim.id, case_id=claim.case_id, org_id=claim.org_id, mode=mode.value, kind=kind, state=WaitState.WAITING,
        amount_fen=amount_fen, since=since,
    )
    session().add(wait)
    session().flush()
    return wait


def leave(claim: Claim) -> None:
    """Takes a claim out of the line: its approval was taken back, or its payment."""
    for wait in session().scalars(select(Wait).where(Wait.claim_id == claim.id, Wait.state.in_(_STANDING))):
        if wait.state == WaitState.COVERED and wait.kind == WaitKind.REST:
            pending = session().get_one(Transfer, wait.reservation_id)
            void(pending, reference=f"{pending.reference}:void", memo=N_("撤销审定"))
        wait.state = WaitState.RELEASED
    session().flush()


@timed("pool.line")
def serve_lines(ctx: Context) -> int:
    """Under QUEUE, gives money to those whose turn it is; returns how many."""
    with reading(ctx, Permission.CLAIM_TICK):
        stored = rule_set_on(today())
        waiting = [mode for mode in Mode if _first_fits(mode)]
    if stored is None or RuleSet.from_json(stored.rules).budget_mode is not BudgetMode.QUEUE:
        return 0
    return sum(_serve(ctx, mode) for mode in waiting)


def _first_fits(mode: Mode) -> bool:
    """Whether there is money for whoever stands first in a line."""
    first = session().scalar(
        select(Wait.amount_fen).where(Wait.mode == mode.value, Wait.state == WaitState.WAITING)
        .order_by(Wait.since, Wait.id).limit(1))
    name = "guarantee" if mode is Mode.GUARANTEE else "budget"
    account = session().scalar(select(Account).where(Account.code == f"pool:{name}:{today().year}"))
    return first is not None and account is not None and first <= account.available_fen


@use_case(Permission.CLAIM_TICK, "pool.serve_line")
def _serve(ctx: Context, mode: Mode) -> int:
    return _spread(ctx, mode)[0]


@use_case(Permission.CLAIM_DECIDE, "pool.spread")
def spread(ctx: Context, mode: Mode, reason: str) -> BudgetResult:
    """An officer spreads what is left over the line, as the rule set in force says. Raises ``Refusal`` (REASON_NEEDED,
    BUDGET_EXHAUSTED where there is nothing to spread)."""
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    covered, result = _spread(ctx, mode, reason.strip())
    if not covered:
        raise Refusal(ErrorCode.BUDGET_EXHAUSTED)
    return result


def _spread(ctx: Context, mode: Mode, reason: str = "") -> tuple[int, BudgetResult]:
    _lock(mode)
    account = account_of(mode, today().year)
    session().refresh(account)
    stored, waits = rule_set_on(today()), line(mode)
    if stored is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    result = within_budget(max(0, account.available_fen), [one.amount_fen for one in waits], RuleSet.from_json(stored.rules))
    covered = 0
    for wait, part in zip(waits, result.paid, strict=True):
        if part:
            covered += 1
            _cover(ctx, wait, mode, part)
    about(account, mode=mode.value, covered=covered, paid_fen=sum(result.paid), unpaid_fen=sum(result.unpaid), reason=reason)
    return covered, result


def _cover(ctx: Context, wait: Wait, mode: Mode, part_fen: int) -> None:
    """Money for one in the line; what it does not get keeps its place."""
    claim = get_or_404(Claim, wait.claim_id, lock=True)
    held = money.or_exhausted(lambda: _reserve(claim, mode, part_fen, f"wait:{wait.id}"))
    wait.state, wait.covered_fen, wait.covered_at, wait.reservation_id = WaitState.COVERED, part_fen, now(), held.id
    if wait.kind == WaitKind.CLAIM:
        claim.reservation_id = held.id
    session().flush()
    if part_fen < wait.amount_fen:
        join(claim, mode, WaitKind.REST, wait.amount_fen - part_fen, wait.since)
        message = N_("补偿资金已安排 %(part)s，其余 %(rest)s 继续排队。")
    else:
        message = N_("补偿资金已安排 %(part)s。")
    with elevated(ctx, "pool"):
        notify(claim.org_id, message, path=f"/claims/{claim.id}", case_id=claim.case_id, part=money_text(part_fen),
               rest=money_text(wait.amount_fen - part_fen))


@use_case(Permission.CLAIM_PAY, "claim.pay_rest", returns=Wait)
def pay_rest(ctx: Context, wait_id: UUID, voucher_no: str, paid_on: date) -> Wait:
    """The cashier pays what an earlier part payment left, once money is reserved for it.

    Raises ``Refusal`` (STATE_CHANGED, SAME_PERSON, VOUCHER_TAKEN, DATE_OUT_OF_RANGE).
    """
    wait = get_or_404(Wait, wait_id, lock=True)
    claim = get_or_404(Claim, wait.claim_id, lock=True)
    covered = wait.kind == WaitKind.REST and wait.state == WaitState.COVERED
    if not covered or claim.state not in PAID_OUT or wait.covered_at is None or wait.covered_fen is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    if ctx.actor_id in (claim.preparer_id, claim.reviewer_id, claim.auditor_id, claim.decider_id):
        raise Refusal(ErrorCode.SAME_PERSON)
    first = wait.covered_at.astimezone(SHANGHAI).date()
    if not first <= paid_on <= today():
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="paid_on", low=first.isoformat(), high=today().isoformat())
    post(session().get_one(Transfer, wait.reservation_id), reference=f"wait:{wait.id}:pay", memo=voucher_no)
    claim.paid_fen = (claim.paid_fen or 0) + wait.covered_fen
    wait.state, wait.voucher_no, wait.paid_on, wait.paid_by = WaitState.PAID, voucher_no.strip(), paid_on, ctx.actor_id
    session().flush()
    rest = position_of(claim).open_fen  # recoveries so far were shared by the smaller payment
    if rest:
        ask_back(ctx, claim, "correction", rest, "分期支付后重算")
    about(claim, paid_fen=wait.covered_fen, voucher_no=wait.voucher_no)
    return wait
