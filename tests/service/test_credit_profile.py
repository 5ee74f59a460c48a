"""A profile is computed from what the firm consented to, is kept, and never says more than it knows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.core import outbox
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Permission, Role
from app.core.use_case import reading
from app.credit import model_service, queries, service
from app.credit.models import CreditHorizon, CreditProfile, FeatureList
from app.credit.rules import ProfileState
from scoring.features.registry import by_name
from scoring.synthetic import IN, OUT, InvoiceLines
from tests import cast
from tests.credit_cast import (
    city,
    consent,
    current,
    deliver,
    firm_with_invoices,
    model_file,
    register_model,
    revoke,
)
from tests.database import TestDatabase

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]


def test_without_consent_there_is_no_score() -> None:
    register_model()
    firm = firm_with_invoices()
    profile = service.compute_profile(cast.SYSTEM, firm.id)
    assert profile is not None
    assert (profile.state, profile.score, profile.grade) == (ProfileState.NO_CONSENT.value, None, None)
    assert profile.features == {} and profile.reasons == [] and profile.coverage == {}


def test_a_consent_brings_a_score_with_grade_reasons_and_the_model_that_said_so() -> None:
    register_model()
    firm = firm_with_invoices()
    given = consent(firm)
    profile = current(firm)
    assert profile is not None and profile.state == ProfileState.SCORED.value
    assert profile.score is not None and 300 <= profile.score <= 850 and profile.scale == 2
    assert profile.grade in ("A", "B", "C", "D", "E")
    assert profile.consent_ids == [str(one) for one in given]
    assert profile.as_of == date(2026, 10, 31) and 20 <= profile.months_covered <= 24
    assert profile.pd_low is not None and profile.pd_high is not None and profile.probability is not None
    assert profile.pd_low <= profile.probability <= profile.pd_high
    with reading(cast.SYSTEM, Permission.PROFILE_COMPUTE):
        assert queries.models_by_id({profile.model_id})[profile.model_id].trained_on == "synthetic"  # type: ignore[index, arg-type]


def test_base_reasons_and_the_rest_add_up_to_the_score() -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    profile = current(firm)
    assert profile is not None and profile.reasons
    assert sum(profile.account.values()) + sum(reason["points"] for reason in profile.reasons) == profile.score
    for reason in profile.reasons:
        feature = by_name(reason["feature"])
        assert feature.sources == ("invoices",) or reason["value"] is None
        assert profile.features.get(feature.name) == reason["value"]
    up = [Decimal(reason["strength"]) for reason in profile.reasons if Decimal(reason["strength"]) > 0]
    assert up == sorted(up, reverse=True) and len(up) <= 5


def test_the_same_input_gives_the_same_score_and_no_second_row() -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    first = current(firm)
    again = service.compute_profile(cast.SYSTEM, firm.id)
    assert first is not None and again is not None and again.id == first.id
    twin = cast.firm("广州岭南孪生机械有限公司")
    deliver(twin, city()[0].lines)
    consent(twin)
    other = current(twin)
    assert other is not None
    assert (other.score, other.probability, other.reasons) == (first.score, first.probability, first.reasons)


def test_new_data_leave_the_earlier_profile_in_the_history() -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    deliver(firm, city()[5].lines)
    service.compute_profile(cast.SYSTEM, firm.id)
    with reading(firm[Role.FIRM_CLERK], Permission.PROFILE_READ):
        history = queries.profile_history(firm.id)
    assert [row.current for row in history] == [True, False]
    assert history[0].features != history[1].features


def test_a_revoked_consent_ends_the_score_and_keeps_what_was_said_before() -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    revoke(firm)
    profile = current(firm)
    assert profile is not None and profile.state == ProfileState.NO_CONSENT.value and profile.score is None
    with reading(firm[Role.FIRM_CLERK], Permission.PROFILE_READ):
        assert [row.state for row in queries.profile_history(firm.id)] == ["no_consent", "scored"]


def test_a_thin_file_says_insufficient_and_never_a_low_score() -> None:
    register_model()
    firm = cast.firm()
    lines = city()[0].lines
    late = lines.day >= (date(2026, 8, 1) - date(1970, 1, 1)).days
    deliver(firm, _cut(lines, late))
    consent(firm)
    profile = current(firm)
    assert profile is not None
    assert (profile.state, profile.score, profile.months_covered) == (ProfileState.INSUFFICIENT.value, None, 3)


def test_a_firm_about_which_nothing_was_delivered_says_insufficient() -> None:
    register_model()
    firm = cast.firm()
    consent(firm)
    profile = current(firm)
    assert profile is not None and profile.state == ProfileState.INSUFFICIENT.value and profile.partial


def test_a_firm_that_stopped_while_the_delivery_went_on_is_judged_at_the_end_of_the_delivery() -> None:
    register_model()
    firm, other = cast.firm(), cast.firm("广州海珠云帆软件有限公司")
    lines = city()[0].lines
    number = deliver(firm, _cut(lines, lines.day < (date(2026, 4, 1) - date(1970, 1, 1)).days))
    deliver(other, city()[1].lines)
    with transaction(cast.SYSTEM):  # both firms came in one file
        session().execute(sa.text("update invoice_line set current = true"))
        session().execute(sa.text(
            "insert into invoice_line select firm_no, side, content, k + 1, version, current, void, day, net_fen, tax_fen, "
            "gross_fen, :number, invoice_no, counterparty from invoice_line where delivery_no <> :number"
        ), {"number": number})
    consent(firm)
    profile = current(firm)
    assert profile is not None and profile.as_of == date(2026, 10, 31)
    assert profile.features["sales_active_months"] < 12
    with transaction(cast.SYSTEM, read_only=True):
        assert session().get_one(CreditHorizon, number).known_until == date(2026, 10, 31)


def test_a_delivery_scores_the_firms_that_consented_and_no_other() -> None:
    register_model()
    willing, silent = firm_with_invoices(0), firm_with_invoices(1)
    with transaction(cast.SYSTEM):
        outbox.emit("delivery.taken_in", delivery_id=willing.id, firm_ids=[willing.id, silent.id])
    outbox.drain()
    assert current(willing) is None and current(silent) is None
    consent(willing)
    deliver(willing, city()[7].lines)
    before = current(willing)
    with transaction(cast.SYSTEM):
        outbox.emit("delivery.taken_in", delivery_id=willing.id, firm_ids=[willing.id, silent.id])
    outbox.drain()
    after = current(willing)
    assert before is not None and after is not None and after.id != before.id
    assert current(silent) is None


def test_another_model_scores_every_consenting_firm_again_and_says_which_one_it_was() -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    before = current(firm)
    register_model(12)
    outbox.drain()
    after = current(firm)
    assert before is not None and after is not None and after.model_id != before.model_id


def test_consent_given_before_there_is_a_model_is_answered_when_the_model_comes() -> None:
    firm = firm_with_invoices()
    consent(firm)
    assert current(firm) is None
    register_model()
    outbox.drain()
    profile = current(firm)
    assert profile is not None and profile.state == ProfileState.SCORED.value


def test_an_altered_model_file_is_refused(tmp_path: Path) -> None:
    altered = tmp_path / "model.json"
    altered.write_text(model_file().read_text().replace('"firms": ', '"firms": 1'))
    with pytest.raises(model_service.ModelUnusable, match="altered"):
        model_service.register_model(cast.SYSTEM, altered)


def test_only_the_system_computes_profiles_and_registers_models() -> None:
    firm = cast.firm()
    for role in (Role.FIRM_CLERK, Role.FIRM_REPRESENTATIVE):
        with pytest.raises(Refusal) as refused:
            service.compute_profile(firm[role], firm.id)
        assert refused.value.code is ErrorCode.FORBIDDEN
        with pytest.raises(Refusal):
            model_service.register_model(firm[role], model_file())


@pytest.mark.parametrize("change", ["score = 1000", "reasons = '[]'", "current = true", "grade = 'A', current = false"])
def test_the_database_refuses_to_rewrite_a_profile(change: str) -> None:
    register_model()
    firm = firm_with_invoices()
    consent(firm)
    revoke(firm)
    with pytest.raises(DBAPIError, match="kept as it was"), transaction(cast.SYSTEM):
        session().execute(sa.text(f"update credit_profile set {change} where state = 'scored'"))


def test_the_database_keeps_one_current_profile_a_firm(database: TestDatabase) -> None:
    firm = cast.firm()
    service.compute_profile(cast.SYSTEM, firm.id)
    with pytest.raises(DBAPIError, match="uq_credit_profile_current"), transaction(cast.SYSTEM):
        session().execute(sa.insert(CreditProfile).values(_copy(firm)))


def test_nothing_about_a_firm_without_consent_can_be_kept() -> None:
    firm = cast.firm()
    sha = bytes(32)
    with pytest.raises(DBAPIError, match="ck_credit_profile_no_consent"), transaction(cast.SYSTEM):
        session().execute(sa.insert(FeatureList).values(sha=sha, names=["sales_monthly"]))
        told = {"state": "no_consent", "snapshot": [5.1], "feature_list": sha, "scale": 1}
        session().execute(sa.insert(CreditProfile).values(_copy(firm) | told))


def test_the_profile_of_a_real_firm_is_scored_by_its_own_invoices(real_data: Path) -> None:
    folder = real_data / "cumcm2020c"
    if not folder.is_dir():
        pytest.skip(f"the real invoice set is absent ({folder})")
    register_model()
    firm = cast.firm("真实企业 E")
    deliver(firm, _real_lines(folder))
    consent(firm)
    profile = current(firm)
    assert profile is not None and profile.state == ProfileState.SCORED.value and profile.reasons
    assert profile.as_of is not None and profile.as_of.year == 2020


def _copy(firm: cast.Cast) -> dict[str, object]:
    from app.core.calendar import now
    from app.core.ids import new_id

    return {
        "id": new_id(), "firm_id": firm.id, "at": now(), "state": "no_consent", "partial": False, "months_covered": 0,
        "coverage": {}, "reasons": [], "account": {}, "consent_ids": [], "current": True, "scale": 2,
    }


def _cut(lines, keep):
    from dataclasses import replace

    positions = [int(i) for i in keep.nonzero()[0]]
    return replace(
        lines, side=lines.side[keep], day=lines.day[keep], net_fen=lines.net_fen[keep], tax_fen=lines.tax_fen[keep],
        gross_fen=lines.gross_fen[keep], void=lines.void[keep],
        invoice_no=tuple(lines.invoice_no[i] for i in positions),
        counterparty_id=tuple(lines.counterparty_id[i] for i in positions),
    )


def _real_lines(folder: Path) -> InvoiceLines:
    """The lines of the first labelled firm that has between 1,000 and 4,000 of them."""
    sides = {"in": IN, "out": OUT}
    lines = pl.concat([
        pl.read_parquet(folder / f"invoices_{name}_labelled.parquet").with_columns(pl.lit(side, dtype=pl.Int8).alias("side"))
        for name, side in sides.items()
    ])
    firm = lines.group_by("firm_id").len().filter(pl.col("len").is_between(1000, 4000)).sort("firm_id")["firm_id"][0]
    own = lines.filter(pl.col("firm_id") == firm)
    fen = {name: (own[name] * 100).round(0).cast(pl.Int64).to_numpy() for name in ("amount_net", "tax_amount", "amount_gross")}
    return InvoiceLines(
        own["side"].to_numpy(), tuple(f"R{i}" for i in range(own.height)), own["invoice_date"].cast(pl.Int32).to_numpy(),
        tuple(own["counterparty_id"]), fen["amount_net"], fen["tax_amount"], fen["amount_gross"],
        (own["status"] == "void").to_numpy(),
    )
