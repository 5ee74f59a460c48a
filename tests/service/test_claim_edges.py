"""Edges of a claim in time: a bank that left, an edition that expired, a list that ended (risk-compensation paper §8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine

from app.core.calendar import now, today
from app.core.errors import ErrorCode
from app.core.money import WAN
from app.pool import claim_service as claims
from app.pool import service as pool
from app.pool.claim_service import LossParts
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import EVIDENCE, City, rule_set, terms
from tests.service.test_claim_decisions import refused

pytestmark = pytest.mark.service


def test_a_bank_that_left_and_an_edition_that_expired_are_claimed_under_as_the_edition_says(database: TestDatabase) -> None:
    city = City()
    strict = rule_set(
        "GZ-STRICT", stop_line=Decimal(1), left_bank_may_claim=False, valid_to=today() + timedelta(days=10),
        claim_after_expiry_days=30)
    pool.load_rule_set(cast.SYSTEM, strict)
    listed = replace(EVIDENCE, on_key_list=True, key_list_version="2026 年第一批")
    stays = city.booked(terms(300), listed)
    city.gone_bad(stays)
    first, city.bank = city.bank, cast.bank("退出银行")
    city.sign(city.bank, "协议-2", last=today() - timedelta(days=1))
    left = city.booked(terms(300), days_ago=5)
    city.gone_bad(left)
    assert refused(claims.prepare_claim, city.officer, left.id, LossParts()) is ErrorCode.NOT_PARTNER

    # Under an edition that lets it, the same bank's earlier loan is claimed though its agreement has ended.
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-MILD", stop_line=Decimal(1), valid_from=date(2025, 10, 3)))
    other = city.booked(terms(300), days_ago=5)
    assert city.claimed(other).compensation_fen == 120 * WAN

    # Thirty days after its last day the expired edition is claimed under for the last time; the list counts as at drawdown.
    city.bank = first
    with time_machine.travel(now() + timedelta(days=41), tick=False):
        assert refused(claims.prepare_claim, city.officer, stays.id, LossParts()) is ErrorCode.CLAIM_TOO_LATE
    with time_machine.travel(now() + timedelta(days=40), tick=False):
        assert claims.prepare_claim(city.officer, stays.id, LossParts()).compensation_fen == 150 * WAN
