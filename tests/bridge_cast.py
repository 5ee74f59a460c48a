"""A bridge for tests: its people, and the road from the application to any state, each step by who takes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from sqlalchemy import select

from app.bridge import (
    account_service,
    ask_service,
    bank_service,
    deed_service,
    fund_service,
    hold_service,
    money_service,
    service,
)
from app.bridge.checks import TICKS
from app.bridge.fund_models import BridgeQuote, Fund, FundAgreement
from app.bridge.models import Bridge
from app.bridge.queries import fee_preview
from app.bridge.rules import SAME_BANK, BridgeKind, BridgeTerms
from app.bridge.states import HopAccount
from app.core import ledger
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.money import WAN
from app.core.permissions import Role
from tests import cast
from tests.cast import Cast

ROAD = ("APPLIED", "PRECHECKED", "BANK_COMMITTED", "PARTNER_OFFERED", "PICKED", "APPROVED", "SIGNED", "FUNDED",
        "OLD_REPAID", "NEW_DRAWN", "BRIDGE_RETURNED", "SETTLED")
"""The stops of ``walk``: the states of the good road, and the pick on the way."""


NUMBERS = {HopAccount.FUNDER: "4400 1111 2222 3333", HopAccount.CUSTODY: "4400-5555-6666-7777",
           HopAccount.REPAYMENT: "4400888899990000"}
"""Account numbers of the loop, as people type them; the renewal money arrives on the repayment account."""


@dataclass
class People:
    """Everybody a bridge needs. ``fund_id`` is an open fund of ``funder``."""

    firm: Cast
    old_bank: Cast
    new_bank: Cast
    centre: Cast
    funder: Cast
    fund_id: UUID

    @property
    def clerk(self) -> cast.Context:
        return self.centre[Role.CENTRE_CLERK]

    @property
    def reviewer(self) -> cast.Context:
        return self.centre[Role.CENTRE_REVIEWER]

    @property
    def boss(self) -> cast.Context:
        """Who acts for the firm."""
        return self.firm[Role.FIRM_REPRESENTATIVE]


def people(fund_fen: int = 2000 * WAN, terms: BridgeTerms = SAME_BANK, *, cross: bool = False) -> People:
    """A firm, one bank (two across banks), the centre, and a funder whose fund holds ``fund_fen`` (分)."""
    centre, funder, bank = cast.centre(), cast.funder(), cast.bank()
    fund_id = fund(centre, funder, fund_fen, terms)
    return People(cast.firm(), bank, cast.bank("云山银行") if cross else bank, centre, funder, fund_id)


def fund(centre: Cast, funder: Cast, amount_fen: int, terms: BridgeTerms = SAME_BANK, name: str = "转贷一号") -> UUID:
    """An open fund with ``amount_fen`` (分) in it, and an agreement with its funder for both kinds where there is none yet."""
    agreement(centre, funder)
    made = fund_service.open_fund(centre[Role.CENTRE_REVIEWER], funder.id, name, terms)
    if amount_fen:
        fund_service.top_up(centre[Role.CENTRE_REVIEWER], made.id, amount_fen, "IN-1")
    return made.id


def agreement(centre: Cast, funder: Cast, first: date | None = None, last: date | None = None, number: str = "XY-1",
              kinds: tuple[BridgeKind, ...] = tuple(BridgeKind)) -> UUID | None:
    """An agreement in force from a year ago on for three years, unless the days say otherwise; the number is given once."""
    with transaction(cast.SYSTEM, read_only=True):
        if session().scalar(select(FundAgreement.id).where(FundAgreement.org_id == funder.id, FundAgreement.number == number)):
            return None
    deed = deed_service.Deed(number, kinds, first or today() - timedelta(days=365), last or today() + timedelta(days=1000),
                                  "资金方代表", "中心代表")
    made = deed_service.draft(centre[Role.CENTRE_CLERK], funder.id, deed, "合作方遴选结果")
    return deed_service.decide(centre[Role.CENTRE_REVIEWER], made.id, "confirm", "同意").id


def ask(who: People, note_no: str | None = None, *, granted: bool = False, loan_id: UUID | None = None) -> UUID:
    """The bank was asked to renew without repayment, and has answered."""
    asked = ask_service.ask(who.boss, ask_service.OldLoan(
        loan_id, who.old_bank.id, note_no or uuid4().hex[:12], 300 * WAN, today() + timedelta(days=30),
    ))
    return ask_service.answer(who.old_bank[Role.BANK_OFFICER], asked.id, granted, None if granted else "MUST_REPAY").id


def wish(who: People, **facts: object) -> service.Application:
    """300 万元 for a note of 300 万元, five days, due in thirty days, unless ``facts`` say otherwise."""
    values: dict[str, object] = {
        "new_bank_id": who.new_bank.id, "own_money_fen": 0, "requested_fen": 300 * WAN, "planned_days": 5,
        "old_due_fen": 300 * WAN, "old_due_on": today() + timedelta(days=30), **facts,
    }
    return service.Application(**values)  # type: ignore[arg-type]


def promise(**facts: object) -> bank_service.Promise:
    """A promise of 400 万元 at 3.9 %, good for sixty days."""
    values: dict[str, object] = {
        "promised_fen": 400 * WAN, "rate_low": Decimal("0.039"), "rate_high": Decimal("0.039"), "term_months": 12,
        "method": "INTEREST_ONLY", "latest_drawdown_on": today() + timedelta(days=60),
        "valid_until": today() + timedelta(days=60), "receiving_account": NUMBERS[HopAccount.REPAYMENT], "branch": "天河支行",
        **facts,
    }
    return bank_service.Promise(**values)  # type: ignore[arg-type]


def walk(who: People, to: str, *, bridge_id: UUID | None = None, note_no: str | None = None, **facts: object) -> UUID:
    """Takes a bridge along the good road up to a stop of ``ROAD``; starts with an application where none is given."""
    key = bridge_id or service.apply(who.boss, ask(who, note_no), wish(who, **facts)).id
    steps = ROAD.index(to) - (ROAD.index(stop_of(key)) if bridge_id else 0)
    start = ROAD.index(stop_of(key)) if bridge_id else 0
    for stop in ROAD[start + 1: start + 1 + steps]:
        STEPS[stop](who, key)
    return key


def stop_of(bridge_id: UUID) -> str:
    """The stop of ``ROAD`` at which a bridge stands."""
    found = seen(bridge_id)
    return "PICKED" if found.state == "PARTNER_OFFERED" and found.fund_id else found.state


def quote_of(who: People, bridge_id: UUID) -> UUID:
    """The quote row of the funder's own fund."""
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalars(
            BridgeQuote.__table__.select().with_only_columns(BridgeQuote.id)
            .where(BridgeQuote.bridge_id == bridge_id, BridgeQuote.fund_id == who.fund_id)
        ).one()


def product_of(who: People) -> UUID:
    """The first product of the funder's own fund."""
    with transaction(cast.SYSTEM, read_only=True):
        return fund_service.products_of(who.fund_id)[0].id


def offer(who: People, bridge_id: UUID, amount_fen: int | None = None, rate: Decimal | None = None) -> UUID:
    """The funder quotes what the firm asked for."""
    quoted = fund_service.Offer(amount_fen or seen(bridge_id).requested_fen, today() + timedelta(days=10), rate)
    return fund_service.offer(who.funder[Role.FUNDER_CLERK], quote_of(who, bridge_id), quoted).id


def accounts(who: People, bridge_id: UUID) -> Bridge:
    """The clerk enters the accounts, the reviewer types the numbers again."""
    holders = {HopAccount.FUNDER: who.funder.name, HopAccount.CUSTODY: "转贷托管专户", HopAccount.REPAYMENT: who.firm.name}
    account_service.enter_accounts(who.clerk, bridge_id, {
        kind: account_service.Entry(holders[kind], "示例银行广州分行", number) for kind, number in NUMBERS.items()
    })
    return account_service.confirm_accounts(who.reviewer, bridge_id, NUMBERS)


def sign(who: People, bridge_id: UUID) -> Bridge:
    """The firm signs what the preview shows, over accounts that two people have entered."""
    with transaction(cast.SYSTEM, read_only=True):
        done = account_service.complete(session().get_one(Bridge, bridge_id))
    if not done:
        accounts(who, bridge_id)
    shown = fee_preview(seen(bridge_id))
    assert shown is not None
    return service.sign(who.boss, bridge_id, "XY-2026-1", shown.total_fen)


def pay(who: People, bridge_id: UUID) -> Bridge:
    """The clerk pays; own money is there."""
    found = seen(bridge_id)
    own = found.old_due_fen - (found.amount_fen or 0)
    return money_service.pay_out(who.clerk, bridge_id, money_service.Payout(own, f"O-{bridge_id.hex}", f"C-{bridge_id.hex}"))


def give_back(who: People, bridge_id: UUID, amount_fen: int, on: date | None = None) -> Bridge:
    """The clerk records money that came back."""
    mark = uuid4().hex
    back = money_service.Return(amount_fen, on or today(), f"I-{mark}", f"R-{mark}")
    return money_service.record_return(who.clerk, bridge_id, back)


def drawn(who: People, bridge_id: UUID, amount_fen: int = 400 * WAN) -> Bridge:
    """The new bank reports its new note."""
    note = bank_service.NewNote("NEW-1", amount_fen, today())
    return bank_service.confirm_drawn(who.new_bank[Role.BANK_OFFICER], bridge_id, note)


STEPS = {
    "PRECHECKED": lambda who, key: service.precheck(who.clerk, key, tuple(TICKS)),
    "BANK_COMMITTED": lambda who, key: bank_service.commit(who.new_bank[Role.BANK_APPROVER], key, promise()),
    "PARTNER_OFFERED": offer,
    "PICKED": lambda who, key: service.pick(who.boss, key, quote_of(who, key)),
    "APPROVED": lambda who, key: hold_service.approve(who.reviewer, key),
    "SIGNED": sign,
    "FUNDED": pay,
    "OLD_REPAID": lambda who, key: bank_service.confirm_repaid(who.old_bank[Role.BANK_OFFICER], key, today(), "JQ-1"),
    "NEW_DRAWN": drawn,
    "BRIDGE_RETURNED": lambda who, key: give_back(who, key, seen(key).outstanding_fen),
    "SETTLED": lambda who, key: money_service.settle(who.clerk, key, f"FEE-{key.hex}"),
}


def seen(bridge_id: UUID) -> Bridge:
    """The bridge as it stands."""
    with transaction(cast.SYSTEM, read_only=True):
        return session().get_one(Bridge, bridge_id)


def available(fund_id: UUID) -> int:
    """What a fund may still give (分)."""
    with transaction(cast.SYSTEM, read_only=True):
        return ledger.account(session().get_one(Fund, fund_id).account_code).available_fen


def receivable(bridge_id: UUID) -> int:
    """What of a bridge is out by the ledger (分)."""
    with transaction(cast.SYSTEM, read_only=True):
        return ledger.account(f"bridge:{bridge_id}").balance_fen
