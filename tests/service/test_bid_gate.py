"""What the database itself refuses a bank that writes past the portal: after the hour, and once a bid is handed in."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Role
from app.market import bid_service
from tests import cast, market_cast
from tests.cast import Cast
from tests.database import TestDatabase
from tests.seal_tools import owner_sql, rows


def refused_by(database: TestDatabase, bank: Cast, sql: str, *values: Any) -> str:
    """The constraint on which a statement of the bank fails."""
    identity = (bank[Role.BANK_APPROVER].actor_id, bank.id, "bank")
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        rows(database, identity, sql, *values)
    return refused.value.diag.constraint_name or ""


def test_the_hour_is_kept_by_the_database_while_the_ticker_has_not_come(database: TestDatabase) -> None:
    bank = cast.bank()
    need = market_cast.open_need(cast.firm())
    bid = market_cast.draft_bid(bank, need)
    bid_service.propose_bid(bank[Role.BANK_OFFICER], bid.id)
    owner_sql(database, "update need set closes_at = clock_timestamp() - interval '1 millisecond' where id = %s", need.id)

    approver = bank[Role.BANK_APPROVER].actor_id
    late = "update bid set state = 'SUBMITTED', submitted_by = %s, submitted_at = '2020-01-01' where id = %s returning id"
    assert refused_by(database, bank, late, approver, bid.id) == "ck_bid_before_close"
    with pytest.raises(Refusal) as caught:
        bid_service.submit_bid(bank[Role.BANK_APPROVER], bid.id)
    assert caught.value.code is ErrorCode.BID_LATE
    times = re.findall(r"\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", caught.value.sentence)
    assert len(times) == 2 and times[0] < times[1], "both times, to the millisecond"
    on_record = owner_sql(database, "select subject_id, facts ? 'closed', facts ? 'arrived' from audit_event where action = 'bid.late'")
    assert on_record == [(bid.id, True, True)]


def test_a_bid_that_was_handed_in_says_for_ever_what_it_said(database: TestDatabase) -> None:
    bank = cast.bank()
    need = market_cast.open_need(cast.firm())
    bid = market_cast.sealed_bid(bank, need)
    told = owner_sql(database, "select submitted_at between now() - interval '1 minute' and clock_timestamp() from bid")
    assert told == [(True,)]
    rewritten = (
        "simple_rate = 0.01", "interest_fen = 1", "fees_fen = 0", "working = '[]'", "drafted_by = null", "drafted_at = now()",
        "submitted_at = now() - interval '1 hour'", "submitted_by = null", "state = 'DRAFT'", "state = 'PROPOSED'",
    )  # fmt: skip
    for change in rewritten:
        assert refused_by(database, bank, f"update bid set {change} where id = %s returning id", bid.id) == "ck_bid_frozen", change
    chosen = refused_by(database, bank, "update bid set state = 'CHOSEN' where id = %s returning id", bid.id)
    assert chosen == "ck_bid_settled", "a bank does not choose itself"

    copied = "insert into bid select (jsonb_populate_record(b, jsonb_build_object('id', gen_random_uuid()))).* from bid b returning id"
    assert refused_by(database, bank, copied) == "ck_bid_begins_as_draft"
    owner_sql(database, "update need set closes_at = clock_timestamp() - interval '1 millisecond' where id = %s", need.id)
    back = refused_by(database, bank, "update bid set state = 'WITHDRAWN' where id = %s returning id", bid.id)
    assert back == "ck_bid_before_close", "after the hour it binds, also before the envelope is opened"
