"""What a need must say and how long its steps take: pure rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.core.money import WAN
from app.market import need_rules
from app.market.need_rules import NeedTerms, check_need

COMPLETE = NeedTerms(300 * WAN, 12, "PURCHASE", "", "CREDIT", "ANY", "open", 0)


def test_a_complete_need_may_be_published() -> None:
    assert check_need(COMPLETE) == []


@pytest.mark.parametrize(("change", "field"), [
    ({"amount_fen": None}, "amount"), ({"amount_fen": 0}, "amount"), ({"amount_fen": -5 * WAN}, "amount"),
    ({"amount_fen": 10**15}, "amount"), ({"term_months": None}, "term_months"), ({"term_months": 0}, "term_months"),
    ({"term_months": 121}, "term_months"), ({"purpose_kind": None}, "purpose_kind"), ({"product_kind": None}, "product_kind"),
    ({"repayment": None}, "repayment"), ({"distribution": None}, "distribution"),
    ({"distribution": "targeted", "invited": 0}, "invited"), ({"distribution": "targeted", "invited": 6}, "invited"),
])  # fmt: skip
def test_what_is_missing_or_absurd_is_named_at_its_field(change: dict[str, object], field: str) -> None:
    assert [problem.field for problem in check_need(replace(COMPLETE, **change))] == [field]  # type: ignore[arg-type]


def test_the_windows_are_counted_in_working_days_and_end_at_six_in_shanghai() -> None:
    friday = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    assert need_rules.bids_close_at(friday) == datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
    assert need_rules.bids_close_at_latest(friday) == datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
    assert need_rules.choice_asked_by(friday) == datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
    assert need_rules.choice_ends_at(friday) == datetime(2026, 12, 4, 10, 0, tzinfo=UTC)
