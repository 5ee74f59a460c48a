"""Credit profiles: the model that scored, what it said and from what, the switch for banks, requests for a human look."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from math import isnan
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.database import Base, Identified


class ScoringModel(Identified, Base):
    """A trained model as every worker uses it. ``trained_on``: real or synthetic.

    ``content`` is the model file: written here, read by the portal's own identity alone (``model_service.scorer_of``).

    ``state``: model_states.ModelState; at most one model is active. ``bands``: the highest probability of default of each
    grade. ``window_from``/``window_to``: the months trained on, where the file says so. ``first_start``: the portal itself made
    it score, because there was none.
    """

    __tablename__ = "scoring_model"
    version: Mapped[str] = mapped_column(unique=True)
    trained_on: Mapped[str]
    trained_at: Mapped[date]
    window_from: Mapped[date | None]
    window_to: Mapped[date | None]
    firms: Mapped[int]
    defaults: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    metrics: Mapped[dict[str, Any]]
    bands: Mapped[dict[str, Any]]
    registered_at: Mapped[datetime]
    state: Mapped[str]
    origin: Mapped[str]
    note: Mapped[str | None]
    first_start: Mapped[bool]
    proposed_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    activated_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    recalled_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    restored_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    activated_at: Mapped[datetime | None]

    @hybrid_property
    def active(self) -> bool:
        """Whether this is the model that scores now."""
        return self.state == "active"


class FeatureList(Base):
    """Names of features in the order in which snapshots hold their values. ``sha``: SHA-256 of all that the list says.

    ``grounds``: by name, the sources (with a space between) that a reason of the feature may rest on; absent from lists of
    before, whose reasons no bank is told.
    """

    __tablename__ = "feature_list"
    sha: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    names: Mapped[list[str]] = mapped_column(ARRAY(Text))
    grounds: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


class CreditProfile(Identified, Base):
    """信用画像 of a firm at one moment. Rows are kept; a newer one only takes ``current`` away (design §5).

    ``state``: rules.ProfileState. ``score`` 300–850, more is better (``scale`` 2; those of the earlier model, 0–1000, are scale
    1); ``points``: the same unrounded and unclipped; ``probability`` of default as a fraction with its interval; all absent
    unless scored. ``as_of``: the last day whose data were read. ``coverage``: months with data by source. ``reasons``: feature,
    points (whole, as shown), strength (points as text), value (or null), those that raise first, strongest first.
    ``account``: base, others and clipped, which with the points of the reasons add up to the score. ``snapshot``: the values
    the score was computed from in the order of ``feature_list``, NaN = absent. ``digest``: of all that the profile says, absent
    from those of the earlier model. ``consent_ids``: the consents it rested on.
    """

    __tablename__ = "credit_profile"
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    at: Mapped[datetime]
    as_of: Mapped[date | None]
    state: Mapped[str]
    score: Mapped[int | None]
    scale: Mapped[int]
    points: Mapped[Decimal | None] = mapped_column(Numeric(12, 6))
    probability: Mapped[Decimal | None]
    pd_low: Mapped[Decimal | None]
    pd_high: Mapped[Decimal | None]
    grade: Mapped[str | None]
    partial: Mapped[bool]
    months_covered: Mapped[int]
    coverage: Mapped[dict[str, Any]]
    reasons: Mapped[list[Any]]
    account: Mapped[dict[str, Any]]
    snapshot: Mapped[list[float] | None] = mapped_column(ARRAY(DOUBLE_PRECISION))
    feature_list: Mapped[bytes | None] = mapped_column(LargeBinary, ForeignKey("feature_list.sha"))
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    model_id: Mapped[UUID | None] = mapped_column(ForeignKey("scoring_model.id"))
    consent_ids: Mapped[list[Any]]
    current: Mapped[bool]

    listed: Mapped[FeatureList | None] = relationship(viewonly=True, lazy="selectin")

    @property
    def features(self) -> dict[str, float]:
        """The snapshot by name, what is absent left out."""
        if self.snapshot is None or self.listed is None:
            return {}
        return {name: value for name, value in zip(self.listed.names, self.snapshot, strict=True) if not isnan(value)}


class CreditPolicy(Identified, Base):
    """The switch ``score_visible_to_bank`` (compliance.md §1): rank, grade or score, from a moment on. The latest holds."""

    __tablename__ = "credit_policy"
    valid_from: Mapped[datetime]
    visible: Mapped[str]


class CreditHorizon(Base):
    """The last day a delivery tells about. Months that nobody delivered yet are not months without sales."""

    __tablename__ = "credit_horizon"
    delivery_no: Mapped[int] = mapped_column(ForeignKey("delivery.number"), primary_key=True)
    known_until: Mapped[date]


class ProfileReview(Identified, Base):
    """A firm's request that a person looks at its profile (个人信息保护法 art. 24, 征信业管理条例 art. 25).

    ``state``: rules.ReviewState. ``due_on`` is the last day for the answer.
    """

    __tablename__ = "profile_review"
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    profile_id: Mapped[UUID] = mapped_column(ForeignKey("credit_profile.id"))
    state: Mapped[str]
    asked_at: Mapped[datetime]
    asked_by: Mapped[UUID | None]
    message: Mapped[str]
    due_on: Mapped[date]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    answer: Mapped[str | None]
