"""Bids are sealed by the database: proved in SQL as the portal's login role, with every other identity and with none."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy.engine import make_url

from app.core.permissions import OrgKind, Role
from app.market import bid_service, service
from app.market.models import Need
from tests import cast, market_cast
from tests.database import TestDatabase
from tests.seal_tools import rows

SEALED = ("transition", "audit_event", "outbox", "notice", "paper")
"""Kernel tables whose rows carry the seal."""


class Town:
    """A firm with an open need, and two banks that both bid on it with everything that leaves a trace."""

    def __init__(self) -> None:
        self.firm, self.bank, self.rival = cast.firm(), cast.bank("珠岸银行"), cast.bank("云城银行")
        self.need = market_cast.open_need(self.firm)
        self.bid = self._busy_bid(self.bank)
        self.rival_bid = market_cast.sealed_bid(self.rival, self.need)

    def _busy_bid(self, bank: cast.Cast) -> Any:
        """Drafted, proposed, returned with a notice, proposed again, submitted: each step through a form with a token."""
        officer, approver = bank[Role.BANK_OFFICER], bank[Role.BANK_APPROVER]
        service.look_at_need(officer, self.need.id)
        draft = bid_service.draft_bid(
            officer.with_token(str(uuid4())), self.need.id, market_cast.terms(market_cast.product(bank))
        )
        bid_service.propose_bid(officer.with_token(str(uuid4())), draft.id)
        bid_service.return_bid(approver.with_token(str(uuid4())), draft.id, "利率再核对一下")
        bid_service.propose_bid(officer.with_token(str(uuid4())), draft.id)
        return bid_service.submit_bid(approver.with_token(str(uuid4())), draft.id)


@pytest.fixture
def town(database: TestDatabase) -> Town:
    return Town()


def test_no_bank_opens_the_envelope_in_sql_and_no_other_firm_either(database: TestDatabase, town: Town) -> None:
    opening = "update seal set opened_at = now() where id = %s returning id"
    for kind, stranger in (("bank", town.bank), ("bank", town.rival), ("enterprise", cast.firm()), ("bureau", cast.bureau())):
        assert rows(database, (None, stranger.id, kind), opening, town.need.seal_id) == []
    assert len(rows(database, (None, town.firm.id, "enterprise"), opening, town.need.seal_id)) == 1


def identities(town: Town) -> dict[str, tuple[UUID | None, UUID | None, str | None]]:
    """Everybody but the bank itself."""

    def of(someone: cast.Cast) -> tuple[UUID | None, UUID | None, str | None]:
        return next(iter(someone.people.values())).actor_id, someone.id, someone.kind.value

    return {
        "another bank that bids too": of(town.rival),
        "a bank that does not bid": of(cast.bank("岭海农商行")),
        "the firm": of(town.firm),
        "another firm": of(cast.firm("广州番禺顺达电子有限公司")),
        "the bureau": of(cast.bureau()),
        "the platform": of(cast.platform()),
        "the transfer centre": of(cast.centre()),
        "a funder": of(cast.funder()),
        "a data provider": of(cast.provider()),
        "the portal itself": (None, None, OrgKind.SYSTEM.value),
        "nobody": (None, None, None),
    }


def traces(database: TestDatabase, town: Town, identity: tuple[UUID | None, UUID | None, str | None]) -> dict[str, int]:
    """How many rows of the bank's bid an identity can read, by table."""
    bank, bid = town.bank.id, town.bid.id
    people = [str(person.actor_id) for person in town.bank.people.values()]
    found = {
        "bid": rows(database, identity, "select 1 from bid where org_id = %s or id = %s", bank, bid),
        "bid_fee": rows(database, identity, "select 1 from bid_fee where org_id = %s or bid_id = %s", bank, bid),
        "bid_tie": rows(database, identity, "select 1 from bid_tie where org_id = %s or bid_id = %s", bank, bid),
        "bid_condition": rows(database, identity, "select 1 from bid_condition where org_id = %s or bid_id = %s", bank, bid),
        "bid_receipt": rows(database, identity, "select 1 from bid_receipt where org_id = %s or bid_id = %s", bank, bid),
        "commitments": rows(database, identity, "select hq_commitments(%s)", town.need.id),
        "audit_personal": rows(database, identity, "select 1 from audit_personal where org_id = %s", bank),
        "idempotency": rows(database, identity, "select 1 from idempotency where owner = any(%s)", people),
    }
    for table in SEALED:
        seal = town.need.seal_id
        found[table] = rows(database, identity, f"select 1 from {table} where org_id = %s and seal_id = %s", bank, seal)
    return {table: len(each) for table, each in found.items()}


def test_before_closing_nobody_but_the_bank_reads_any_row_of_its_bid(database: TestDatabase, town: Town) -> None:
    for who, identity in identities(town).items():
        assert not any(traces(database, town, identity).values()), who


def test_the_bank_itself_reads_its_bid_with_every_trace_of_it(database: TestDatabase, town: Town) -> None:
    officer = town.bank[Role.BANK_OFFICER]
    own = traces(database, town, (officer.actor_id, town.bank.id, "bank"))
    assert own["bid"] == 1 and own["bid_fee"] == 1 and own["transition"] == 5
    assert own["bid_receipt"] == 1 and own["bid_condition"] == 2 and own["commitments"] == 0
    assert own["audit_event"] == 6 and own["notice"] == 1 and own["idempotency"] == 3


def test_no_count_of_bids_leaves_the_seal(database: TestDatabase, town: Town) -> None:
    """Neither the need nor any table tells the firm or a bank how many bids there are."""
    firm = (town.firm[Role.FIRM_CLERK].actor_id, town.firm.id, "enterprise")
    assert rows(database, firm, "select count(*) from bid")[0][0] == 0
    rival = (town.rival[Role.BANK_OFFICER].actor_id, town.rival.id, "bank")
    assert rows(database, rival, "select count(*) from bid")[0][0] == 1


def test_after_closing_the_firm_reads_every_bid_and_other_banks_still_none(database: TestDatabase, town: Town) -> None:
    service.close_need(town.firm[Role.FIRM_CLERK], town.need.id)
    everybody = identities(town)
    assert traces(database, town, everybody["the firm"])["bid"] == 1
    assert traces(database, town, everybody["the firm"])["bid_fee"] == 1
    assert rows(database, everybody["the firm"], "select count(*) from bid")[0][0] == 2
    assert traces(database, town, everybody["the bureau"])["bid"] == 1
    told = traces(database, town, everybody["another bank that bids too"])
    assert told.pop("commitments") == 2 and not any(told.values()), "two hashes, and nothing of whose they are"
    for who in (
        "a bank that does not bid",
        "another firm",
        "the transfer centre",
        "a funder",
        "a data provider",
        "nobody",
    ):
        assert not any(traces(database, town, everybody[who]).values()), who


def test_after_the_choice_the_chosen_bank_reads_no_step_of_its_rival(database: TestDatabase, town: Town) -> None:
    service.close_need(town.firm[Role.FIRM_CLERK], town.need.id)
    market_cast.choose(town.firm, town.rival_bid)
    chosen = (town.rival[Role.BANK_OFFICER].actor_id, town.rival.id, "bank")
    told = traces(database, town, chosen)
    assert told.pop("commitments") == 2 and not any(told.values())
    assert rows(database, chosen, "select 1 from transition where subject_id = %s", town.bid.id) == []


def test_a_draft_that_was_never_handed_in_is_not_shown_to_the_firm_after_closing(database: TestDatabase) -> None:
    firm, bank, rival = cast.firm(), cast.bank(), cast.bank("云城银行")
    need = market_cast.open_need(firm)
    draft = market_cast.draft_bid(bank, need)
    market_cast.sealed_bid(rival, need)
    service.close_need(firm[Role.FIRM_CLERK], need.id)
    identity = (None, firm.id, "enterprise")
    assert rows(database, identity, "select 1 from bid where id = %s", draft.id) == []
    assert rows(database, identity, "select 1 from bid_fee where bid_id = %s", draft.id) == []


def test_a_withdrawn_need_keeps_its_envelope_closed_and_tells_each_bank_alone(database: TestDatabase, town: Town) -> None:
    service.withdraw_need(town.firm[Role.FIRM_CLERK], town.need.id, "订单取消")
    for who, identity in identities(town).items():
        assert not any(traces(database, town, identity).values()), who
    own = (town.bank[Role.BANK_OFFICER].actor_id, town.bank.id, "bank")
    assert rows(database, own, "select state from bid where id = %s", town.bid.id) == [("LAPSED",)]
    assert rows(database, own, "select event from transition where subject_id = %s order by at desc limit 1", town.bid.id) == [
        ("lapse",)
    ]


def try_insert_bid(database: TestDatabase, town: Town, need: Need) -> None:
    """A draft written past the service, as the bank, by copying the bank's own."""
    officer = town.bank[Role.BANK_OFFICER]
    dsn = make_url(database.app_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "select set_config('hq.actor', %s, true), set_config('hq.org', %s, true), set_config('hq.kind', 'bank', true)",
            [str(officer.actor_id), str(town.bank.id)],
        )
        names = [
            row[0]
            for row in connection.execute(
                "select column_name from information_schema.columns where table_name = 'bid' order by ordinal_position"
            )
        ]
        fresh = {"id": "gen_random_uuid()", "state": "'DRAFT'", "submitted_at": "null", "submitted_by": "null"}
        copied = ", ".join(fresh.get(name, name) for name in names)
        if need.state == "OPEN":
            connection.execute("update bid set state = 'WITHDRAWN' where need_id = %s", [need.id])
        connection.execute(f"insert into bid ({', '.join(names)}) select {copied} from bid where need_id = %s limit 1", [need.id])


def test_the_database_itself_refuses_a_bid_after_closing(database: TestDatabase, town: Town) -> None:
    try_insert_bid(database, town, town.need)
    town = Town()
    service.close_need(town.firm[Role.FIRM_CLERK], town.need.id)
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        try_insert_bid(database, town, town.need)
    assert refused.value.diag.constraint_name == "ck_bid_before_close"


def test_the_terms_of_a_submitted_bid_cannot_be_changed_by_any_statement(database: TestDatabase, town: Town) -> None:
    own = (town.bank[Role.BANK_OFFICER].actor_id, town.bank.id, "bank")
    for change in ("annual_rate = 0.01", "amount_fen = 1", "conditions = '另加保证金'", "valid_until = '2026-01-01'"):
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            rows(database, own, f"update bid set {change} where id = %s returning id", town.bid.id)
        assert refused.value.diag.constraint_name == "ck_bid_frozen"
    with pytest.raises(psycopg.errors.CheckViolation):
        rows(database, own, "delete from bid_fee where bid_id = %s returning 1", town.bid.id)


def test_no_bank_writes_a_bid_in_the_name_of_another(database: TestDatabase, town: Town) -> None:
    rival = (town.rival[Role.BANK_OFFICER].actor_id, town.rival.id, "bank")
    assert rows(database, rival, "update bid set state = 'WITHDRAWN' where id = %s returning id", town.bid.id) == []
    with pytest.raises(psycopg.errors.CheckViolation):
        rows(
            database,
            rival,
            "insert into bid_fee (bid_id, no, org_id, seal_id, kind, amount_fen, payee, at, every_months, text) "
            "values (%s, 9, %s, %s, 'OTHER', 1, 'BANK', 'START', 1, '') returning 1",
            town.rival_bid.id,
            town.bank.id,
            town.need.seal_id,
        )


def test_a_targeted_need_is_seen_by_the_banks_it_names_and_no_other(database: TestDatabase) -> None:
    firm, bank, rival = cast.firm(), cast.bank(), cast.bank("云城银行")
    need = market_cast.open_need(firm, banks=(bank.id,))
    for someone, seen in ((bank, 1), (rival, 0)):
        identity = (someone[Role.BANK_OFFICER].actor_id, someone.id, "bank")
        assert len(rows(database, identity, "select 1 from need where id = %s", need.id)) == seen


def test_a_draft_need_is_seen_by_its_firm_alone_among_firms_and_banks(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.draft_need(firm)
    for someone, seen in ((firm, 1), (bank, 0), (cast.firm("另一家企业"), 0), (cast.centre(), 0), (cast.provider(), 0)):
        identity = (None, someone.id, someone.kind.value)
        assert len(rows(database, identity, "select 1 from need where id = %s", need.id)) == seen
