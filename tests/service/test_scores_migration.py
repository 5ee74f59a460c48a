"""Profiles of the earlier model survive the change of scale as history, whatever state their rows are in."""

from __future__ import annotations

import json
from math import isnan

import psycopg
import pytest

from app.core.database import migrate
from tests.database import Servers, fresh_database

pytestmark = pytest.mark.service

FIRM = """
insert into organisation (id, kind, name, uscc, state, created_at)
  values (%(firm)s, 'enterprise', '旧企业', %(uscc)s, 'active', now());
insert into enterprise (id, firm_no, uscc, form, district, industry_code, headcount, revenue_fen, assets_fen, figures_year,
    figures_source, size_class, size_rule, size_working, state, verified_at, synthetic, created_at)
  values (%(firm)s, 1, %(uscc)s, 'company', '440106', '3424', 5, 1, 1, 2025, 'self', 'micro', 'x', '[]', 'verified', now(), true,
    now());
insert into scoring_model values (%(model)s, 'old', 'synthetic', '2026-01-01', '2024-01-01', '2025-12-31', 9, 1, 'x',
  sha256('x'), '{}', '{}', now(), true);
"""
PROFILE = """
insert into credit_profile (id, firm_id, at, as_of, state, score, probability, grade, partial, months_covered, coverage, reasons,
    features, model_id, consent_ids, current)
  values (gen_random_uuid(), %(firm)s, now(), '2026-10-31', %(state)s, %(score)s, %(probability)s, %(grade)s, false, 3, '{}',
    '[]', %(features)s, %(model)s, '[]', %(current)s)
"""
THIN = """
insert into credit_profile (id, firm_id, at, as_of, state, scale, partial, months_covered, coverage, reasons, account, features,
    consent_ids, current)
  values (gen_random_uuid(), %(firm)s, now(), '2026-11-30', 'insufficient', 2, true, 0, '{}', '[]', '{}', '{}', '[]', true)
"""
MESSY = [
    {"sales_monthly": 5.25, "sales_growth": None, "旧的 feature": -1e-9},
    {"sales_monthly": 5.25, "sales_growth": None, "旧的 feature": "about 3"},
    {},
    {"void_share": True},
]


def test_earlier_profiles_keep_their_score_and_what_they_were_computed_from(servers: Servers) -> None:
    firm, model = "018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002"
    with fresh_database(servers, None) as fresh:
        migrate(fresh.owner_url, "0016")
        with psycopg.connect(fresh.owner_url.replace("+psycopg", ""), autocommit=True) as owner:
            for statement in FIRM.split(";")[:-1]:
                owner.execute(statement, {"firm": firm, "model": model, "uscc": "91440101MA5XXXXX1X"})
            for number, features in enumerate(MESSY):
                owner.execute(PROFILE, {
                    "firm": firm, "model": model, "state": "scored", "score": 700 + number, "probability": 0.3, "grade": "C",
                    "features": json.dumps(features), "current": number == 0,
                })
            owner.execute(PROFILE.replace("'2026-10-31'", "null").replace("false, 3", "false, 0"), {
                "firm": firm, "model": None, "state": "no_consent", "score": None, "probability": None, "grade": None,
                "features": "{}", "current": False,
            })
        migrate(fresh.owner_url, "0020")
        with psycopg.connect(fresh.owner_url.replace("+psycopg", ""), autocommit=True) as owner:
            owner.execute(THIN, {"firm": firm})
        migrate(fresh.owner_url, "0021")
        with psycopg.connect(fresh.owner_url.replace("+psycopg", ""), autocommit=True) as owner:
            rows = owner.execute(
                "select score, current, scale, snapshot, names "
                "from credit_profile left join feature_list on sha = feature_list order by score, scale"
            ).fetchall()
            assert owner.execute("select count(*) from scoring_model where state = 'active'").fetchone() == (0,)
    names = sorted(MESSY[0], key=str.encode)
    assert [row[:3] for row in rows] == [
        *((700 + number, False, 1) for number in range(len(MESSY))), (None, False, 1), (None, True, 2),
    ]
    assert [row[4] for row in rows] == [names, names, None, ["void_share"], None, None]
    told = dict(zip(names, rows[0][3], strict=True))
    assert told["sales_monthly"] == 5.25 and told["旧的 feature"] == -1e-9 and isnan(told["sales_growth"])
    assert isnan(rows[1][3][names.index("旧的 feature")]) and isnan(rows[3][3][0])
