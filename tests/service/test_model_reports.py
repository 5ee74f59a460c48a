"""Trainings by the worker, and what became of loans against what had been expected of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.core import outbox
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.permissions import Role
from app.core.settings import Settings
from app.credit import disclosing, model_service, outcome_service, report_service, training_service, warning_service
from app.credit.model_training import TrainingData
from app.credit.models import ScoringModel
from app.credit.register_models import LoanExpectation, ModelReport, ModelTraining
from tests import cast
from tests.credit_cast import QUICK, consent, current, firm_with_invoices, register_model, revoke
from tests.model_cast import WHY, Governors

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]


def test_a_training_ends_as_a_candidate_that_its_asker_may_not_approve(settings: Settings) -> None:
    people = Governors()
    first = register_model()
    asked = training_service.ask_training(people.system, TrainingData.SYNTHETIC, WHY)
    done = training_service.run_training(cast.SYSTEM, asked.id, settings, repeats=0, city_firms=400, more=QUICK)
    assert done.state == "done" and done.output and "bad" in done.output
    with transaction(cast.SYSTEM, read_only=True):
        model = session().get_one(ScoringModel, done.model_id)
    assert (model.state, model.origin, model.proposed_by, model.note) == ("candidate", "trained", people.system.actor_id, WHY)
    assert model.trained_on == "synthetic" and 0 < model.defaults < model.firms <= 400 and first.active
    again = training_service.run_training(cast.SYSTEM, asked.id, settings)
    assert again.model_id == done.model_id
    assert model_service.decide(people.leader, model.id, "approve", WHY).state == "approved"


def test_a_training_that_fails_says_why_and_lets_the_next_one_begin(settings: Settings, tmp_path: Path) -> None:
    people = Governors()
    asked = training_service.ask_training(people.system, TrainingData.REAL, WHY)
    with pytest.raises(Refusal) as refused:
        training_service.ask_training(people.system, TrainingData.REAL, WHY)
    assert refused.value.code is ErrorCode.TRAINING_OPEN
    failed = training_service.run_training(cast.SYSTEM, asked.id, replace(settings, real_data=tmp_path))
    assert failed.state == "failed" and failed.output is not None and "could not be trained" in failed.output
    assert training_service.ask_training(people.system, TrainingData.SYNTHETIC, WHY).state == "asked"
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(sa.select(sa.func.count()).select_from(ModelTraining)) == 2


def test_what_was_expected_is_kept_when_the_loan_is_drawn_and_never_changed() -> None:
    register_model()
    firm, thin = firm_with_invoices(), cast.firm("广州从化小店")
    consent(firm)
    profile, loan = current(firm), new_id()
    assert profile is not None
    assert outcome_service.tell_drawn(cast.SYSTEM, firm.id, loan, today())
    revoke(firm)
    assert not outcome_service.tell_drawn(cast.SYSTEM, firm.id, loan, today())
    assert not outcome_service.tell_drawn(cast.SYSTEM, thin.id, new_id(), today())
    with transaction(cast.SYSTEM, read_only=True):
        kept = session().scalars(sa.select(LoanExpectation)).one()
    assert (kept.loan_id, kept.grade, kept.probability) == (loan, profile.grade, profile.probability)
    with transaction(firm[Role.FIRM_CLERK], read_only=True):
        (told,) = disclosing.expectations(firm[Role.FIRM_CLERK], firm.id)
    assert told["loan_id"] == loan and told["grade"] == profile.grade, "the firm's own export tells it"


def test_loans_old_enough_are_held_against_what_was_expected() -> None:
    register_model()
    firms = [firm_with_invoices(number) for number in range(10)]
    for firm in firms:
        consent(firm)
    year = timedelta(days=366)
    for number in range(40):
        loan = new_id()
        drawn = today() - (year if number < 35 else timedelta(days=30))
        outcome_service.tell_drawn(cast.SYSTEM, firms[number % 10].id, loan, drawn)
        if number < 30:
            _ends(firms[number % 10].id, loan, bad=True, after=timedelta(days=200 if number < 20 else 400))
        elif number >= 35:
            warning_service.tell_outcome(cast.SYSTEM, firms[number % 10].id, loan, True)
    report = _report("drift")
    told = report.content["outcomes"]
    assert (told["loans"], told["ripe"]) == (40, 35)
    everything = told["grades"][-1]
    # Twenty turned bad within a year; ten did later, which is not what was predicted; young loans do not count yet.
    assert (everything["grade"], everything["loans"], everything["observed"]) == (None, 35, 20)
    assert everything["expected"] > 0 and everything["agreement"] in ("as_expected", "more_bad", "fewer_bad")
    assert all(row["loans"] >= 10 for row in told["grades"])


def _ends(firm_id: UUID, loan_id: UUID, *, bad: bool, after: timedelta) -> None:
    """A loan of long ago ended some days after it was drawn."""
    with transaction(cast.SYSTEM):
        session().execute(
            sa.text("insert into loan_outcome values (:loan, :firm, :bad, :day)"),
            {"loan": loan_id, "firm": firm_id, "bad": bad, "day": today() - timedelta(days=366) + after},
        )


def _report(kind: str) -> ModelReport:
    with transaction(cast.SYSTEM, read_only=True):
        active = session().scalars(sa.select(ScoringModel.id).where(ScoringModel.active)).one()
    asked = report_service.ask_report(Governors().leader, kind, active)
    outbox.drain()
    with transaction(cast.SYSTEM, read_only=True):
        return session().get_one(ModelReport, asked.id)
