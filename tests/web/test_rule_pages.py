"""Editions of the rule: drafted by one, tried on last year's loans, put in force by another."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError
from werkzeug.datastructures import MultiDict

from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role
from app.pool import rule_service
from app.pool import service as pool
from app.pool.claim_service import LossParts, submit_claim
from app.pool.models import StoredRuleSet
from app.pool.rule_fields import differences, grouped
from app.pool.rule_forms import RuleForm
from app.pool.rules import RULE_2025, Mode, RatioFacts, RuleSet, compensation
from app.pool.ruleset import RULE_2020, Tier
from tests import cast
from tests.pool_cast import City, ballast, rule_set, terms
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def typed(app: Flask, rules: RuleSet, **changes: Any) -> MultiDict[str, str]:
    """The form as the page fills it in, with some fields typed over."""
    with app.test_request_context():
        form = RuleForm(rules, meta={"csrf": False})
        given: list[tuple[str, str]] = []
        for field in form:
            if field.type == "CheckboxesField":
                given += [(field.name, str(one)) for one in field.data or ()]
            elif field.type == "BooleanField":
                given += [(field.name, "y")] if field.data else []
            elif field.type in ("SelectField", "TokenField", "TextAreaField"):
                given.append((field.name, field.data or ""))
            else:
                given.append((field.name, field._value()))
    return MultiDict([(name, text) for name, text in given if name not in changes] + list(changes.items()))


@pytest.mark.parametrize("rules", [
    RULE_2025, RULE_2020,
    dataclasses.replace(RULE_2025, min_term_months=3, max_annual_rate=Decimal("0.065"), borrower_cap_fen=3000 * WAN,
                        excluded_industries=(), recovery_reminder_days=(10, 40), tiers=(Tier(200 * WAN, Decimal("0.4125")),)),
], ids=["2025", "2020", "other"])
def test_the_form_gives_back_every_parameter_it_was_filled_with(app: Flask, rules: RuleSet) -> None:
    with app.test_request_context(method="POST", data=typed(app, rules, reason="核对")):
        form = RuleForm(RULE_2025, meta={"csrf": False})
        assert form.validate(), form.errors
        assert form.rules() == rules


def test_every_parameter_has_a_name_and_is_told_in_words(app: Flask) -> None:
    with app.test_request_context():
        told = {name: text for _, rows in grouped(RULE_2025) for name, _, text in rows}
        assert set(told) == {field.name for field in dataclasses.fields(RuleSet)}
        assert told["tiers"] == "不超过 500 万元：40.00%、不超过 1,500 万元：30.00%、不超过 3,000 万元：20.00%"
        assert told["max_annual_rate"] == "不限"
        assert told["left_bank_may_claim"] == "是"
        assert told["sizes"] == "小型企业、微型企业"
        other = dataclasses.replace(RULE_2025, stop_line=Decimal("0.05"))
        assert [row[1:] for row in differences(RULE_2025, other)] == [("3.00%", "5.00%")]


def test_the_rule_of_2020_is_a_row_that_gives_half_up_to_ten_million(app: Flask) -> None:
    with transaction(cast.SYSTEM, read_only=True):
        stored = {one.code: one for one in session().scalars(sa.select(StoredRuleSet))}
        assert RuleSet.from_json(stored["GZ-2020"].rules) == RULE_2020
        in_force = pool.rule_set_on(date(2024, 3, 1))
        assert in_force is not None and in_force.code == "GZ-2020"
    assert compensation(RatioFacts(Mode.BANK, 300 * WAN, on_key_list=True), 180 * WAN, RULE_2020).amount_fen == 90 * WAN
    assert compensation(RatioFacts(Mode.BANK, 1001 * WAN), 180 * WAN, RULE_2020).amount_fen == 0
    page = visit(app, cast.bank()[Role.BANK_OFFICER]).get(f"/pool/rules/{stored['GZ-2020'].id}").get_data(as_text=True)
    assert "没有逐条核对" in page and "不超过 1,000 万元：50.00%" in page


def test_an_edition_is_drafted_tried_and_put_in_force_by_two_people(app: Flask) -> None:
    city = City()
    claim = city.claimed(city.booked(terms(800)), LossParts(collateral_fen=300 * WAN))
    submit_claim(city.approver, claim.id)
    ballast(city)
    auditor, leader = visit(app, city.auditor), visit(app, city.leader)
    assert "起草新的一版" in auditor.get("/pool/rules").get_data(as_text=True)
    english = auditor.get("/pool/rules", headers={"Accept-Language": "en"}).get_data(as_text=True)
    assert "not read" in english and "未读到这一条" not in english, "where a number comes from, in the reader's language"
    with transaction(cast.SYSTEM, read_only=True):
        base = session().scalars(sa.select(StoredRuleSet).where(StoredRuleSet.code == "GZ-2025")).one()
    address = f"/pool/rules/{base.id}/next"
    assert "第 3 档" in auditor.get(address).get_data(as_text=True)

    wrong = typed(app, RULE_2025, code="GZ-2027", reason="提高小额贷款的比例", tier_2_up_to="")
    assert "互相矛盾" in auditor.post(address, data=wrong).get_data(as_text=True)
    wrong = typed(app, RULE_2025, code="GZ-2027", reason="", tier_1_ratio="45")
    assert "请写明为什么这样改" in auditor.post(address, data=wrong).get_data(as_text=True)
    wrong = typed(app, RULE_2025, reason="x", stop_line="4")
    assert "这个版本代号已经用过" in auditor.post(address, data=wrong).get_data(as_text=True)
    wrong = typed(app, RULE_2025, reason="x")
    assert "没有什么可提出的" in auditor.post(address, data=wrong).get_data(as_text=True)

    draft = typed(app, RULE_2025, code="GZ-2027", reason="提高中额贷款的比例", tier_2_ratio="35", max_loan_fen="2000",
                  valid_from=today().isoformat())
    tried = auditor.post(address, data={**draft.to_dict(flat=False), "event": "try"}).get_data(as_text=True)
    for words in ("改了什么", "35.00%", "按这一版重算过去一年", "150 万元", "175 万元", "25 万元", "贷款金额 1"):
        assert words in tried, words
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(sa.text("select count(*) from rule_proposal")) == 0, "trying proposes nothing"

    sent = auditor.post(address, data=draft)
    assert sent.status_code == 302
    again = {**draft.to_dict(flat=False), "code": "GZ-2028", "idempotency_token": ""}
    assert "已有一版参数在等待决定" in auditor.post(address, data=again).get_data(as_text=True)
    page = auditor.get(sent.location).get_data(as_text=True)
    assert "待另一人决定" in page and 'value="confirm"' not in page and 'value="withdraw"' in page
    auditor.post(sent.location, data={"event": "confirm", "reason": "自己同意"})
    assert "决定新的一版办法参数" in leader.get("/").get_data(as_text=True)
    assert 'value="confirm"' in leader.get(sent.location).get_data(as_text=True)
    told = leader.post(sent.location, data={"event": "confirm", "reason": "经局务会同意"}, follow_redirects=True)
    assert "已成为正式一版" in told.get_data(as_text=True)
    with transaction(cast.SYSTEM, read_only=True):
        now_in_force = pool.rule_set_on(today())
        assert now_in_force is not None and now_in_force.code == "GZ-2027"
        assert RuleSet.from_json(now_in_force.rules).tiers[1].ratio == Decimal("0.35")
    refused = city.booked(terms(2500))
    assert {row["code"] for row in refused.checks if not row["passed"]} == {"AMOUNT"}
    english = leader.get(sent.location, headers={"Accept-Language": "en"}).get_data(as_text=True)
    assert "What changed" in english and "Last year under this edition" in english


def test_no_single_hand_puts_an_edition_in_force(app: Flask) -> None:
    city = City()
    with transaction(cast.SYSTEM, read_only=True):
        base = session().scalars(sa.select(StoredRuleSet).where(StoredRuleSet.code == "GZ-2025")).one()
    for ctx in (city.leader, city.auditor, city.officer):
        with pytest.raises(Refusal) as refused:
            pool.load_rule_set(ctx, rule_set("GZ-MINE"))
        assert refused.value.code is ErrorCode.FORBIDDEN
        with pytest.raises(DBAPIError), transaction(ctx):
            session().execute(sa.text(
                "insert into rule_set select gen_random_uuid(), 'GZ-MINE', valid_from, valid_to, rules, document, created_at "
                "from rule_set limit 1"))
    made = rule_service.propose_rules(city.auditor, base.id, rule_set("GZ-OURS"), "试行")
    with pytest.raises(Refusal) as refused:
        rule_service.decide_rules(city.reviewer, made.id, "withdraw", "不是我的")
    assert refused.value.code is ErrorCode.FORBIDDEN
    with pytest.raises(DBAPIError, match="names who"), transaction(city.leader):
        session().execute(sa.text("update rule_proposal set state = 'CONFIRMED', decided_at = now(), decided_by = proposed_by"))
    rule_service.decide_rules(city.auditor, made.id, "withdraw", "再想想")
    with pytest.raises(Refusal) as refused:
        rule_service.decide_rules(city.leader, made.id, "confirm", "同意")
    assert refused.value.code is ErrorCode.STATE_CHANGED
    with transaction(city.officer, read_only=True):
        assert session().scalar(sa.text("select count(*) from rule_proposal")) == 0
