"""The page of scoring runs: progress while it lasts, and one button for one person."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core import outbox
from app.core.database import session, transaction
from app.core.permissions import Role
from app.credit import run_service
from app.credit.run_models import ScoringRun
from tests import cast
from tests.credit_cast import consent, firm_with_invoices, register_model
from tests.web.visitors import visit

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]


def test_the_administrator_starts_a_run_and_watches_it_to_its_end(app: Flask) -> None:
    admin = visit(app, cast.platform()[Role.SYSTEM_ADMIN])
    assert "还没有成批评分" in admin.get("/scoring-runs").get_data(as_text=True)
    told = admin.post("/scoring-runs", follow_redirects=True).get_data(as_text=True)
    assert "还没有启用评分模型" in told
    for number in range(2):
        consent(firm_with_invoices(number, f"广州岭南第{number}机械有限公司"))
    register_model()
    outbox.drain()
    for _ in range(2):
        told = admin.post("/scoring-runs", follow_redirects=True).get_data(as_text=True)
        assert "正在重新评分" in told and "进行中" in told and "0 / 2" in told and "data-live" in told
        assert told.count("全部重新评分 ·") == 1
    outbox.drain()
    told = admin.get("/scoring-runs").get_data(as_text=True)
    assert "2 / 2" in told and "每秒" in told and "data-live" not in told
    english = admin.get("/scoring-runs", headers={"Accept-Language": "en"}).get_data(as_text=True)
    assert "firms a second" in english and "Score everybody again" in english


@pytest.mark.parametrize("role", [Role.DESK, Role.SECURITY_ADMIN])
def test_others_neither_see_nor_start_runs(app: Flask, role: Role) -> None:
    visitor = visit(app, cast.platform()[role])
    assert visitor.get("/scoring-runs").status_code == 403
    assert visitor.post("/scoring-runs").status_code == 403


def test_banks_and_firms_find_no_run_in_the_database_either() -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    with transaction(cast.SYSTEM):
        assert run_service.begin(run_service.Cause.MODEL, [firm.id]) is not None
    for ctx in (cast.bank()[Role.BANK_ADMIN], firm[Role.FIRM_REPRESENTATIVE]):
        with transaction(ctx, read_only=True):
            assert session().scalar(sa.select(sa.func.count()).select_from(ScoringRun)) == 0
