"""What pages read of the budget: a year's money by where it came from and went, the line, fundings and closings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import case, or_, select, text
from sqlalchemy.orm import aliased

from app.core.calendar import today
from app.core.database import session
from app.core.ledger import Account, Transfer
from app.identity.models import Person
from app.loans.models import Loan
from app.pool.budget_models import Closing, Funding, Wait, WaitKind, WaitState
from app.pool.models import Claim
from app.pool.queries import BANK, FIRM
from app.pool.rules import Mode


@dataclass(frozen=True)
class YearMoney:
    """A year's budget of one mode in 分, by where money came from and went; ``waiting_fen`` is approved and has none yet."""

    year: int
    appropriated_fen: int = 0
    set_aside_fen: int = 0
    carried_in_fen: int = 0
    returned_fen: int = 0
    paid_fen: int = 0
    carried_out_fen: int = 0
    given_back_fen: int = 0
    reserved_fen: int = 0
    left_fen: int = 0
    waiting_fen: int = 0


_YEAR = text("""
    with a as (select * from ledger_account where code in ('pool:budget:' || :year, 'pool:guarantee:' || :year)),
    moved as (
      select a.code, d.kind as from_kind, d.code as from_code, c.kind as to_kind, c.code as to_code, t.amount_fen
      from a join ledger_transfer t on t.debit_account_id = a.id or t.credit_account_id = a.id
      join ledger_account d on d.id = t.debit_account_id join ledger_account c on c.id = t.credit_account_id
      where t.kind in ('single', 'post')),
    sums as (
      select code,
        sum(amount_fen) filter (where from_kind = 'treasury') as appropriated,
        sum(amount_fen) filter (where from_kind = 'pool_budget' and to_kind = 'pool_budget'
          and split_part(from_code, ':', 3) = split_part(to_code, ':', 3)) as set_aside,
        sum(amount_fen) filter (where from_kind = 'pool_budget' and to_code = code
          and split_part(from_code, ':', 3) <> split_part(to_code, ':', 3)) as carried_in,
        sum(amount_fen) filter (where from_kind = 'pool_paid') as returned,
        sum(amount_fen) filter (where to_kind = 'pool_paid') as paid,
        sum(amount_fen) filter (where to_kind = 'pool_budget' and from_code = code
          and split_part(from_code, ':', 3) <> split_part(to_code, ':', 3)) as carried_out,
        sum(amount_fen) filter (where to_kind = 'treasury') as given_back
      from moved group by code)
    select a.code, s.appropriated, s.set_aside, s.carried_in, s.returned, s.paid, s.carried_out, s.given_back,
           a.debits_pending_fen as reserved, a.credits_posted_fen - a.debits_posted_fen - a.debits_pending_fen as left,
           (select sum(amount_fen) from claim_wait w where w.state = 'WAITING' and :year = :now
              and w.mode = case when a.code like 'pool:guarantee:%' then 'GUARANTEE' else 'BANK' end) as waiting
    from a left join sums s on s.code = a.code
""")


def year_money(year: int, mode: Mode = Mode.BANK) -> YearMoney:
    """A year's budget of a mode; zeros where none was opened."""
    return year_moneys(year)[mode]


def year_moneys(year: int) -> dict[Mode, YearMoney]:
    """A year's budget of both modes, in one statement. Both have ``set_aside_fen``: out of the whole, into the guarantors'."""
    found = {mode: YearMoney(year) for mode in Mode}
    for row in session().execute(_YEAR, {"year": year, "now": today().year}):
        mode = Mode.GUARANTEE if row.code.startswith("pool:guarantee:") else Mode.BANK
        values = {one.name: int(getattr(row, one.name[:-4]) or 0) for one in fields(YearMoney) if one.name != "year"}
        found[mode] = YearMoney(year, **values)
    return found


def ledger_of(year: int) -> list[Any]:
    """Movements of the year's budgets, newest first, with whether money came in or went out."""
    accounts = select(Account.id).where(Account.code.in_((f"pool:budget:{year}", f"pool:guarantee:{year}"))).scalar_subquery()
    debit, credit = aliased(Account), aliased(Account)
    incoming = Transfer.credit_account_id.in_(accounts)
    other = case((incoming, debit.code), else_=credit.code)
    return list(session().execute(
        select(
            Transfer.id, Transfer.kind, Transfer.amount_fen, Transfer.memo, Transfer.at, incoming.label("incoming"),
            other.label("other_code"), BANK.name.label("bank_name"),
            case((incoming, credit.code), else_=debit.code).label("own_code"),
        )
        .join(debit, debit.id == Transfer.debit_account_id).join(credit, credit.id == Transfer.credit_account_id)
        .outerjoin(BANK, BANK.id == case((incoming, debit.org_id), else_=credit.org_id))
        .where(or_(incoming, Transfer.debit_account_id.in_(accounts))).order_by(Transfer.at.desc(), Transfer.id.desc()).limit(200)
    ))


def fundings(year: int) -> list[Any]:
    """Fundings of a year with who proposed them, newest first."""
    return list(session().execute(
        select(Funding, Person.name.label("proposer")).outerjoin(Person, Person.id == Funding.proposed_by)
        .where(Funding.year == year).order_by(Funding.proposed_at.desc())
    ))


def closings(year: int) -> list[Any]:
    """Closings of a year with who proposed them, newest first."""
    return list(session().execute(
        select(Closing, Person.name.label("proposer")).outerjoin(Person, Person.id == Closing.proposed_by)
        .where(Closing.year == year).order_by(Closing.proposed_at.desc())
    ))


def proposed(model: type[Funding] | type[Closing]) -> list[Any]:
    """Fundings or closings that wait for a second person."""
    return list(session().scalars(select(model).where(model.state == "PROPOSED").order_by(model.proposed_at).limit(10)))


def line() -> list[Any]:
    """Who waits for money, in the order of decision."""
    return list(session().execute(
        select(Wait, Loan.number, FIRM.name.label("firm_name"), BANK.name.label("bank_name"))
        .join(Claim, Claim.id == Wait.claim_id).join(Loan, Loan.id == Claim.loan_id).join(FIRM, FIRM.id == Claim.firm_id)
        .join(BANK, BANK.id == Wait.org_id)
        .where(Wait.state == WaitState.WAITING).order_by(Wait.mode, Wait.since, Wait.id).limit(200)
    ))


def waits_of(claim_id: UUID) -> list[Wait]:
    """A claim's places in the line and the rests of its payment, oldest first."""
    return list(session().scalars(
        select(Wait).where(Wait.claim_id == claim_id, Wait.state != WaitState.RELEASED).order_by(Wait.since, Wait.id)
    ))


def rests_to_pay() -> list[Any]:
    """Rests that have got their money and wait for the cashier."""
    return list(session().execute(
        select(Wait.id, Wait.covered_fen, BANK.name.label("bank_name")).join(BANK, BANK.id == Wait.org_id)
        .join(Claim, Claim.id == Wait.claim_id)
        .where(Wait.kind == WaitKind.REST, Wait.state == WaitState.COVERED, Claim.paid_fen.is_not(None))
        .order_by(Wait.covered_at).limit(10)
    ))
