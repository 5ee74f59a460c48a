"""What lenders may know of a firm's profile: by consent, by the switch, proved in SQL as the portal's login role."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import outbox
from app.core.cases import join_case, open_case
from app.core.context import Context
from app.core.database import engine, identify, session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.permissions import Permission, Role
from app.core.use_case import reading
from app.credit import look_service, model_service, queries
from app.credit.models import CreditProfile, FeatureList
from app.credit.rules import ProfileState, Visible
from app.evidence import service as evidence
from app.evidence.models import EvidenceLook
from app.evidence.rules import Purpose
from tests import cast
from tests.credit_cast import city, consent, current, deliver, firm_with_invoices, register_model, revoke

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]

SWITCH = list(Visible)


def seen(ctx: Context | None, sql: str, **values: object) -> list[sa.Row[tuple[object, ...]]]:
    """What a statement finds as the portal's login role, under an identity or under none."""
    with Session(engine()) as db:
        if ctx is not None:
            identify(db, ctx)
        return list(db.execute(sa.text(sql), values).all())


def profiles_seen(ctx: Context | None) -> set[UUID]:
    return {row[0] for row in seen(ctx, "select firm_id from credit_profile")}  # type: ignore[misc]


def told(ctx: Context | None, firm: cast.Cast) -> list[sa.Row[tuple[object, ...]]]:
    """What the database gives a lender that looks at a firm."""
    return seen(ctx, "select * from hq_profile_shown(:firm)", firm=firm.id)


def placed(ctx: Context, firm: cast.Cast) -> bool:
    """Whether the database tells the firm's place, grade and score to whoever asks."""
    card = seen(ctx, "select 1 from hq_profile_cards(:firms) where num_nonnulls(percent, grade, score) > 0", firms=[firm.id])
    place = seen(ctx, "select * from hq_profile_place(:firms)", firms=[firm.id])
    assert len(card) == len(place)
    return bool(place)


def test_the_table_of_profiles_is_read_by_the_firm_and_by_no_bank() -> None:
    register_model()
    firm, other = firm_with_invoices(0), firm_with_invoices(1)
    named, unnamed, bureau = cast.bank("珠岸银行"), cast.bank("越秀农商银行"), cast.bureau()
    consent(firm, None, named)
    consent(other, None)
    assert profiles_seen(firm[Role.FIRM_CLERK]) == {firm.id} and profiles_seen(other[Role.FIRM_CLERK]) == {other.id}
    platform, provider = cast.platform()[Role.DESK], cast.provider()[Role.PROVIDER_CLERK]
    for ctx in (named[Role.BANK_OFFICER], unnamed[Role.BANK_OFFICER], bureau[Role.BUREAU_LEADER], platform, provider, None):
        assert profiles_seen(ctx) == set()
    assert len(told(named[Role.BANK_OFFICER], firm)) == 1 and told(named[Role.BANK_OFFICER], other) == []
    for ctx in (unnamed[Role.BANK_OFFICER], bureau[Role.BUREAU_LEADER], platform, provider, firm[Role.FIRM_CLERK], None):
        assert told(ctx, firm) == [], "the door for lenders opens to the named lender alone"


@pytest.mark.parametrize("visible", SWITCH)
def test_the_database_gives_a_named_bank_what_switch_and_consent_allow_and_no_more(visible: Visible) -> None:
    register_model()
    firm, bank = firm_with_invoices(), cast.bank()
    consent(firm, None, bank)
    model_service.set_visible(cast.SYSTEM, visible)
    standing = current(firm)
    row, = told(bank[Role.BANK_OFFICER], firm)
    assert standing is not None and row.id == standing.id
    assert row.grade == (standing.grade if visible is not Visible.RANK else None)
    assert row.score == (standing.score if visible is Visible.SCORE else None)
    grounds = dict(zip(standing.listed.names, standing.listed.grounds or [], strict=True)) if standing.listed else {}
    readable = {"invoices", *(code for (code,) in seen(cast.SYSTEM, "select code from data_item where not consent_needed"))}
    open_to_it = [one for one in standing.reasons if set(grounds[one["feature"]].split()) <= readable]
    assert row.reasons == [{
        "feature": one["feature"], "value": one["value"], "up": one["points"] > 0,
        "points": one["points"] if visible is Visible.SCORE else None,
    } for one in open_to_it]
    assert row.untold == len(standing.reasons) - len(open_to_it) and 0 < len(open_to_it) < len(standing.reasons)
    assert "invoices" in row.coverage and set(row.coverage) <= readable
    hidden = {"account", "snapshot", "probability", "pd_low", "pd_high", "points", "digest", "consent_ids"}
    assert not hidden & set(row._mapping)


def test_reasons_whose_ground_nobody_wrote_down_are_not_told() -> None:
    register_model()
    firm, bank = firm_with_invoices(), cast.bank()
    consent(firm, None, bank)
    standing = current(firm)
    assert standing is not None
    with transaction(cast.SYSTEM):  # a profile of before, whose list says nothing of sources
        old = {"sha": bytes(32), "names": sa.select(FeatureList.names).scalar_subquery()}
        session().execute(sa.insert(FeatureList).values(old))
        values = {column.name: getattr(standing, column.name) for column in CreditProfile.__table__.columns}
        session().execute(sa.text("update credit_profile set current = false"))
        session().execute(sa.insert(CreditProfile).values(values | {"id": new_id(), "feature_list": bytes(32)}))
    row, = told(bank[Role.BANK_OFFICER], firm)
    assert row.reasons == [] and row.untold == len(standing.reasons) > 0


def test_a_consent_for_a_case_opens_the_profile_in_that_case_alone() -> None:
    register_model()
    firm, bank = firm_with_invoices(), cast.bank()
    with transaction(cast.SYSTEM):
        case, another = open_case("need", firm.id, "流动资金"), open_case("need", firm.id, "设备")
        join_case(case.id, bank.id)
    consent(firm)
    evidence.give_consent(firm[Role.FIRM_REPRESENTATIVE], ["invoices"], [bank.id], purpose=Purpose.CASE, case_id=case.id)
    officer = bank[Role.BANK_OFFICER]
    assert placed(officer, firm), "beside its need the firm stands in the list"
    for named, rows in ((None, 0), (another.id, 0), (case.id, 1)):
        with Session(engine()) as db:
            identify(db, officer)
            db.execute(sa.text("select set_config('hq.case', :case, true)"), {"case": str(named or "")})
            assert len(db.execute(sa.text("select * from hq_profile_shown(:firm)"), {"firm": firm.id}).all()) == rows


def test_revoking_a_consent_closes_the_profile_to_that_bank_at_once() -> None:
    register_model()
    firm, bank, second = firm_with_invoices(), cast.bank("珠岸银行"), cast.bank("越秀农商银行")
    consent(firm, None, bank, second)
    officer, other = bank[Role.BANK_OFFICER], second[Role.BANK_OFFICER]
    assert told(officer, firm) and placed(officer, firm)
    revoke(firm, bank, run_jobs=False)
    assert told(officer, firm) == [] and not placed(officer, firm)
    assert told(other, firm) and placed(other, firm)
    revoke(firm, run_jobs=False)
    assert told(other, firm) == [] and not placed(other, firm), "the score rests on the consent to the portal"
    outbox.drain()
    standing = current(firm)
    assert standing is not None and standing.state == ProfileState.NO_CONSENT.value
    with pytest.raises(Refusal) as refused:
        look_service.bank_profile(other, firm.id)
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_a_bank_reads_what_stands_and_a_firm_its_history() -> None:
    register_model()
    firm, bank = firm_with_invoices(), cast.bank()
    consent(firm)
    deliver(firm, city()[4].lines)
    consent(firm, None, bank)
    standing = current(firm)
    assert standing is not None and [row.id for row in told(bank[Role.BANK_OFFICER], firm)] == [standing.id]
    with reading(bank[Role.BANK_OFFICER], Permission.PROFILE_LOOK):
        assert queries.profile_history(firm.id) == []
    with reading(firm[Role.FIRM_CLERK], Permission.PROFILE_READ):
        assert len(queries.profile_history(firm.id)) == 2


def test_a_firm_that_the_desk_has_not_verified_sees_nothing_yet() -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    with transaction(cast.SYSTEM):
        session().execute(sa.text("update enterprise set state = 'unverified', verified_at = null"))
    assert profiles_seen(firm[Role.FIRM_REPRESENTATIVE]) == set()


WRITES = {
    "credit_profile": ("update credit_profile set current = false", "delete from credit_profile"),
    "scoring_model": ("update scoring_model set state = 'retired'", "update scoring_model set metrics = '{}'",
                      "delete from scoring_model"),
    "credit_policy": ("update credit_policy set visible = 'score'", "delete from credit_policy",
                      "insert into credit_policy select gen_random_uuid(), now(), 'score'"),
    "credit_horizon": ("update credit_horizon set known_until = '2030-01-01'", "delete from credit_horizon"),
}


@pytest.mark.parametrize("table", WRITES)
def test_nobody_but_the_portal_writes_what_a_score_rests_on(table: str) -> None:
    register_model()
    firm, bank = firm_with_invoices(), cast.bank()
    consent(firm, None, bank)
    model_service.set_visible(cast.SYSTEM, Visible.RANK)
    # The portal's role reads no whole row of a model; its file is held by a hash of its own.
    row = "(t.state, t.metrics::text, t.sha256, md5(hq_model_file(t.id)))" if table == "scoring_model" else "t"
    everything = f"select md5(string_agg({row}::text, '' order by {row}::text)), count(*) from {table} t"
    before = seen(cast.SYSTEM, everything)
    assert before[0][1] == 1
    for ctx in (firm[Role.FIRM_REPRESENTATIVE], bank[Role.BANK_APPROVER], cast.platform()[Role.SYSTEM_ADMIN], None):
        for statement in WRITES[table]:
            with suppress(sa.exc.DBAPIError), Session(engine()) as db:
                if ctx is not None:
                    identify(db, ctx)
                db.execute(sa.text(statement))
                db.commit()
    assert seen(cast.SYSTEM, everything) == before


def test_without_a_consent_a_card_tells_only_that_there_is_a_profile() -> None:
    register_model()
    firm, thin, silent = firm_with_invoices(0), cast.firm("广州从化小店"), firm_with_invoices(2)
    consent(firm)
    consent(thin)
    model_service.set_visible(cast.SYSTEM, Visible.SCORE)
    with reading(cast.bank()[Role.BANK_OFFICER], Permission.QUEUE_READ):
        cards = queries.card_profiles([firm.id, thin.id, silent.id])
    assert set(cards) == {firm.id, thin.id}
    for card in cards.values():
        assert (card.rank_percent, card.grade, card.score, card.consented) == (None, None, None, False)
    assert not cards[firm.id].insufficient and cards[thin.id].insufficient


@pytest.mark.parametrize("visible", SWITCH)
def test_a_card_shows_a_named_bank_what_the_switch_allows(visible: Visible) -> None:
    register_model()
    bank = cast.bank()
    firm = firm_with_invoices()
    consent(firm, None, bank)
    model_service.set_visible(cast.SYSTEM, visible)
    with reading(bank[Role.BANK_OFFICER], Permission.QUEUE_READ):
        card = queries.card_profiles([firm.id])[firm.id]
    assert card.consented and card.rank_percent == 1 and card.visible == visible.value and card.synthetic_model
    assert (card.grade is not None) == (visible is not Visible.RANK)
    assert (card.score is not None) == (visible is Visible.SCORE)


def test_the_switch_stands_at_rank_until_somebody_turns_it() -> None:
    with reading(cast.SYSTEM, Permission.PROFILE_COMPUTE):
        assert queries.visible_now() is Visible.RANK
    model_service.set_visible(cast.SYSTEM, Visible.SCORE)
    model_service.set_visible(cast.SYSTEM, Visible.GRADE)
    with reading(cast.bank()[Role.BANK_OFFICER], Permission.QUEUE_READ):
        assert queries.visible_now() is Visible.GRADE


@pytest.mark.parametrize("visible", SWITCH)
def test_a_look_at_a_profile_holds_nothing_that_the_switch_hides(visible: Visible) -> None:
    register_model()
    bank = cast.bank()
    firm = firm_with_invoices()
    consent(firm, None, bank)
    model_service.set_visible(cast.SYSTEM, visible)
    shown, summary = look_service.bank_profile(bank[Role.BANK_OFFICER], firm.id)
    standing = current(firm)
    assert standing is not None and summary.months
    assert shown.grade == (standing.grade if visible is not Visible.RANK else None)
    assert shown.score == (standing.score if visible is Visible.SCORE else None)
    if visible is Visible.RANK:
        words = repr(shown)
        assert standing.grade is not None and f"grade='{standing.grade}'" not in words
        assert f"score={standing.score}" not in words


def test_every_look_is_recorded_the_refused_one_too() -> None:
    register_model()
    firm, named, unnamed = firm_with_invoices(), cast.bank("珠岸银行"), cast.bank("越秀农商银行")
    consent(firm, None, named)
    look_service.bank_profile(named[Role.BANK_OFFICER], firm.id)
    with pytest.raises(Refusal) as refused:
        look_service.bank_profile(unnamed[Role.BANK_OFFICER], firm.id)
    assert refused.value.code is ErrorCode.NOT_FOUND, "a bank that does not know the firm learns nothing"
    with reading(firm[Role.FIRM_CLERK], Permission.EVIDENCE_READ) as db:
        looks = db.execute(sa.select(EvidenceLook.org_id, EvidenceLook.result)).all()
    assert {tuple(row) for row in looks} == {(named.id, "shown"), (unnamed.id, "refused")}


def test_a_bank_that_knows_the_firm_from_a_case_is_told_that_the_consent_lacks() -> None:
    firm, bank = firm_with_invoices(), cast.bank()
    with transaction(cast.SYSTEM):
        case = open_case("need", firm.id, "流动资金")
        join_case(case.id, bank.id)
    with pytest.raises(Refusal) as refused:
        look_service.bank_profile(bank[Role.BANK_OFFICER], firm.id, case.id)
    assert refused.value.code is ErrorCode.CONSENT_MISSING


def test_an_administrator_of_a_bank_does_not_look_at_firms() -> None:
    firm, bank = cast.firm(), cast.bank()
    with pytest.raises(Refusal) as refused:
        look_service.bank_profile(bank[Role.BANK_ADMIN], firm.id)
    assert refused.value.code is ErrorCode.FORBIDDEN


def test_the_place_counts_every_scored_firm_and_tells_no_other_firms_score() -> None:
    register_model()
    firms = [firm_with_invoices(number) for number in range(4)]
    for firm in firms:
        consent(firm)
    scores = {firm.id: (current(firm).score or 0) for firm in firms}  # type: ignore[union-attr]
    for firm in firms:
        with reading(firm[Role.FIRM_CLERK], Permission.PROFILE_READ):
            place = queries.place_of(firm.id)
            others = queries.place_of(next(one.id for one in firms if one.id != firm.id))
        assert place is not None and place.scored == 4
        assert place.percent == -(-100 * sum(score > scores[firm.id] for score in scores.values()) // 4) or place.percent == 1
        assert others is None


def test_a_rank_is_told_in_whole_per_cent_rounded_up() -> None:
    for better, scored, percent in ((0, 1, 1), (0, 200, 1), (1, 200, 1), (3, 200, 2), (199, 200, 100)):
        assert seen(None, "select hq_rank_percent(:better, :scored)", better=better, scored=scored) == [(percent,)]


def test_the_station_of_the_line_is_told_to_the_city_without_the_profile() -> None:
    register_model()
    firm, bank = firm_with_invoices(), cast.bank()
    consent(firm)
    with reading(cast.bureau()[Role.BUREAU_AUDITOR], Permission.CASE_READ):
        assert queries.profile_since(firm.id) is not None
        assert queries.current_profile(firm.id) is None
    with reading(bank[Role.BANK_OFFICER], Permission.CASE_READ):
        assert queries.profile_since(firm.id) is None
