"""Scores on the scale 300 to 850 with grade E, an interval of the probability, and the account of how the points add up.

Profiles of the earlier model (0 to 1000, its own reasons) stay in the history as scale 1. They cannot stand beside new ones:
a firm's place is counted among scores of one scale, so they no longer stand, nor does the earlier model score.

The snapshot a score was computed from becomes an array whose places a list of names tells: a sixth of the bytes that names in
every row took, and no text to write or read.
"""

from migrations.tools import SYSTEM, append_only, guard, run

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

SNAPSHOTS = """
create table feature_list (
  sha bytea constraint pk_feature_list primary key constraint ck_feature_list_sha check (octet_length(sha) = 32),
  names text[] not null constraint ck_feature_list_names check (cardinality(names) > 0)
);
alter table credit_profile add column snapshot double precision[], add column feature_list bytea, add column digest bytea;

-- What an earlier profile was computed from, in the order of the names. What is no number was nothing known.
alter table credit_profile disable trigger profile_kept;
with told as (
  select p.id, array_agg(f.key order by f.key collate "C") as names,
         array_agg(case jsonb_typeof(f.value) when 'number' then (f.value #>> '{}')::float8 else 'NaN' end
                   order by f.key collate "C") as snapshot
  from credit_profile p, jsonb_each(p.features) f where jsonb_typeof(p.features) = 'object' group by p.id),
listed as (
  insert into feature_list select distinct sha256(convert_to(array_to_string(names, e'\\n'), 'UTF8')), names from told)
update credit_profile p
set snapshot = told.snapshot, feature_list = sha256(convert_to(array_to_string(told.names, e'\\n'), 'UTF8'))
from told where told.id = p.id;
alter table credit_profile enable trigger profile_kept;

alter table credit_profile drop column features;
alter table credit_profile
  add constraint fk_credit_profile_feature_list foreign key (feature_list) references feature_list (sha),
  add constraint ck_credit_profile_snapshot check (
    (snapshot is null) = (feature_list is null) and (scale = 1 or (state = 'no_consent') = (snapshot is null))),
  -- without consent nothing about the firm is kept in the row: no feature, no reason, no month
  add constraint ck_credit_profile_no_consent check (
    state <> 'no_consent' or (snapshot is null and reasons = '[]' and coverage = '{}' and consent_ids = '[]'));
"""
"""``digest``: of all that a profile says, so that one that would say the same again is not written again."""


def upgrade() -> None:
    run(COLUMNS)
    run(SNAPSHOTS)
    append_only("feature_list")
    guard("feature_list", see="hq_kind() is not null", write=SYSTEM)
