"""The demo city: what the README sends its readers to see is there, made by the demo's own builders through the use cases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from typing import cast as typed

import pytest

from app.core.permissions import Role
from app.demo import accounts, business, people
from app.demo.firms import DemoFirm
from scoring.synthetic import SyntheticFirm
from tests import cast
from tests.database import TestDatabase
from tests.seal_tools import owner_sql

pytestmark = pytest.mark.service

FIRMS = 42
"""As many small firms as the scenes need; the demo draws a hundred and takes these among them."""


def small_city() -> list[DemoFirm]:
    """Verified firms without data and profiles; some of those that borrowed earlier have failed."""
    made = [cast.firm(f"演示企业{number:02d}") for number in range(FIRMS)]
    return [
        DemoFirm(firm[Role.FIRM_REPRESENTATIVE], cast.uscc_of(firm), _drawn(number % 7 == 6), small=True)
        for number, firm in enumerate(made)
    ]


def _drawn(defaulted: bool) -> SyntheticFirm:
    """All that the scenes ask of what the generator drew."""
    return typed(SyntheticFirm, SimpleNamespace(defaulted=defaulted))


PROMISED = {
    "three offers lie open before the first firm":
        "select count(*) = 3 from bid b join need n on n.id = b.need_id where n.org_id = %(firm)s and n.state = 'CLOSED' "
        "and b.state = 'OPENED'",
    "two banks together reach an amount, one by a free plan":
        "select count(*) = 2 and bool_or(b.method = 'FREE') from choice c join bid b on b.id = c.bid_id "
        "join need n on n.id = c.need_id where n.org_id = %(firm)s and n.allows_parts and c.state = 'LIVE'",
    "a refusal is appealed and two banks look again, one has said something":
        "select (select count(*) from appeal where state = 'OPEN') = 1 and (select count(*) from consultation_opinion o "
        "join consultation c on c.id = o.consultation_id where c.state = 'SITTING') = 1",
    "a matching round is shown with its proposals":
        "select count(*) > 0 from matching_pair p join matching_round r on r.id = p.round_id where r.state = 'SHOWN'",
    "open needs are in the queue, each bank has bid on one":
        "select (select count(*) from need where state = 'OPEN') >= 9 and "
        "(select count(distinct org_id) from bid where state = 'SUBMITTED') = 3",
    "a bid waits for the approver whom the README names":
        "select count(*) = 1 from bid where state = 'PROPOSED' and org_id = %(bank)s",
    "the desk has a licence and a need to look at, and has sent one back":
        "select (select count(*) from enterprise where state = 'unverified' and licence_sha256 is not null) = 1 and "
        "(select array_agg(state order by state) from need where state in ('CHECKING', 'RETURNED')) = '{CHECKING,RETURNED}'",
    "promises stand at every stage":
        "select array_agg(distinct state) @> '{APPROVED,KEPT,LIVE}' from choice",
    "a choice stands still while another bank may object":
        "select count(*) > 0 from award a join bid b on b.need_id = a.need_id "
        "where a.state = 'STANDSTILL' and b.state = 'OPENED'",
    "claims lie on several desks, one under the stop line, one of a guarantor":
        "select array_agg(distinct c.state) @> '{DECISION,HELD,SUBMITTED}' and bool_or(o.kind = 'guarantor') "
        "from claim c join organisation o on o.id = c.org_id",
    "a guarantor's contracts are confirmed":
        "select count(*) >= 2 from guarantee_contract where state = 'CONFIRMED'",
    "a loan of the first firm falls due, and banks were asked for renewal before any bridge":
        "select (select count(*) from loan where firm_id = %(firm)s and state = 'DRAWN' and due_on < current_date + 60) = 1 and "
        "(select count(*) from renewal_ask where state = 'REFUSED') >= 5",
    "bridges are on every stretch from application to payout, and have ended in every way":
        "select array_agg(distinct state) @> '{APPLIED,APPROVED,FUNDED,PARTNER_OFFERED,OLD_REPAID,SETTLED,OVERDUE,SHORT_DRAWN,"
        "RENEWAL_REFUSED}' from bridge",
    "what went wrong with bridges is asked and answered, and claims are named":
        "select (select array_agg(kind || ' ' || state order by kind) @> "
        "'{DOUBLED ANSWERED,OVERDUE OPEN,RENEWAL_REFUSED ANSWERED,SHORT_DRAWN OPEN}' from bridge_trouble) and "
        "(select count(*) from bridge_claim where closed_at is null) = 3 and "
        "(select count(*) from bridge_trouble where warned_at is not null and kind = 'OVERDUE') = 1",
    "a bridge is billed, a hop corrected, a statement matched but for some rows":
        "select (select array_agg(distinct kind) @> '{BILL,INVOICE,RECEIPT}' from bridge_paper) and "
        "(select array_agg(state) = '{CONFIRMED}' from hop_correction) and "
        "(select count(*) from statement_row) > (select count(*) from statement_decision)",
    "an owner has borrowed, a guarantor's claim is paid, topped up and recovered, a file of contracts waits":
        "select (select count(*) from booking where owner_id is not null and state = 'BOOKED') = 1 and "
        "(select array_agg(distinct state) @> '{RECOVERING,HELD}' from claim where mode = 'GUARANTEE') and "
        "(select bool_and(paid_fen > 0) from top_up) and (select bool_or(due_fen > 0) from recovery) and "
        "(select array_agg(kind || ' ' || state) @> '{guarantee READY}' from pool_batch)",
}
"""Rows of the README's table "What to look at first", each as what the database then holds."""


def test_every_scene_that_the_readme_promises_is_in_the_city(database: TestDatabase) -> None:
    staff, city = people.make(), small_city()
    assert {account.login for account in accounts()} - set(staff) == {"firm.boss", "firm.clerk"}
    business.make(staff, city)
    who = {"firm": city[0].boss.org_id, "bank": staff["zhuan.approver"].org_id}
    missing = [scene for scene, holds in PROMISED.items() if owner_sql(database, _filled(holds, who)) != [(True,)]]
    assert not missing


def _filled(statement: str, who: dict[str, Any]) -> str:
    return statement % {name: f"'{value}'" for name, value in who.items()}
