"""Commands of the rooms: the first people of a portal, another edition of the compensation rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from app.cli import main
from app.core.database import session, transaction
from app.identity.models import Person
from app.identity.service import redeem_ticket
from app.pool.service import rule_set_on
from tests import cast
from tests.conftest import FIELD_KEY
from tests.database import TestDatabase


@pytest.fixture
def huiqiao(database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the command against the test's own database."""
    for name, value in {
        "DATABASE_URL": database.app_url, "MIGRATION_DATABASE_URL": database.owner_url, "HUIQIAO_DEMO": "1",
        "HUIQIAO_INSTANCE": str(tmp_path), "HUIQIAO_FIELD_KEYS": FIELD_KEY,
    }.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, **options: str) -> Result:
        return CliRunner().invoke(main, arguments, **options)

    return run


def test_a_new_portal_gets_its_first_security_administrator_by_a_link_and_only_once(huiqiao) -> None:
    founded = huiqiao("platform", "found", "--login", "security", "--person", "潘安")
    assert founded.exit_code == 0, founded.output
    token = founded.output.rsplit("/invitation/", 1)[1].strip()
    redeem_ticket(token, cast.PASSWORD)
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalars(select(Person.state).where(Person.login == "security")).one() == "active"
    again = huiqiao("platform", "found", "--login", "another", "--person", "潘安")
    assert again.exit_code == 1
    assert "exists already" in again.output


def test_another_edition_of_the_rule_is_a_row_that_applies_from_its_first_day(huiqiao, tmp_path: Path) -> None:
    printed = huiqiao("pool", "rules")
    edition = json.loads(printed.output)
    assert edition["booking_deadline_days"] == 30
    edition |= {"code": "GZ-2025-2", "valid_from": "2027-01-01", "booking_deadline_days": 45}
    file = tmp_path / "edition.json"
    file.write_text(json.dumps(edition), encoding="utf-8")
    assert huiqiao("pool", "rules", "--load", str(file)).exit_code == 0
    from datetime import date

    with transaction(cast.SYSTEM, read_only=True):
        before, after = rule_set_on(date(2026, 12, 31)), rule_set_on(date(2027, 1, 1))
    assert before is not None and after is not None
    assert (before.rules["booking_deadline_days"], after.rules["booking_deadline_days"]) == (30, 45)


@pytest.mark.parametrize("broken", ['{"code": "x"}', "[]", "not json", '{"code": "x", "nonsense": 1}'])
def test_an_edition_that_cannot_be_read_is_refused_in_one_sentence(huiqiao, tmp_path: Path, broken: str) -> None:
    file = tmp_path / "edition.json"
    file.write_text(broken, encoding="utf-8")
    refused = huiqiao("pool", "rules", "--load", str(file))
    assert refused.exit_code == 1
    assert "The edition was not stored" in refused.output
    assert "Traceback" not in refused.output
