"""Receipts of sealed bids, bids that take the place of others, and what a corrected need does to those handed in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from app.cli import main
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Permission, Role
from app.core.use_case import reading
from app.market import bid_queries, bid_service, receipt_service, service
from app.market.bid_words import BidState
from app.market.models import Bid, Need
from tests import cast, market_cast
from tests.cast import Cast
from tests.database import TestDatabase
from tests.seal_tools import owner_sql, rows


def receipt_of(bank: Cast, bid: Bid) -> receipt_service.Kept:
    """The receipt as the bank's officer reads it now."""
    with reading(bank[Role.BANK_OFFICER], Permission.BID_READ):
        found = receipt_service.kept(bid_service.with_lines(bid.id), session().get_one(Need, bid.need_id))
    assert found is not None
    return found


def verdict(folder: Path, download: dict[str, Any]) -> tuple[int, str]:
    """What the command says of a file, with no database at hand."""
    file = folder / "receipt.json"
    file.write_text(json.dumps(download))
    result = CliRunner().invoke(main, ["market", "verify-receipt", str(file)])
    return result.exit_code, result.output


def test_a_receipt_verifies_by_its_hash_alone_and_again_after_opening(database: TestDatabase, tmp_path: Path) -> None:
    firm, bank, rival = cast.firm(), cast.bank(), cast.bank("云城银行")
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(bank, need)
    market_cast.sealed_bid(rival, need)
    sealed = receipt_of(bank, bid)
    assert sealed.same and not sealed.opened
    words = json.loads(sealed.receipt.canonical)
    assert (words["annual_rate"], words["amount_fen"], words["need"]["term_months"]) == ("0.038500", 300_000_000, 12)
    code, said = verdict(tmp_path, sealed.download())
    assert code == 0 and "not opened yet" in said
    cheaper = sealed.download() | {"canonical": sealed.receipt.canonical.replace("0.038500", "0.028500")}
    assert verdict(tmp_path, cheaper) == (1, "Error: The text and the commitment do not fit.\n")
    assert verdict(tmp_path, {"form": 1}) == (1, "Error: This is no complete receipt.\n")

    service.close_need(firm[Role.FIRM_CLERK], need.id)
    opened = receipt_of(bank, bid)
    assert opened.same and opened.listed and len(opened.opened) == 2
    code, said = verdict(tmp_path, opened.download())
    assert code == 0 and f"opened with 2 bids, digest {opened.digest}" in said
    on_record = owner_sql(database, "select facts->>'opened_digest' from audit_event where action = 'need.close'")
    assert on_record == [(opened.digest,)], "the digest stands in the record of the closing"
    without = opened.download()
    without["opened"]["commitments"].remove(without["commitment"])
    assert verdict(tmp_path, without)[1].startswith("Error: The commitment is not among those opened.")


def test_the_database_takes_no_submission_without_a_receipt_and_changes_none(database: TestDatabase) -> None:
    bank = cast.bank()
    bid = market_cast.draft_bid(bank, market_cast.open_need(cast.firm()))
    bid_service.propose_bid(bank[Role.BANK_OFFICER], bid.id)
    approver = (bank[Role.BANK_APPROVER].actor_id, bank.id, "bank")
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        rows(database, approver, "update bid set state = 'SUBMITTED', submitted_by = %s returning id", approver[0])
    assert refused.value.diag.constraint_name == "ck_bid_receipt"
    bid_service.submit_bid(bank[Role.BANK_APPROVER], bid.id)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(database, approver, "update bid_receipt set canonical = '{}' returning bid_id")
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner_sql(database, "delete from bid_receipt")


def test_a_bid_is_replaced_when_the_new_one_is_handed_in_and_not_before(database: TestDatabase) -> None:
    firm, bank, slow = cast.firm(), cast.bank(), cast.bank("慢行银行")
    officer, approver = bank[Role.BANK_OFFICER], bank[Role.BANK_APPROVER]
    need = market_cast.open_need(firm)
    first, kept = market_cast.sealed_bid(bank, need), market_cast.sealed_bid(slow, need)
    better = market_cast.terms(market_cast.product(bank, "新产品"), market_cast.offer(percent="3.55"))
    second = bid_service.replace_bid(officer, first.id, better)
    with pytest.raises(Refusal) as caught:
        bid_service.replace_bid(officer, first.id, better)
    assert caught.value.code is ErrorCode.BID_EXISTS, "one draft at a time"
    bid_service.replace_bid(slow[Role.BANK_OFFICER], kept.id, market_cast.terms(market_cast.product(slow, "新产品")))
    assert owner_sql(database, "select state from bid where id = %s", first.id) == [("SUBMITTED",)]
    bid_service.submit_bid(approver, second.id)
    assert owner_sql(database, "select state from bid where id = %s", first.id) == [("REPLACED",)]

    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        stranger = (slow[Role.BANK_OFFICER].actor_id, slow.id, "bank")
        rows(database, stranger, "update bid set replaces_id = %s where state = 'DRAFT' returning id", first.id)
    assert refused.value.diag.constraint_name in ("ck_bid_frozen", "ck_bid_replaces")

    service.close_need(firm[Role.FIRM_CLERK], need.id)
    with reading(firm[Role.FIRM_CLERK], Permission.NEED_READ):
        shown = bid_queries.offers(session().get_one(Need, need.id))
    assert {row.bid.id for row in shown} == {second.id, kept.id}, "what was replaced is never opened"
    assert rows(database, (None, firm.id, "enterprise"), "select 1 from bid where id = %s", first.id) == []
    with transaction(slow[Role.BANK_OFFICER], read_only=True):
        states = sorted(bid.state for bid in bid_queries.own_bids(slow[Role.BANK_OFFICER], need.id))
    assert states == [BidState.LAPSED, BidState.OPENED], "the draft that nobody handed in lapses, the first one counts"


def test_a_corrected_need_ends_what_was_handed_in_and_tells_each_bank_alone(database: TestDatabase) -> None:
    bank, rival = cast.bank(), cast.bank("云城银行")
    need = market_cast.open_need(cast.firm())
    sent, waiting = market_cast.sealed_bid(bank, need), market_cast.draft_bid(rival, need)
    bid_service.propose_bid(rival[Role.BANK_OFFICER], waiting.id)
    owner_sql(database, "alter table need disable trigger need_frozen")
    owner_sql(database, "update need set amount_fen = 250000000 where id = %s", need.id)
    owner_sql(database, "alter table need enable trigger need_frozen")
    states = dict(owner_sql(database, "select id, state from bid"))
    assert states == {sent.id: "LAPSED", waiting.id: "DRAFT"}
    told = owner_sql(database, "select org_id, seal_id from notice where message like '企业更正了%%'")
    assert told == [(bank.id, need.seal_id)]
    steps = owner_sql(database, "select event from transition where reason = '企业更正了融资需求' order by event")
    assert steps == [("lapse",), ("return",)]
    assert market_cast.sealed_bid(bank, need, market_cast.offer(wan=250), mark="新").state == BidState.SUBMITTED
