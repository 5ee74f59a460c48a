"""The budget on two people's word: money in, and the closing of a year.

Closing carries what is reserved into the next year with its money, or releases it into the line (``year_end`` of the rule
set); what is left goes back where it came from; the trial balance is kept, and nothing moves in that year again.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.ledger import Account, Transfer, reserve, transfer, void
from app.core.lifecycle import begin, ensure, fire
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.pool import money
from app.pool.budget_models import Closing, Funding, Wait, WaitKind, WaitState
from app.pool.budget_states import CLOSING, FUNDING
from app.pool.correction_models import Correction
from app.pool.judging import rule_set_on
from app.pool.line_service import join, mode_of
from app.pool.models import Claim
from app.pool.rule_states import ProposalState
from app.pool.rules import Mode, RuleSet, YearEnd

constraint("uq_budget_funding_document_no", ErrorCode.DOCUMENT_TAKEN, "document_no")
constraint("ck_budget_funding_two_persons", ErrorCode.SAME_PERSON)
constraint("ck_budget_closing_two_persons", ErrorCode.SAME_PERSON)
constraint("uq_budget_closing_year", ErrorCode.YEAR_CLOSED, "year")
constraint("ck_second_word_hands", ErrorCode.STATE_CHANGED)
constraint("ck_budget_year_closed", ErrorCode.YEAR_CLOSED)


# --- money in ------------------------------------------------------------------------------------------------------------


def _checked(year: int, amount_fen: int, guarantee_fen: int) -> None:
    """Refuses what goes beyond the yearly ceiling of the rule (15 亿元, 政担 5000 万元 of it [C2])."""
    stored = rule_set_on(today())
    if stored is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    if money.is_closed(year):
        raise Refusal(ErrorCode.YEAR_CLOSED, field="year")
    rules = RuleSet.from_json(stored.rules)
    funded, guarantee = session().execute(
        select(func.sum(Funding.amount_fen), func.sum(Funding.guarantee_fen))
        .where(Funding.year == year, Funding.state == ProposalState.CONFIRMED)
    ).one()
    before = session().scalar(text(  # what was put in before fundings were rows of their own
        "select sum(t.amount_fen)::bigint from ledger_transfer t join ledger_account d on d.id = t.debit_account_id "
        "join ledger_account c on c.id = t.credit_account_id where d.code = 'pool:treasury' and c.code = :code "
        "and not exists (select 1 from budget_funding f where t.reference = 'pool:fund:' || f.id)"
    ), {"code": f"pool:budget:{year}"})
    left = rules.budget_fen - int(funded or 0) - int(before or 0)
    if not 0 < amount_fen <= left:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="amount", low=money_text(1), high=money_text(max(0, left)))
    most = min(amount_fen, rules.guarantee_budget_fen - int(guarantee or 0))
    if not 0 <= guarantee_fen <= most:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="guarantee", low=money_text(0), high=money_text(max(0, most)))


@use_case(Permission.POOL_PROPOSE, "pool.propose_funding", returns=Funding)
def propose_funding(
    ctx: Context, year: int, amount_fen: int, document_no: str, guarantee_fen: int = 0, reason: str = "",
) -> Funding:
    """Proposes money for a year's budget (分), of which ``guarantee_fen`` is set aside for guarantors; none moves yet.

    Raises ``Refusal``: AMOUNT_OUT_OF_RANGE, DOCUMENT_TAKEN, YEAR_CLOSED.
    """
    assert ctx.actor_id is not None
    _checked(year, amount_fen, guarantee_fen)
    funding = Funding(
        year=year, amount_fen=amount_fen, guarantee_fen=guarantee_fen, document_no=document_no.strip(),
        state=ProposalState.PROPOSED.value, reason=reason.strip() or document_no.strip(), proposed_by=ctx.actor_id,
        proposed_at=now(),
    )
    session().add(funding)
    begin(ctx, FUNDING, funding, event="propose")
    about(funding, year=year, amount_fen=amount_fen, guarantee_fen=guarantee_fen)
    return funding


def decide_funding(ctx: Context, funding_id: UUID, event: str, reason: str) -> Funding:
    """The second person's word on a funding, or one's own taken back. Raises ``Refusal`` (SAME_PERSON, STATE_CHANGED, …)."""
    return (withdraw_funding if event == "withdraw" else judge_funding)(ctx, funding_id, event, reason)


@use_case(Permission.POOL_PROPOSE, "pool.withdraw_funding", returns=Funding)
def withdraw_funding(ctx: Context, funding_id: UUID, event: str, reason: str) -> Funding:
    """Takes one's own proposal back."""
    funding = get_or_404(Funding, funding_id, lock=True)
    fire(ctx, FUNDING, funding, event, reason=reason)
    about(funding, event=event)
    return funding


@use_case(Permission.POOL_FUND, "pool.judge_funding", returns=Funding)
def judge_funding(ctx: Context, funding_id: UUID, event: str, reason: str) -> Funding:
    """Confirmed, the money moves from the treasury into the budget at once."""
    # Two fundings of one year at once would each see the ceiling free.
    session().execute(text("select pg_advisory_xact_lock(hashtext('pool.fund'))"))
    funding = get_or_404(Funding, funding_id, lock=True)
    ensure(ctx, FUNDING, funding, event)
    if event == "confirm":
        _checked(funding.year, funding.amount_fen, funding.guarantee_fen)
    fire(ctx, FUNDING, funding, event, reason=reason)
    if event == "confirm":
        account, reference = money.budget(funding.year), f"pool:fund:{funding.id}"
        transfer(money.treasury(), account, funding.amount_fen, reference=reference, memo=funding.document_no)
        if funding.guarantee_fen:
            guarantee = money.guarantee_budget(funding.year)
            transfer(account, guarantee, funding.guarantee_fen, reference=f"{reference}:guarantee", memo=funding.document_no)
    about(funding, event=event, amount_fen=funding.amount_fen)
    return funding


# --- a year closed ---------------------------------------------------------------------------------------------------------


@use_case(Permission.POOL_PROPOSE, "pool.propose_closing", returns=Closing)
def propose_closing(ctx: Context, year: int, reason: str) -> Closing:
    """Proposes to close a year that is over. Raises ``Refusal``: YEAR_RUNNING, YEAR_CLOSED, REASON_NEEDED."""
    assert ctx.actor_id is not None
    stored = rule_set_on(today())
    if stored is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    if year >= today().year:
        raise Refusal(ErrorCode.YEAR_RUNNING, field="year")
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    closing = Closing(
        year=year, year_end=RuleSet.from_json(stored.rules).year_end.value, state=ProposalState.PROPOSED.value,
        reason=reason.strip(), proposed_by=ctx.actor_id, proposed_at=now(),
    )
    session().add(closing)
    begin(ctx, CLOSING, closing, event="propose")
    about(closing, year=year, year_end=closing.year_end)
    return closing


def decide_closing(ctx: Context, closing_id: UUID, event: str, reason: str) -> Closing:
    """The second person's word on a closing, or one's own taken back. Raises ``Refusal`` (SAME_PERSON, STATE_CHANGED, …)."""
    return (withdraw_closing if event == "withdraw" else judge_closing)(ctx, closing_id, event, reason)


@use_case(Permission.POOL_PROPOSE, "pool.withdraw_closing", returns=Closing)
def withdraw_closing(ctx: Context, closing_id: UUID, event: str, reason: str) -> Closing:
    """Takes one's own proposal back."""
    closing = get_or_404(Closing, closing_id, lock=True)
    fire(ctx, CLOSING, closing, event, reason=reason)
    about(closing, event=event)
    return closing


@use_case(Permission.POOL_FUND, "pool.judge_closing", returns=Closing)
def judge_closing(ctx: Context, closing_id: UUID, event: str, reason: str) -> Closing:
    """Confirmed, what is reserved is carried or released, what is left goes back, and the year is closed."""
    closing = get_or_404(Closing, closing_id, lock=True)
    ensure(ctx, CLOSING, closing, event)
    if event == "confirm":
        closing.result = _close(closing)
    fire(ctx, CLOSING, closing, event, reason=reason)
    about(closing, event=event, year=closing.year)
    return closing


def _close(closing: Closing) -> dict[str, Any]:
    carried = released = given_back = count = 0
    for mode, opened in ((Mode.BANK, money.budget), (Mode.GUARANTEE, money.guarantee_budget)):
        account, following = opened(closing.year), opened(today().year)
        for pending in _open_reservations(account):
            if closing.year_end == YearEnd.CARRY or _is_top_up(pending):
                _carry(pending, account, following)
                carried += pending.amount_fen
            else:
                _let_go(pending, mode)
                released += pending.amount_fen
            count += 1
        session().refresh(account)
        if account.available_fen:
            rest = account.available_fen
            given_back += rest
            transfer(account, money.treasury(), rest, reference=f"pool:close:{account.code}", memo=N_("年末结余"))
    return {
        "reservations": count, "carried_fen": carried, "released_fen": released, "given_back_fen": given_back,
        "trial": [
            [one.code, one.debits_pending_fen, one.debits_posted_fen, one.credits_pending_fen, one.credits_posted_fen]
            for one in session().scalars(
                select(Account).where(Account.code.startswith("pool:")).order_by(Account.code)
                .execution_options(populate_existing=True))
        ],
    }


def _open_reservations(account: Account) -> list[Transfer]:
    ended = select(Transfer.pending_id).where(Transfer.pending_id.is_not(None))
    return list(session().scalars(
        select(Transfer).where(Transfer.debit_account_id == account.id, Transfer.kind == "pending", Transfer.id.not_in(ended))
        .order_by(Transfer.at, Transfer.id)
    ))


def _is_top_up(pending: Transfer) -> bool:
    return session().scalar(select(Correction.id).where(Correction.reservation_id == pending.id)) is not None


def _carry(pending: Transfer, account: Account, following: Account) -> None:
    """The reservation with its money into the next year."""
    void(pending, reference=f"{pending.reference}:carried", memo=N_("结转下年"))
    transfer(account, following, pending.amount_fen, reference=f"{pending.reference}:carry", memo=N_("结转下年"),
             case_id=pending.case_id)
    held = reserve(
        following, session().get_one(Account, pending.credit_account_id), pending.amount_fen, case_id=pending.case_id,
        reference=f"{pending.reference}:next", memo=N_("结转下年"),
    )
    holders: tuple[Any, ...] = (Claim, Wait, Correction)
    for model in holders:
        for row in session().scalars(select(model).where(model.reservation_id == pending.id)):
            row.reservation_id = held.id
    session().flush()


def _let_go(pending: Transfer, mode: Mode) -> None:
    """The reservation released: its claim stands in the line, at the place of its decision."""
    void(pending, reference=f"{pending.reference}:year_end", memo=N_("年末释放"))
    wait = session().scalar(select(Wait).where(Wait.reservation_id == pending.id, Wait.state == WaitState.COVERED))
    if wait is not None:
        wait.state = "RELEASED"
        session().flush()
    claim = session().scalar(select(Claim).where(Claim.reservation_id == pending.id))
    since = wait.since if wait is not None else pending.at
    if claim is not None and claim.paid_fen is None:
        claim.reservation_id = None
        rest = session().scalar(select(Wait).where(Wait.claim_id == claim.id, Wait.state == WaitState.WAITING))
        if rest is not None:  # it had a part; now it waits for the whole again
            rest.state = "RELEASED"
            session().flush()
        join(claim, mode_of(claim), WaitKind.CLAIM, claim.approved_fen or pending.amount_fen, since)
    elif wait is not None:
        join(get_or_404(Claim, wait.claim_id), mode, WaitKind.REST, pending.amount_fen, since)
    session().flush()
