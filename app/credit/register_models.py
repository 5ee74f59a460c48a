"""Tables beside the scoring model: trainings asked for, reports about models, what was expected of loans."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class ModelTraining(Identified, Base):
    """A training that somebody asked for. ``state``: asked, done, failed; ``output``: what the trainer said at its end."""

    __tablename__ = "model_training"
    data: Mapped[str]
    state: Mapped[str]
    note: Mapped[str]
    asked_at: Mapped[datetime]
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime | None]
    model_id: Mapped[UUID | None] = mapped_column(ForeignKey("scoring_model.id"))
    output: Mapped[str | None]


class ModelReport(Identified, Base):
    """A comparison of two models, a fairness or a drift report: aggregates alone, computed by a worker and kept."""

    __tablename__ = "model_report"
    kind: Mapped[str]
    model_id: Mapped[UUID] = mapped_column(ForeignKey("scoring_model.id"))
    other_id: Mapped[UUID | None] = mapped_column(ForeignKey("scoring_model.id"))
    state: Mapped[str]
    asked_at: Mapped[datetime]
    asked_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime | None]
    firms: Mapped[int | None]
    content: Mapped[dict[str, Any]]


class LoanExpectation(Base):
    """What the profile said of the firm on the day a loan was drawn. ``probability`` of default as a fraction."""

    __tablename__ = "loan_expectation"
    loan_id: Mapped[UUID] = mapped_column(primary_key=True)
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    drawn_on: Mapped[date]
    model_id: Mapped[UUID] = mapped_column(ForeignKey("scoring_model.id"))
    grade: Mapped[str]
    probability: Mapped[Decimal]
