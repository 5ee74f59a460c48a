"""The demo's bridges of the last weeks, through the same use cases as everybody's: each ends where its scene says."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.core.database import session, transaction
from app.demo import bridge_scenes, business, people
from app.demo.firms import DemoFirm
from app.demo.people import SYSTEM
from tests import cast
from tests.cast import Role

pytestmark = pytest.mark.usefixtures("database")


def rows(statement: str) -> set[tuple[object, ...]]:
    with transaction(SYSTEM, read_only=True):
        return {tuple(row) for row in session().execute(text(statement))}


def test_the_demo_shows_a_settled_bridge_and_every_trouble_that_time_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "CITY", tuple(one for one in people.CITY if one[0] not in ("data_provider", "guarantor")))
    staff = people.make()
    firms = [DemoFirm(cast.firm(f"演示企业{number}")[Role.FIRM_REPRESENTATIVE], "", None, True) for number in range(5)]  # type: ignore[arg-type]
    with bridge_scenes.ago(bridge_scenes.OPENED):
        business._funds(staff)
    bridge_scenes.play(staff, firms)
    assert rows("select state, count(*) from bridge group by state") == {
        ("SETTLED", 1), ("OVERDUE", 1), ("SHORT_DRAWN", 1), ("RENEWAL_REFUSED", 1), ("OLD_REPAID", 1)}
    assert rows("select kind, state from bridge_trouble") == {
        ("OVERDUE", "OPEN"), ("SHORT_DRAWN", "OPEN"), ("RENEWAL_REFUSED", "ANSWERED"), ("DOUBLED", "ANSWERED")}
    assert rows("select count(*) from bridge_trouble where warned_at is not null and kind = 'OVERDUE'") == {(1,)}
    assert rows("select count(*) from bridge_claim where closed_at is null") == {(3,)}
    assert rows("select kind, count(*) from bridge_paper group by kind") >= {("BILL", 1), ("INVOICE", 1), ("RECEIPT", 1)}
    assert rows("select state from hop_correction") == {("CONFIRMED",)}
    assert rows("select (select count(*) from statement_row) > (select count(*) from statement_decision)") == {(True,)}
