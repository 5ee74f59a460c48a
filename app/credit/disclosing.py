"""What this room holds about a firm, for the firm's own export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.context import Context
from app.core.working import N_
from app.credit.models import CreditProfile, FeatureList, ProfileReview
from app.credit.register_models import LoanExpectation
from app.credit.warning_models import EarlyWarning, LoanOutcome
from app.evidence import disclosure
from app.evidence.disclosure_sections import stream


def profiles(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """Every profile the firm ever had, with reasons and what it was computed from."""
    hidden = {"firm_id", "snapshot", "feature_list", "digest"}
    columns = [column for column in CreditProfile.__table__.columns if column.name not in hidden]
    found = select(*columns, CreditProfile.snapshot, FeatureList.names).outerjoin(FeatureList)
    for row in stream(found.where(CreditProfile.firm_id == firm_id).order_by(CreditProfile.at, CreditProfile.id)):
        told = dict(row)
        names, values = told.pop("names") or (), told.pop("snapshot") or ()
        yield told | {"features": {name: value for name, value in zip(names, values, strict=True) if not isnan(value)}}


def reviews(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """Requests for a human look and their answers."""
    hidden = {"firm_id", "asked_by", "answered_by"}
    columns = [column for column in ProfileReview.__table__.columns if column.name not in hidden]
    return stream(select(*columns).where(ProfileReview.firm_id == firm_id).order_by(ProfileReview.asked_at))


def expectations(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """What the profile said of the firm on the day each loan was drawn, kept to judge the model by what became of the loan."""
    hidden = {"firm_id"}
    columns = [column for column in LoanExpectation.__table__.columns if column.name not in hidden]
    return stream(select(*columns).where(LoanExpectation.firm_id == firm_id).order_by(LoanExpectation.drawn_on))


def outcomes(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """What became of the firm's loans, as lenders told it; the model and the warnings are judged by it."""
    columns = [column for column in LoanOutcome.__table__.columns if column.name != "firm_id"]
    return stream(select(*columns).where(LoanOutcome.firm_id == firm_id).order_by(LoanOutcome.told_on, LoanOutcome.loan_id))


def warnings(ctx: Context, firm_id: UUID) -> Iterator[Mapping[str, Any]]:
    """What was signalled about the firm, with the facts behind it and its own words."""
    hidden = {"firm_id", "answered_by"}
    columns = [column for column in EarlyWarning.__table__.columns if column.name not in hidden]
    return stream(select(*columns).where(EarlyWarning.firm_id == firm_id).order_by(EarlyWarning.raised_at, EarlyWarning.id))


disclosure.add("profiles", N_("信用画像历史"), profiles, order=70)
disclosure.add("profile_reviews", N_("画像复核"), reviews, order=71)
disclosure.add("early_warnings", N_("贷后预警"), warnings, order=72)
disclosure.add("loan_expectations", N_("放款时的画像"), expectations, order=75)
disclosure.add("loan_outcomes", N_("贷款的结果"), outcomes, order=76)
