"""Money moves in pairs, twice-phased, once; the database keeps the balances and refuses an overdraft."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.core.database import session, transaction
from app.core.ledger import Account, Transfer, account, open_account, post, reserve, transfer, void
from tests import cast
from tests.database import TestDatabase

pytestmark = pytest.mark.usefixtures("database")


def funded(amount_fen: int) -> tuple[str, str]:
    """Codes of a bounded account holding the amount, and of one to pay to."""
    mark = uuid4().hex
    with transaction(cast.SYSTEM):
        source = open_account(f"world:{mark}", "world", bounded=False)
        fund = open_account(f"fund:{mark}", "fund")
        open_account(f"bank:{mark}", "bank")
        transfer(source, fund, amount_fen, reference=f"in:{mark}")
    return f"fund:{mark}", f"bank:{mark}"


def test_a_reservation_holds_money_and_posting_moves_it() -> None:
    fund, bank = funded(1000)
    with transaction(cast.SYSTEM):
        held = reserve(account(fund), account(bank), 600, reference="r")
        assert (account(fund).available_fen, account(fund).balance_fen) == (400, 1000)
        post(held, reference="p")
        assert (account(fund).available_fen, account(fund).balance_fen, account(bank).balance_fen) == (400, 400, 600)


def test_posting_a_part_releases_the_rest() -> None:
    fund, bank = funded(1000)
    with transaction(cast.SYSTEM):
        post(reserve(account(fund), account(bank), 600, reference="r"), reference="p", amount_fen=250)
        assert (account(fund).available_fen, account(bank).balance_fen) == (750, 250)


def test_voiding_releases_all() -> None:
    fund, bank = funded(1000)
    with transaction(cast.SYSTEM):
        void(reserve(account(fund), account(bank), 600, reference="r"), reference="v")
        assert (account(fund).available_fen, account(bank).balance_fen) == (1000, 0)


def test_a_reservation_is_settled_once() -> None:
    fund, bank = funded(1000)
    with transaction(cast.SYSTEM):
        held = reserve(account(fund), account(bank), 600, reference="r")
        post(held, reference="p")
    with pytest.raises(IntegrityError, match="uq_ledger_transfer_pending_id"), transaction(cast.SYSTEM):
        void(session().get_one(Transfer, held.id), reference="v")


def test_more_than_the_reservation_cannot_be_posted() -> None:
    fund, bank = funded(1000)
    with transaction(cast.SYSTEM):
        held = reserve(account(fund), account(bank), 600, reference="r")
    with pytest.raises(DBAPIError, match="does not fit"), transaction(cast.SYSTEM):
        post(session().get_one(Transfer, held.id), reference="p", amount_fen=601)


def test_more_than_there_is_cannot_leave_reservations_counted() -> None:
    fund, bank = funded(1000)
    with transaction(cast.SYSTEM):
        reserve(account(fund), account(bank), 600, reference="r")
    with pytest.raises(IntegrityError, match="ck_ledger_account_bounded"), transaction(cast.SYSTEM):
        transfer(account(fund), account(bank), 401, reference="t")


def test_the_same_business_event_cannot_move_money_twice() -> None:
    fund, bank = funded(1000)
    with transaction(cast.SYSTEM):
        transfer(account(fund), account(bank), 100, reference="claim:1")
    with pytest.raises(IntegrityError, match="uq_ledger_transfer_reference"), transaction(cast.SYSTEM):
        transfer(account(fund), account(bank), 100, reference="claim:1")


def test_the_portals_role_cannot_touch_a_balance() -> None:
    fund, _ = funded(1000)
    with pytest.raises(DBAPIError, match="permission denied"), transaction(cast.SYSTEM):
        session().execute(text("update ledger_account set credits_posted_fen = 1000000 where code = :c"), {"c": fund})
    with pytest.raises(DBAPIError, match="opens empty"), transaction(cast.SYSTEM):
        session().execute(text(
            "insert into ledger_account (id, code, kind, bounded, credits_posted_fen, opened_at) "
            "values (gen_random_uuid(), 'x', 'x', true, 5, now())"
        ))


def test_two_officers_taking_the_last_million_at_once_make_one_success() -> None:
    fund, bank = funded(100_000_000)
    start, results = threading.Barrier(2), []

    def take(number: int) -> None:
        start.wait()
        try:
            with transaction(cast.SYSTEM):
                reserve(account(fund), account(bank), 100_000_000, reference=f"{fund}:{number}")
            results.append("taken")
        except IntegrityError:
            results.append("refused")

    threads = [threading.Thread(target=take, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["refused", "taken"]
    with transaction(cast.SYSTEM):
        assert account(fund).available_fen == 0


STEPS = st.lists(
    st.tuples(st.sampled_from(["transfer", "reserve", "post", "part", "void"]), st.integers(1, 700)), max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_happens_the_book_balances_and_nothing_is_overdrawn(
    database: TestDatabase, steps: list[tuple[str, int]],
) -> None:
    fund, bank = funded(1000)
    open_holds: list[Transfer] = []
    for number, (step, amount) in enumerate(steps):
        try:
            with transaction(cast.SYSTEM):
                reference = f"{fund}:{number}"
                if step == "transfer":
                    transfer(account(fund), account(bank), amount, reference=reference)
                elif step == "reserve":
                    open_holds.append(reserve(account(fund), account(bank), amount, reference=reference))
                elif open_holds:
                    held = open_holds.pop()
                    if step == "void":
                        void(held, reference=reference)
                    else:
                        post(held, reference=reference, amount_fen=1 if step == "part" else None)
        except IntegrityError:
            open_holds = [held for held in open_holds if not held.reference.endswith(f":{number}")]
    with transaction(cast.SYSTEM):
        source = session().scalar(select(Account).where(Account.code == fund))
        assert source is not None
        assert source.available_fen >= 0
        assert source.debits_pending_fen == sum(held.amount_fen for held in open_holds)
        assert source.balance_fen + account(bank).balance_fen == 1000
        totals = session().execute(select(
            func.sum(Account.debits_posted_fen), func.sum(Account.credits_posted_fen),
            func.sum(Account.debits_pending_fen), func.sum(Account.credits_pending_fen),
        )).one()
        assert totals[0] == totals[1] and totals[2] == totals[3]
