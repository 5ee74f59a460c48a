"""What a page of the queue asks for fifty firms at once says the same as what is asked for each of them alone."""

from __future__ import annotations

import pytest

from app.core.context import Context
from app.core.permissions import Role
from app.credit import model_service
from app.credit.rules import Visible
from app.credit.score_counts import add_up_scores
from app.market import rank_service
from app.market.queue_views import QUEUE
from tests import cast, market_cast
from tests.conftest import TestDatabase
from tests.credit_cast import consent, current, firm_with_invoices, register_model, revoke
from tests.service.test_credit_banks import seen
from tests.service.test_market_races import owner_sql

pytestmark = pytest.mark.service

COUNTED = "select score, sum(firms) from score_count group by score having sum(firms) <> 0 order by score"
TRUTH = "select score, count(*) from credit_profile where current and state = 'scored' group by score order by score"


def place(ctx: Context, firm: cast.Cast) -> list[object]:
    return [tuple(row) for row in seen(ctx, "select percent, scored from hq_profile_place(:firms)", firms=[firm.id])]


def test_scores_are_counted_as_profiles_come_and_go_and_added_up_without_moving_a_place(database: TestDatabase) -> None:
    register_model()
    firms = [firm_with_invoices(number) for number in range(3)]
    bank = cast.bank()
    for firm in firms:
        consent(firm, None, bank)
    scores = [profile.score for firm in firms if (profile := current(firm)) is not None]
    assert len(scores) == 3 and owner_sql(database, COUNTED) == owner_sql(database, TRUTH)
    before = [place(bank[Role.BANK_OFFICER], firm) for firm in firms]
    better = [sum(other > score for other in scores if other and score) for score in scores]
    assert before == [[(max(1, -(-100 * ahead // 3)), 3)] for ahead in better]

    assert owner_sql(database, "select * from score_place") == []
    assert add_up_scores(cast.SYSTEM) >= 3 and owner_sql(database, COUNTED) == owner_sql(database, TRUTH)
    assert len(owner_sql(database, "select * from score_count")) == len(set(scores))
    assert len(owner_sql(database, "select * from score_place")) == len(set(scores))
    assert [place(bank[Role.BANK_OFFICER], firm) for firm in firms] == before
    assert add_up_scores(cast.SYSTEM) == 0, "what is added up and has not changed since is left as it is"

    revoke(firms[0])
    assert owner_sql(database, COUNTED) == owner_sql(database, TRUTH)
    counted_anew = [place(bank[Role.BANK_OFFICER], firm) for firm in firms]
    assert counted_anew != before and add_up_scores(cast.SYSTEM) > 0
    assert [place(bank[Role.BANK_OFFICER], firm) for firm in firms] == counted_anew, "looked up as it was counted"
    assert sum(int(row[1]) for row in owner_sql(database, COUNTED)) == 2
    assert place(bank[Role.BANK_OFFICER], firms[0]) == [] and place(bank[Role.BANK_OFFICER], firms[1])[0] == place(
        firms[1][Role.FIRM_CLERK], firms[1])[0]
    for sql in ("select * from score_count", "select * from score_place", "select * from hq_score_places()"):
        with pytest.raises(Exception, match="permission denied"):
            seen(bank[Role.BANK_OFFICER], sql)
    assert seen(bank[Role.BANK_OFFICER], "select hq_add_up_scores(0)")[0][0] == 0, "only the portal adds up"


def test_names_of_many_are_those_that_the_policy_shows_one_by_one(database: TestDatabase) -> None:
    market_cast.product(bank := cast.bank())
    known, unknown = cast.firm(), cast.firm("增城丰谷合作社")
    consent(known, bank)
    market_cast.open_need(unknown)
    everybody = [row[0] for row in owner_sql(database, "select id from organisation")]
    for ctx in (bank[Role.BANK_OFFICER], cast.bank("云城银行")[Role.BANK_OFFICER], known[Role.FIRM_CLERK], cast.SYSTEM,
                cast.bureau()[Role.BUREAU_LEADER], None):
        by_policy = seen(ctx, "select id, name from organisation where id = any(:ids) order by id", ids=everybody)
        assert seen(ctx, "select id, name from hq_names(:ids) order by id", ids=everybody) == by_policy
    named = [row[0] for row in seen(bank[Role.BANK_OFFICER], "select id from hq_names(:ids)", ids=everybody)]
    assert known.id in named and unknown.id not in named


def test_what_the_queue_tells_of_firms_is_what_their_names_and_profiles_tell_apart(database: TestDatabase) -> None:
    register_model()
    bank, stranger = cast.bank(), cast.bank("云城银行")
    open_, closed = firm_with_invoices(1), firm_with_invoices(2)
    consent(open_, None, bank)
    consent(closed, None)
    known = cast.firm("增城丰谷合作社")
    consent(known, bank)
    everybody = [row[0] for row in owner_sql(database, "select id from organisation where kind = 'enterprise'")]
    apart = (
        "select w.id, coalesce(n.name, ''), p.firm_id is not null, p.percent, p.grade, p.score, p.state, p.partial, p.visible, "
        "coalesce(p.synthetic, false), p.consented from unnest(cast(:ids as uuid[])) w(id) "
        "left join hq_names(:ids) n on n.id = w.id left join hq_profile_cards(:ids) p on p.firm_id = w.id order by w.id"
    )
    together = "select * from hq_queue_firms(:ids) order by id"
    for ctx in (bank[Role.BANK_OFFICER], stranger[Role.BANK_OFFICER]):
        assert seen(ctx, together, ids=everybody) == seen(ctx, apart, ids=everybody)
    told = {row[0]: row for row in seen(bank[Role.BANK_OFFICER], together, ids=everybody)}
    assert told[open_.id][1] and told[open_.id].consented and told[open_.id].percent
    assert not told[closed.id][1] and not told[closed.id].consented and told[closed.id].known
    assert told[known.id][1] and not told[known.id].known
    for blind in (cast.SYSTEM, open_[Role.FIRM_CLERK], None):
        assert seen(blind, together, ids=everybody) == []


def test_a_row_of_the_queue_tells_the_score_of_the_firm_and_not_that_of_the_match(database: TestDatabase) -> None:
    register_model()
    model_service.set_visible(cast.SYSTEM, Visible.SCORE)
    bank, firm = cast.bank(), firm_with_invoices()
    market_cast.product(bank)
    consent(firm, None, bank)
    market_cast.open_need(firm)
    rank_service.rank_bank(cast.SYSTEM, bank.id)
    profile = current(firm)
    assert profile is not None and profile.score is not None
    row = QUEUE.load_export(bank[Role.BANK_OFFICER], {"f": "1"})[0]
    assert row.profile is not None and row.profile.score == profile.score != row.score
