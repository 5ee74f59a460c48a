"""A stress test of the pool, from the form to the answer a leader reads."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError

from app.core import outbox
from app.core.database import session, transaction
from app.core.money import WAN
from app.core.permissions import Role
from app.pool import service as pool
from app.pool.models import StoredRuleSet
from app.pool.stress_models import StressRun
from app.pool.stress_rules import Assumptions
from app.pool.stress_service import StressAsk, ask_stress, compute_stress
from tests import cast
from tests.pool_cast import City, rule_set, terms
from tests.web.visitors import visit

pytestmark = pytest.mark.service

FORM = {
    "budget": "100", "rate_A": "1", "rate_B": "2", "rate_C": "4", "rate_D": "10", "rate_E": "25", "rate_none": "30",
    "correlation": "12", "loss_mean": "60", "loss_spread": "20", "recovered": "20", "years": "400", "seed": "7", "other": "",
    "other_method": "MARGINAL",
}


def test_a_leader_asks_what_bad_years_would_cost_and_reads_it_in_plain_words(app: Flask) -> None:
    city = City()
    leader = visit(app, city.leader)
    page = leader.get("/pool/stress").get_data(as_text=True)
    assert "还没有做过压力测试" in page
    with transaction(cast.SYSTEM, read_only=True):
        edition = session().scalars(sa.select(StoredRuleSet).where(StoredRuleSet.code == "GZ-2025")).one()
    patient = pool.load_rule_set(cast.SYSTEM, rule_set("GZ-PATIENT", stop_line=Decimal(1)))
    form = {**FORM, "rule_set": str(patient.id)}
    assert "没有可以测试的对象" in leader.post("/pool/stress/new", data=form).get_data(as_text=True)
    city.booked(terms(800))
    refused = leader.post("/pool/stress/new", data={**form, "loss_mean": "95", "loss_spread": "40"}).get_data(as_text=True)
    assert "不能同时成立" in refused
    sent = leader.post("/pool/stress/new", data={**form, "other": str(edition.id)})
    assert sent.status_code == 302
    assert "正在计算" in leader.get(sent.location).get_data(as_text=True)
    outbox.drain()
    page = leader.get(sent.location).get_data(as_text=True)
    for words in (
        "资金池里 1 笔贷款", "未还本金 800", "不够用的可能", "没有银行在任何模拟年度里越过熔断线", "平均每年少支付", "30.00%",
        "分段累进",
    ):
        assert words in page, words
    with transaction(cast.SYSTEM, read_only=True):
        run = session().scalars(sa.select(StressRun)).one()
        assert run.told is not None
        patient_years, years = run.told["verdicts"]
    assert years["over"] == [pytest.approx(0.3, abs=0.08)], "under 3 % the only loan is above the line as soon as it goes bad"
    assert patient_years["over"] == [0]
    assert patient_years["loss"] == years["loss"]
    assert years["paid"]["p99"] == 0
    assert patient_years["paid"]["p99"] == 100 * WAN, "the budget is all that is paid"
    assert run.told["grades"][-1] == {"loans": 1, "open_fen": 800 * WAN}
    english = leader.get(sent.location, headers={"Accept-Language": "en"}).get_data(as_text=True)
    assert "imagined years" in english
    assert visit(app, city.bureau[Role.BUREAU_CASHIER]).get(sent.location).status_code == 200
    assert visit(app, city.bureau[Role.BUREAU_CASHIER]).post("/pool/stress/new", data=form).status_code == 403
    assert visit(app, city.officer).get(sent.location).status_code == 403


def test_an_answer_stands_and_nobody_but_the_portal_writes_one(database: object) -> None:
    city = City()
    city.booked()
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-NEXT"))
    with transaction(cast.SYSTEM, read_only=True):
        edition = session().scalars(sa.select(StoredRuleSet.id)).first()
    assert edition is not None
    run = ask_stress(city.leader, edition, StressAsk(Assumptions(), 100, 1, 10**9))
    compute_stress(cast.SYSTEM, run.id)
    done_at = compute_stress(cast.SYSTEM, run.id).done_at
    assert compute_stress(cast.SYSTEM, run.id).done_at == done_at
    change = sa.text("update stress_run set told = '{}' where id = :id")
    for ctx in (city.leader, cast.SYSTEM):
        with transaction(ctx):
            assert session().execute(change, {"id": run.id}).rowcount == 0
    invented = sa.text(
        "insert into stress_run select gen_random_uuid(), asked_by, asked_at, rule_set_id, null, null, years, seed, budget_fen, "
        "assumed, told, done_at from stress_run")
    with pytest.raises(DBAPIError), transaction(city.leader):
        session().execute(invented)
    with transaction(city.officer, read_only=True):
        assert session().scalar(sa.select(sa.func.count()).select_from(StressRun)) == 0
