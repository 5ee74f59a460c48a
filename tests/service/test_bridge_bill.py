"""Papers of a bridge: the table of §3 down to the bill, numbers without gaps, and an agreement for its three parties alone."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.bridge import bank_service, bill_service, correction_service, money_service
from app.bridge.bill_models import BridgePaper, PaperKind
from app.bridge.bill_rules import FeeKind, PartReturned, bill_lines, saving, total_of
from app.bridge.hops import acts_of
from app.bridge.rules import CROSS_BANK, SAME_BANK, FeeStep, fee, step_terms
from app.bridge.terms import Returned, fee_of_returns
from app.core.audit import canonical
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN, YUAN
from app.core.permissions import Role
from tests import bridge_cast as road
from tests import cast

pytestmark = pytest.mark.usefixtures("database")

MORNING = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
DONGHAI = step_terms((FeeStep(5, Decimal("0.0002")), FeeStep(None, Decimal("0.0004"))))


def refused(call: Any, *args: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*args)
    return caught.value


def papers(key: Any) -> list[BridgePaper]:
    with transaction(cast.SYSTEM, read_only=True):
        return bill_service.papers_of(key)


def test_the_table_of_the_paper_line_by_line_and_what_the_market_would_have_taken() -> None:
    paid = MORNING.date()
    for terms, wan, days, yuan, kinds in (
        (SAME_BANK, 300, 5, 9_900, [FeeKind.DAYS]), (CROSS_BANK, 500, 40, 30_000, [FeeKind.ONE_OFF]),
        (DONGHAI, 1000, 8, 22_000, [FeeKind.DAYS, FeeKind.DAYS]), (CROSS_BANK, 500, 0, 0, [FeeKind.SAME_DAY]),
        (DONGHAI, 1000, 3, 6_000, [FeeKind.DAYS]),
    ):
        lines = bill_lines([PartReturned("hop", wan * WAN, paid + timedelta(days=days))], paid, terms)
        assert [line.kind for line in lines] == kinds
        assert total_of(lines) == yuan * YUAN == fee(wan * WAN, days, terms).amount_fen
    market = saving(300 * WAN, 5, 9_900 * YUAN)
    assert (market.market_low_fen, market.market_high_fen) == (30_000 * YUAN, 45_000 * YUAN)
    assert (market.low_fen, market.high_fen) == (20_100 * YUAN, 35_100 * YUAN)
    odd = [PartReturned(n, 33_333_333 + n, paid + timedelta(days=n)) for n in range(4)]
    whole = fee_of_returns([Returned(part.amount_fen, part.on_day) for part in odd], paid, DONGHAI)
    assert total_of(bill_lines(odd, paid, DONGHAI)) == whole.amount_fen, "bill and working round alike"


def test_the_bill_the_invoice_and_the_receipt_follow_each_other_without_gaps() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people(terms=DONGHAI)
        first, second = (road.walk(who, "NEW_DRAWN") for _ in range(2))
        clock.shift(timedelta(days=8))
        road.give_back(who, first, 300 * WAN)
        bill = papers(first)[-1]
        assert (bill.kind, bill.number, bill.total_fen) == ("BILL", "ZD2026-0001", 6_600 * YUAN)
        assert bill.data["market"]["saving_low_fen"] == (48_000 - 6_600) * YUAN
        # A return that was recorded wrongly takes its bill back; the number is used up, the next one follows.
        with transaction(cast.SYSTEM, read_only=True):
            act = acts_of(first)[-1].first.id
        row = correction_service.propose_correction(who.clerk, first, act, "K1", "K2", "金额错了")
        correction_service.decide_correction(who.reviewer, row.id, True, "属实")
        road.give_back(who, first, 100 * WAN)
        road.give_back(who, first, 200 * WAN)
        road.give_back(who, second, 300 * WAN)
        kinds = [(one.kind, one.number) for one in papers(first)]
        assert kinds[1:] == [("BILL", "ZD2026-0001"), ("CANCELLATION", "ZF2026-0001"), ("BILL", "ZD2026-0002")]
        assert papers(second)[-1].number == "ZD2026-0003"
        assert refused(money_service.settle, who.clerk, first, "").field == "fee_voucher_no", "a fee is paid under a voucher"
        money_service.settle(who.clerk, first, "FY-1")
        assert refused(money_service.settle, who.clerk, second, "FY-1").code is ErrorCode.VOUCHER_TAKEN
        money_service.settle(who.clerk, second, "FY-2")
        assert [one.number for one in papers(first)[-2:]] == ["JS2026-0001", "SJ2026-0001"]
        assert [one.number for one in papers(second)[-2:]] == ["JS2026-0002", "SJ2026-0002"], "the refused try left no gap"
        assert papers(first)[-1].voucher_no == "FY-1" and road.seen(first).fee_fen == 6_600 * YUAN
    for kind in PaperKind:
        with transaction(cast.SYSTEM, read_only=True):
            serials = sorted(session().scalars(select(BridgePaper.serial).where(BridgePaper.kind == kind.value)))
        assert serials == list(range(1, len(serials) + 1))


def test_no_fee_outside_the_list_is_billed_or_booked_even_with_sql() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people()
        key = road.walk(who, "NEW_DRAWN")
        clock.shift(timedelta(days=2))
        road.give_back(who, key, 300 * WAN)
    line = ("insert into bridge_bill_line (id, paper_id, part, hop_id, fee_kind, principal_fen, days, rate) select "
            "gen_random_uuid(), p.id, 9, l.hop_id, cast(:kind as text), :fen, :days, cast(:rate as numeric) from bridge_paper p "
            "join bridge_bill_line l on l.paper_id = p.id where p.kind = 'BILL'")
    for kind, fen, days, rate, why in (
        ("ENTRY_FEE", 1, 1, 0, "fee_kind|ceiling"), ("DAYS", 300 * WAN, 1, "0.000661", "ceiling"),
        ("ONE_OFF", 300 * WAN, 1, "0.0061", "ceiling"),
        ("DAYS", 300 * WAN, 1, "0.0006", "adds up"), ("SAME_DAY", 300 * WAN, 1, 0, "line_days"),
    ):
        with pytest.raises(DBAPIError, match=why), transaction(who.clerk):
            session().execute(text(line), {"kind": kind, "fen": fen, "days": days, "rate": rate})
    book = ("insert into ledger_transfer (id, kind, debit_account_id, credit_account_id, amount_fen, reference, memo, at) "
            "select gen_random_uuid(), 'single', f.id, c.id, :fen, :reference, '', now() from ledger_account f, ledger_account c "
            "where f.kind = 'funder' and c.kind = 'bridge_fee'")
    for fen, reference in ((3_960 * YUAN + 1, f"bridge:{key}:fee"), (3_960 * YUAN, f"bridge:{key}:fee:2"), (1, "service")):
        with pytest.raises(DBAPIError, match=r"nobody billed|row-level"), transaction(who.clerk):
            session().execute(text(book), {"fen": fen, "reference": reference})
    with pytest.raises(DBAPIError, match="the bill says"), transaction(cast.SYSTEM):
        session().execute(text("update bridge set state = 'SETTLED', fee_fen = 396001, settled_on = current_date where id = :id"),
                          {"id": key})
    for change in ("update bridge_paper set total_fen = 1", "delete from bridge_bill_line"):
        with pytest.raises(DBAPIError, match=r"permission denied|append-only"), transaction(cast.SYSTEM):
            session().execute(text(change))
    assert money_service.settle(who.clerk, key, "FY-1").fee_fen == 3_960 * YUAN


def test_the_agreement_is_frozen_at_the_signature_and_read_by_its_three_parties_alone() -> None:
    who = road.people()
    key = road.walk(who, "SIGNED")
    agreement = papers(key)[0]
    data = agreement.data
    assert bytes(agreement.digest) == hashlib.sha256(canonical(data)).digest()
    assert [one["side"] for one in data["signers"]] == ["FIRM", "FUNDER", "BANK"]
    assert all(one["name"] and one["at"] for one in data["signers"])
    assert (data["fee"]["total_fen"], data["fee"]["days"], data["amount_fen"]) == (990_000, 5, 300 * WAN)
    assert {one["kind"] for one in data["accounts"]} == {"FUNDER", "CUSTODY", "REPAYMENT", "RENEWAL"}
    assert not re.search(r"4400\d{12}", str(data)), "numbers stand masked"
    with transaction(cast.SYSTEM, read_only=True):
        facts = session().execute(text("select facts from audit_event where action = 'bridge.sign'")).scalar_one()
    assert facts["agreement_digest"] == bytes(agreement.digest).hex()
    for party in (who.boss, who.funder[Role.FUNDER_CLERK], who.new_bank[Role.BANK_OFFICER]):
        assert bill_service.fetch_paper(party, agreement.id).number == agreement.number
    stranger = cast.bank("别的银行")[Role.BANK_OFFICER]
    leader = next(iter(cast.bureau().people.values()))
    for other in (who.clerk, who.reviewer, stranger):
        assert refused(bill_service.fetch_paper, other, agreement.id).code is ErrorCode.NOT_FOUND
    with transaction(leader, read_only=True):
        assert session().scalars(select(BridgePaper)).all() == []
    with transaction(cast.SYSTEM, read_only=True):
        looks = session().execute(text("select count(*) from audit_event where action = 'bridge_paper.read'")).scalar_one()
    assert looks == 3
    # What the bank promises later does not change what was signed.
    bank_service.commit(who.new_bank[Role.BANK_APPROVER], key, road.promise(promised_fen=500 * WAN))
    assert papers(key)[0].data == data
