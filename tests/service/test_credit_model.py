"""The model is trained in a process of its own, and the command line registers, scores and turns the switch."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from app.core.database import session, transaction
from app.core.paths import ReadableError
from app.core.permissions import Permission
from app.core.settings import Settings
from app.core.use_case import reading
from app.credit import model_service, queries
from app.credit.commands import add_to, score_firms
from app.credit.models import ScoringModel
from app.credit.rules import Visible
from tests import cast
from tests.credit_cast import QUICK, consent, current, firm_with_invoices, model_file, register_model

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]


def test_training_without_real_data_says_that_the_firms_were_synthetic(settings: Settings, tmp_path: Path) -> None:
    nowhere = replace(settings, real_data=tmp_path / "nothing")
    told = model_service.train_model(nowhere, settings.model_path, city_firms=400, more=QUICK)
    assert "SYNTHETIC" in told
    model = model_service.ensure_model(cast.SYSTEM, nowhere)
    assert model.trained_on == "synthetic" and model.active
    assert "lightgbm" not in _modules_of_a_web_process()


def test_training_that_cannot_write_is_told_in_one_sentence(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    nowhere = replace(settings, real_data=tmp_path / "nothing")
    with pytest.raises(model_service.TrainingFailed, match="could not be trained"):
        model_service.train_model(nowhere, tmp_path / "folder.json", city_firms=400)


def test_an_active_model_is_left_alone(settings: Settings) -> None:
    register_model()
    assert not settings.model_path.exists()
    assert model_service.ensure_model(cast.SYSTEM, settings).active
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(sa.select(sa.func.count()).select_from(ScoringModel)) == 1


def test_a_model_file_that_lies_ready_is_registered_without_training(settings: Settings) -> None:
    ready = replace(settings, model_path=model_file())
    assert model_service.ensure_model(cast.SYSTEM, ready).sha256 == _sha256(model_file())


def test_every_firm_whose_consent_is_in_force_is_scored_by_command() -> None:
    willing, silent = firm_with_invoices(0), firm_with_invoices(1)
    consent(willing)
    with pytest.raises(ReadableError, match="credit train"):
        score_firms()
    register_model()
    assert score_firms() == (1, 1)
    assert current(willing) is not None and current(silent) is None


def test_the_command_turns_the_switch(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(settings, monkeypatch, "credit", "visible", "grade")
    assert done.exit_code == 0, done.output
    with reading(cast.SYSTEM, Permission.PROFILE_COMPUTE):
        assert queries.visible_now() is Visible.GRADE
    assert run(settings, monkeypatch, "credit", "visible", "everything").exit_code == 2


def test_the_command_scores_all_or_named_firms_and_asks_which(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    firm = firm_with_invoices()
    consent(firm)
    register_model()
    assert run(settings, monkeypatch, "credit", "score").exit_code == 2
    assert "1 of 1 firms have a score." in run(settings, monkeypatch, "credit", "score", "--all").output
    assert "1 of 1 firms have a score." in run(settings, monkeypatch, "credit", "score", "--firm", str(firm.id)).output


def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """The command on the test's database."""
    assert settings.database_url and settings.migration_database_url
    for name, value in {
        "DATABASE_URL": settings.database_url, "MIGRATION_DATABASE_URL": settings.migration_database_url,
        "HUIQIAO_SECRET_KEY": settings.secret_key, "HUIQIAO_FIELD_KEYS": settings.field_keys[0],
        "HUIQIAO_INSTANCE": str(settings.instance), "HUIQIAO_MODEL": str(settings.model_path),
    }.items():
        monkeypatch.setenv(name, value)
    group = click.Group("huiqiao")
    add_to(group, lambda _: None)  # the fixture has made database and keys ready
    return CliRunner().invoke(group, list(arguments))


def _sha256(path: Path) -> bytes:
    import hashlib

    return hashlib.sha256(path.read_bytes()).digest()


def _modules_of_a_web_process() -> set[str]:
    """What the pages of this room bring into a process that only serves pages."""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", "import sys, app.credit.views; print(*sys.modules)"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2],
    )
    return set(done.stdout.split())
