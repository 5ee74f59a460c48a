"""The maturity radar on a real database: whose loans, told once at each mark, the bank's word, in few statements."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import event, select, text

from app.bridge import ask_service, radar_queries, radar_service
from app.bridge.radar_rules import bucket
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import engine, session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.models import Notice
from app.core.money import WAN
from app.core.permissions import Role
from app.credit.warning_models import EarlyWarning
from app.loans import offline_service
from app.loans import service as loans
from app.loans.models import Loan
from tests import bridge_cast as road
from tests import cast

pytestmark = pytest.mark.usefixtures("database")

MORNING = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
"""Monday, 10:00 in Guangzhou."""


def maturing(who: road.People, days: int, wan: int = 300) -> Loan:
    """A loan of the portal that falls due in so many days, which the firm calls its own."""
    officer, approver = who.old_bank[Role.BANK_OFFICER], who.old_bank[Role.BANK_APPROVER]
    terms = loans.LoanTerms(wan * WAN, Decimal("0.04"), 12, "INTEREST_ONLY", "credit", "working_capital")
    loan = offline_service.open_offline_loan(officer, cast.uscc_of(who.firm), who.firm.name, terms)
    loans.approve_loan(approver, loan.id)
    due = today() + timedelta(days=days)
    mark = loan.id.hex[-8:]
    drawn = loans.Drawdown(wan * WAN, due.replace(year=due.year - 1), f"HT-{mark}", f"JJ-{mark}")
    loans.report_drawdown(officer, loan.id, drawn)
    offline_service.recognise(who.boss, loan.id)
    with transaction(cast.SYSTEM, read_only=True):
        found = session().get_one(Loan, loan.id)
    assert (found.due_on - today()).days == days  # type: ignore[operator]
    return found


def rows(ctx: Context) -> dict[UUID, Any]:
    with transaction(ctx, read_only=True):
        return {row.id: row for row in session().execute(radar_queries.radar())}


def notices(org_id: UUID) -> list[str]:
    with transaction(cast.SYSTEM, read_only=True):
        found = select(Notice.message).where(Notice.org_id == org_id, Notice.path.like("/bridges/radar/%"))
        return list(session().scalars(found))


def test_a_mark_is_the_nearest_that_a_loan_is_within() -> None:
    marks = (60, 30, 15)
    assert [bucket(days, marks) for days in (61, 60, 31, 30, 16, 15, 0, -1)] == [None, 60, 60, 30, 30, 15, 15, None]


def test_firm_and_bank_are_told_once_at_each_mark_and_the_bank_is_asked_what_it_intends() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people(0)
        loan, far = maturing(who, 60), maturing(who, 75)
        assert radar_service.tell_due(cast.SYSTEM) == 1
        assert radar_service.tell_due(cast.SYSTEM) == 0
        assert (len(notices(who.firm.id)), len(notices(who.old_bank.id))) == (1, 1)
        with transaction(who.old_bank[Role.BANK_OFFICER], read_only=True):
            assert [row.id for row in radar_queries.silent(who.old_bank[Role.BANK_OFFICER])] == [loan.id]
        told = []
        for _ in range(8):  # 54 … 12 days are left, six a time
            clock.shift(timedelta(days=6))
            told.append(radar_service.tell_due(cast.SYSTEM))
        # 15 days before its end the second loan has passed 60 only; the first passed 30 and 15.
        assert told == [0, 0, 1, 0, 1, 0, 0, 2]
        assert set(rows(who.boss)) == {loan.id, far.id}


def test_everybody_sees_their_own_and_the_centre_what_a_firm_lets_it_see() -> None:
    with time_machine.travel(MORNING, tick=False):
        who = road.people(0)
        other = replace(who, firm=cast.firm("别的企业"), old_bank=cast.bank("云山银行"))
        mine, theirs = maturing(who, 20), maturing(other, 40, 80)
        maturing(who, 90)
        with transaction(cast.SYSTEM):
            session().add(EarlyWarning(
                id=new_id(), firm_id=who.firm.id, item_code="invoices", kind="drop", level=2, worst_level=2, raised_at=now(),
                as_of=today(), facts=[], state="OPEN",
            ))
        bank, centre, bureau = who.old_bank[Role.BANK_OFFICER], who.clerk, cast.bureau()[Role.BUREAU_AUDITOR]
        assert set(rows(who.boss)) == set(rows(bank)) == {mine.id}
        assert rows(who.boss)[mine.id].warning == 2
        assert rows(centre) == {}
        with pytest.raises(Refusal) as refused:
            radar_service.ask_intent(centre, mine.id)
        assert refused.value.code is ErrorCode.NOT_FOUND
        radar_service.share(who.boss, True)
        assert set(rows(centre)) == {mine.id}
        assert rows(centre)[mine.id].warning is None and rows(centre)[mine.id].firm_name == who.firm.name
        assert radar_service.ask_intent(centre, mine.id) and not radar_service.ask_intent(who.boss, mine.id)
        with pytest.raises(Refusal):
            radar_service.intend(other.old_bank[Role.BANK_OFFICER], mine.id, "RENEW")
        radar_service.intend(bank, mine.id, "RENEW", "材料齐全")
        radar_service.intend(bank, mine.id, "LESS")
        assert rows(who.boss)[mine.id].intent == rows(centre)[mine.id].intent == "LESS"
        asked = ask_service.ask(who.boss, ask_service.OldLoan(mine.id))
        assert rows(who.boss)[mine.id].ask_id == rows(bank)[mine.id].ask_id == asked.id
        with transaction(bureau, read_only=True):
            city = radar_queries.by_bank()
        assert [(row.name, row.mark, row.loans, int(row.left_fen), row.willing, row.silent, row.asked) for row in city] == [
            ("云山银行", 60, 1, 80 * WAN, 0, 1, 0), ("珠岸银行", 30, 1, 300 * WAN, 1, 0, 1),
        ]
        radar_service.share(who.boss, False)
        assert rows(centre) == {}
        assert theirs.id not in rows(bank)


def test_the_radar_costs_as_many_statements_for_many_loans_as_for_one() -> None:
    with time_machine.travel(MORNING, tick=False):
        who = road.people(0)
        maturing(who, 10)
        counted: list[str] = []

        def look() -> int:
            counted.clear()
            with transaction(who.boss, read_only=True):
                session().execute(text("select 1"))
                session().execute(radar_queries.radar()).all()
                radar_queries.near()
            return len(counted)

        event.listen(engine(), "before_cursor_execute", lambda *args: counted.append(args[2]))
        one = look()
        maturing(who, 20)
        maturing(who, 30)
        assert look() == one <= 6
