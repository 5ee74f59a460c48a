"""Scores on the scale 300 to 850 with grade E, an interval of the probability, and the account of how the points add up.

Profiles of the earlier model (0 to 1000, its own reasons) stay in the history as scale 1. They cannot stand beside new ones:
a firm's place is counted among scores of one scale, so they no longer stand, nor does the earlier model score.
"""

from migrations.tools import run

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

COLUMNS = """
alter table credit_profile add column scale bigint not null default 1;
alter table credit_profile alter column scale drop default;
alter table credit_profile
  add column points numeric(12, 6),
  add column pd_low numeric(9, 6),
  add column pd_high numeric(9, 6),
  add column account jsonb not null default '{}';
alter table credit_profile alter column account drop default;
update credit_profile set current = false where current and state = 'scored';
update scoring_model set active = false where active;
alter table credit_profile drop constraint ck_credit_profile_score;
alter table credit_profile drop constraint ck_credit_profile_grade;
alter table credit_profile
  add constraint ck_credit_profile_scale check (scale in (1, 2) and (scale = 2 or not current or state <> 'scored')),
  add constraint ck_credit_profile_score check (
    case scale when 1 then score between 0 and 1000 else score between 300 and 850 end),
  add constraint ck_credit_profile_grade check (grade in ('A', 'B', 'C', 'D') or grade = 'E' and scale = 2),
  add constraint ck_credit_profile_interval check (pd_low <= probability and probability <= pd_high),
  add constraint ck_credit_profile_account check (
    scale = 1 or num_nonnulls(score, points, pd_low, pd_high) in (0, 4) and (score is null) = (account = '{}'));
"""
"""``account``: base, others and clipped, which with the points of the reasons add up to the score."""


def upgrade() -> None:
    run(COLUMNS)
