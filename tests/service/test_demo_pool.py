"""The demo's pool, through the same use cases as everybody's: every page of it has something to show."""

from __future__ import annotations

import pytest

from app.core import outbox
from app.demo import business, people, pool_scenes
from app.demo.firms import DemoFirm
from tests import cast
from tests.cast import Role
from tests.service.test_demo_bridges import rows

pytestmark = pytest.mark.usefixtures("database")


def test_the_demo_shows_an_owner_who_borrowed_and_a_guarantor_s_whole_road(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "CITY", tuple(one for one in people.CITY if one[0] not in ("data_provider", "bridge_centre")))
    staff = people.make()
    made = [cast.firm(f"演示企业{number}") for number in range(9)]
    firms = [DemoFirm(one[Role.FIRM_REPRESENTATIVE], cast.uscc_of(one), None, True) for one in made]  # type: ignore[arg-type]
    business._pool(staff)
    pool_scenes.booked(staff, firms[:4])
    pool_scenes.guaranteed(staff, firms[4:])
    outbox.drain()
    assert rows("select count(*) from booking where owner_id is not null and state = 'BOOKED'") == {(1,)}
    assert rows("select state from guarantee_contract where batch_id is null order by 1") == {("CONFIRMED",), ("STATED",)}
    assert rows("select state from claim where mode = 'GUARANTEE'") == {("RECOVERING",), ("HELD",)}
    assert rows("select paid_fen > 0 from top_up") == {(True,)} and rows("select due_fen > 0 from recovery") == {(True,)}
    assert rows("select kind, state, rows_done from pool_batch") == {("guarantee", "READY", 1)}
