"""Counts of scores are added up by the portal alone, and only where there are many."""

from migrations.tools import run

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("drop function hq_add_up_scores()")
    # A second one at the same time takes what the first has not; whoever adds a row meanwhile waits for nobody.
    run("""
    create function hq_add_up_scores(most bigint) returns bigint
      language plpgsql security definer set search_path = public as $$
    declare gone bigint;
    begin
      if hq_kind() is distinct from 'system' or (select count(*) from score_count) <= most then
        return 0;
      end if;
      with taken as (
        delete from score_count c using (select ctid from score_count for update skip locked) held where c.ctid = held.ctid
        returning c.score, c.firms),
      kept as (
        insert into score_count (score, firms)
          select score, sum(firms)::int from taken group by score having sum(firms) <> 0)
      select count(*) into gone from taken;
      return gone;
    end $$;
    """)
