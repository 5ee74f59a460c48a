"""Bridges of the last weeks in the demo: one settled and billed, and every way in which one goes wrong that time can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from app.bridge import (
    ask_service,
    bank_service,
    correction_service,
    fund_service,
    money_service,
    statement_service,
    trouble_service,
)
from app.bridge import service as bridges
from app.bridge.checks import TICKS
from app.bridge.fund_models import BridgeQuote
from app.bridge.hops import acts_of
from app.bridge.states import HopAccount
from app.bridge.trouble_models import BridgeTrouble
from app.bridge.trouble_rules import TroubleKind
from app.core.calendar import add_working_days, earlier, today
from app.core.database import session, transaction
from app.core.errors import Refusal
from app.core.money import WAN
from app.demo.bridge_loop import NUMBERS, give_back, pay_out, seen, told
from app.demo.firms import DemoFirm
from app.demo.people import SYSTEM, Staff
from app.demo.statements import Movement, icbc_csv

OPENED = 20
"""Working days ago: the funds of the demo, before the first of the scenes."""
RATE = Decimal("0.0385")


@contextmanager
def ago(working_days: int) -> Iterator[None]:
    """It is so many working days earlier."""
    with earlier(today() - add_working_days(today(), -working_days)):
        yield


@dataclass(frozen=True)
class Scene:
    """A bridge over a note of a bank. ``number`` makes its note, accounts and vouchers its own."""

    staff: Staff
    firm: DemoFirm
    bank: str
    wan: int
    number: int

    @property
    def note(self) -> str:
        """Number of the old note."""
        return f"YS-{today().year}-{self.number:04d}"

    @property
    def numbers(self) -> dict[HopAccount, str]:
        """Accounts of the loop: the fund's own, and the firm's."""
        return {**NUMBERS, HopAccount.REPAYMENT: f"44000000000000{self.number:05d}"}

    @property
    def officer(self) -> str:
        """Who answers for the bank."""
        return f"{self.bank}.officer"

    def apply(self) -> UUID:
        """The bank does not renew without repayment, and the firm asks for a bridge."""
        bank_id = self.staff[self.officer].org_id
        assert bank_id is not None
        old = ask_service.OldLoan(None, bank_id, self.note, self.wan * WAN, add_working_days(today(), 2))
        ask = ask_service.ask(self.firm.boss, old, "演示：下周有回款，希望续贷一年")
        ask_service.answer(self.staff[self.officer], ask.id, False, "MUST_REPAY", "演示：本行要求先还后贷")
        return bridges.apply(self.firm.boss, ask.id, bridges.Application(
            bank_id, own_money_fen=self.wan * WAN // 10, requested_fen=self.wan * WAN * 9 // 10, planned_days=5, urgent=True,
            old_due_fen=self.wan * WAN, old_due_on=add_working_days(today(), 2),
        )).id

    def pay(self) -> UUID:
        """From the application to the confirmed end of the old loan, all on one day."""
        staff, key = self.staff, self.apply()
        bridges.precheck(staff["centre.clerk"], key, set(TICKS))
        last = today() + timedelta(days=90)
        bank_service.commit(staff[f"{self.bank}.approver"], key, bank_service.Promise(
            self.wan * WAN, RATE, RATE, 12, "INTEREST_ONLY", last, last, self.numbers[HopAccount.REPAYMENT], "演示支行",
        ))
        with transaction(SYSTEM, read_only=True):
            quote_id = session().scalars(select(BridgeQuote.id).where(
                BridgeQuote.bridge_id == key, BridgeQuote.org_id == staff["funder.clerk"].org_id)).one()
        offer = fund_service.Offer(seen(key).requested_fen, today() + timedelta(days=20))
        fund_service.offer(staff["funder.clerk"], quote_id, offer)
        pay_out(staff, self.firm.boss, key, self.numbers, f"YS{self.number}")
        bank_service.confirm_repaid(staff[self.officer], key, today(), f"演示结清-{self.number}")
        return key

    def draw(self, key: UUID, wan: int) -> None:
        """The bank reports the new note."""
        new = bank_service.NewNote(f"{self.note}-N", wan * WAN, today(), f"演示合同-{self.number}")
        bank_service.confirm_drawn(self.staff[self.officer], key, new)

    def back(self, key: UUID, share: int = 1) -> None:
        """One of ``share`` equal parts of what is out comes back."""
        give_back(self.staff, key, seen(key).outstanding_fen // share, f"YS{self.number}-{share}")


def play(staff: Staff, firms: Sequence[DemoFirm]) -> None:
    """Six bridges, each step on its day; the funds have been open for some weeks."""
    plain, late, short, refused, corrected = (
        Scene(staff, firm, bank, wan, number) for number, (firm, bank, wan) in enumerate(zip(
            firms, ("zhuan", "yuncheng", "linghai", "linghai", "zhuan"), (120, 80, 60, 100, 90), strict=True), start=501)
    )
    with ago(14):
        settled, overdue = plain.pay(), late.pay()
    with ago(11):
        plain.draw(settled, plain.wan)
        plain.back(settled)
        money_service.settle(staff["centre.clerk"], settled, "YS501-0005")
    with ago(6):
        gap = short.pay()
        money_service.mark_due(SYSTEM)
    with ago(4):
        short.draw(gap, short.wan // 2)
        claimed, wrong = refused.pay(), corrected.pay()
        late.back(overdue, 3)
    with ago(3):
        trouble_service.report(staff["funder.clerk"], claimed, TroubleKind.RENEWAL_REFUSED, "演示：银行客户经理告知额度已收回")
        corrected.back(wrong, 2)
        _asked_twice(corrected, refused.firm, wrong)
    with ago(2):
        bank_service.refuse_renewal(staff[refused.officer], claimed, "演示：抵押房产被法院查封，分行终止续贷")
        _put_right(staff, wrong)
        corrected.back(wrong, 3)
    trouble_service.find_troubles(SYSTEM)
    _statement(staff, [settled, overdue, wrong])


def _put_right(staff: Staff, key: UUID) -> None:
    """A return that was recorded on the wrong bridge goes back by counter-hops, on two people's word."""
    with transaction(SYSTEM, read_only=True):
        first = acts_of(key)[-1].first.id
    made = correction_service.propose_correction(
        staff["centre.clerk"], key, first, "YS505-G1", "YS505-G2", "演示：这笔归还属于另一家企业，登记错了转贷")
    correction_service.decide_correction(staff["centre.reviewer"], made.id, True, "演示：已与托管行核对")


def _asked_twice(scene: Scene, other: DemoFirm, key: UUID) -> None:
    """Another firm asks for a bridge over the same note and is refused; the centre finds out why."""
    found = seen(key)
    again = ask_service.OldLoan(None, found.old_bank_org_id, found.old_note_no, found.old_due_fen, found.old_due_on)
    ask = ask_service.ask(other.boss, again, "演示：再次申请")
    ask_service.answer(scene.staff[scene.officer], ask.id, False, "MUST_REPAY", "")
    try:
        trouble_service.apply(other.boss, ask.id, bridges.Application(
            found.old_bank_org_id, own_money_fen=0, requested_fen=found.old_due_fen, planned_days=5, urgent=True,
            old_due_fen=found.old_due_fen, old_due_on=found.old_due_on))
    except Refusal:
        with transaction(SYSTEM, read_only=True):
            told = session().scalars(select(BridgeTrouble.id).where(BridgeTrouble.bridge_id == key)).one()
        trouble_service.answer(scene.staff["centre.clerk"], told, "演示：另一家企业填错了借据号，已说明")


def _statement(staff: Staff, keys: Sequence[UUID]) -> None:
    """The custody account's month: its hops are known again, a return nobody has recorded yet and interest wait for a person."""
    moved = told(keys, HopAccount.CUSTODY)
    own = NUMBERS[HopAccount.CUSTODY]
    unknown = Movement(own, "4400000000000000909", "演示户名", True, 200_000_00, moved[-1].at, "YS509-0001", "还转贷款")
    interest = Movement(own, "", "演示银行", True, 36_50, moved[-1].at, "YS509-0002", "结息")
    statement_service.take_in(staff["centre.clerk"], "演示-托管账户本月明细.csv", icbc_csv([*moved, unknown, interest]))
