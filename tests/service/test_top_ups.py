"""A district stacks on the city up to the ceiling of the rule set, from its own money, and gets its own share back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode
from app.core.money import WAN
from app.pool import correction_service as corrections
from app.pool import decision_service as decisions
from app.pool import recovery_service as recoveries
from app.pool import service as pool
from app.pool import top_up_service as top_ups
from app.pool.claim_service import LossParts
from app.pool.models import Claim
from tests import cast
from tests.pool_cast import City, cut, rule_set, terms
from tests.service.test_claim_decisions import left, refused
from tests.web.test_loans_pages import words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def paid(city: City, claim: Claim, less: int = 0) -> Claim:
    city.at_decision(claim)
    decisions.approve_claim(city.leader, claim.id, [cut(less, "核减")] if less else [])
    return decisions.pay_claim(city.cashier, claim.id, f"付-{claim.id.hex[-6:]}", today())


def test_a_district_adds_its_share_up_to_the_ceiling_and_gets_its_part_of_recoveries(app: Flask) -> None:
    city = City()
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CALM", stop_line=Decimal(1), publicity_days=0))
    loss = city.booked(terms(300), days_ago=20)
    city.repay(loss, 100, days_ago=5)
    nine = paid(city, city.claimed(loss))
    assert refused(top_ups.record_top_up, city.cashier, nine.id, "区-1", today()) is ErrorCode.TOP_UP_NOTHING
    district = loss.snapshot["district"]
    made = top_ups.register_district(
        city.leader, district, "某区叠加补偿办法", "区〔2026〕1号", Decimal("0.10"), date(2025, 10, 1), date(2028, 9, 30))
    assert made.ratio == Decimal("0.10")
    with transaction(cast.SYSTEM, read_only=True):
        facts = session().scalar(text("select facts from audit_event where action = 'pool.district'"))
    assert facts["shares"] == {"bank": "0.10"}, "a share that a district does not give is no share"

    # Worked example 9: loss 200万, city 80万, district 20万; the bank keeps 100万.
    budget = left()
    done = top_ups.record_top_up(city.cashier, nine.id, "区-1", today())
    assert (nine.net_principal_loss_fen, nine.paid_fen, done.paid_fen) == (200 * WAN, 80 * WAN, 20 * WAN)
    assert left() == budget, "the district's money is not the city's"
    assert refused(top_ups.record_top_up, city.cashier, nine.id, "区-2", today()) is ErrorCode.ALREADY_DONE
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(text("select sum(credits_posted_fen - debits_posted_fen) from ledger_account")) == 0

    # Each payer gets its share of a recovery: (90 − 10) of 200 is 40 %, of 80万 and of 20万.
    back = recoveries.report_recovery(city.officer, nine.id, today(), 90 * WAN, 10 * WAN, "执行款")
    with transaction(cast.SYSTEM, read_only=True):
        claim = session().get_one(Claim, nine.id)
        assert (back.due_fen, top_ups.district_share(claim, done)) == (32 * WAN, 8 * WAN)

    # The ceiling: at most 80 % of the loss from all public sources together.
    capped = city.claimed(city.booked(terms(200)), LossParts(other_public_fen=70 * WAN))
    assert capped.compensation_fen == 80 * WAN
    capped = paid(city, capped)
    assert top_ups.record_top_up(city.cashier, capped.id, "区-3", today()).paid_fen == 10 * WAN, "80 % of 200万, 150万 are taken"
    full = paid(city, city.claimed(city.booked(terms(200)), LossParts(other_public_fen=80 * WAN)))
    assert refused(top_ups.record_top_up, city.cashier, full.id, "区-4", today()) is ErrorCode.TOP_UP_NOTHING
    with pytest.raises(IntegrityError) as broken, transaction(cast.SYSTEM):
        session().execute(text(
            "insert into top_up select gen_random_uuid(), :claim, case_id, org_id, pool_id, 99 * 1000000, 99 * 1000000, working, "
            "'区-5', paid_on, recorded_by, now() from top_up where claim_id = :other"), {"claim": full.id, "other": capped.id})
    assert broken.value.orig.diag.constraint_name == "ck_top_up_within_loss"  # type: ignore[union-attr]

    # What the city's part is corrected to counts: loss 100万 after all, so city 40万 and district 10万; decided first.
    wrong = paid(city, city.claimed(city.booked(terms(200))))
    less = corrections.propose_correction(
        city.auditor, wrong.id, corrections.Facts(100 * WAN, False, False, False, 0), "损失多报")
    assert refused(top_ups.record_top_up, city.cashier, wrong.id, "区-6", today()) is ErrorCode.CORRECTION_OPEN
    corrections.decide_correction(city.leader, less.id, "confirm", "属实")
    with pytest.raises(IntegrityError), transaction(cast.SYSTEM):
        session().execute(text(
            "insert into top_up select gen_random_uuid(), :claim, :case, org_id, pool_id, 61 * 1000000, 61 * 1000000, working, "
            "'区-7', paid_on, recorded_by, now() from top_up where claim_id = :other"),
            {"claim": wrong.id, "case": wrong.case_id, "other": capped.id})
    assert top_ups.record_top_up(city.cashier, wrong.id, "区-6", today()).paid_fen == 10 * WAN

    page = words(visit(app, city.officer).get(f"/claims/{nine.id}"))
    assert "某区叠加补偿办法" in page and "追偿所得中属于区级的" in page and "100 万元" in page
    leader = visit(app, city.leader)
    assert "区〔2026〕1号" in leader.get("/pool/districts").get_data(as_text=True)
    form = {"district": district, "name": "新办法", "document_no": "区〔2027〕1号", "ratio": "5", "valid_from": "2027-01-01",
            "valid_to": "2028-01-01"}
    assert "新办法" in leader.post("/pool/districts/new", data=form, follow_redirects=True).get_data(as_text=True)
    assert visit(app, city.cashier).get("/pool/districts/new").status_code == 403
