"""Where a firm stands among firms of its industry and size: counts only, and only among enough of them."""

from migrations.tools import run

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

PEERS = """
-- For the running firm alone. Of each feature: how many similar firms have a value, how many a smaller and how many the same one.
-- Never among fewer than ten, whatever is asked.
create function hq_profile_peers(names text[], fewest int, most int)
  returns table (feature text, peers bigint, below bigint, equal bigint)
  language sql stable security definer set search_path = public as
  $$ with own as (
       select e.id, e.industry_code, e.size_class, p.snapshot, p.feature_list
       from enterprise e join credit_profile p on p.firm_id = e.id
       where e.id = hq_org() and hq_kind() = 'enterprise' and e.state = 'verified' and p.current and p.state = 'scored'),
     peer as (
       select p.snapshot, p.feature_list from own
       join enterprise e on e.industry_code = own.industry_code and e.size_class = own.size_class and e.id <> own.id
       join credit_profile p on p.firm_id = e.id and p.current and p.state = 'scored'
       order by md5(e.id::text) limit most),
     place as (
       select l.sha, n.name, array_position(l.names, n.name) as at from feature_list l, unnest(names) n(name)),
     pair as (
       select mine.name, own.snapshot[mine.at] as mine, peer.snapshot[theirs.at] as theirs
       from own join place mine on mine.sha = own.feature_list, peer join place theirs on theirs.sha = peer.feature_list
       where mine.name = theirs.name and own.snapshot[mine.at] <> 'NaN' and peer.snapshot[theirs.at] <> 'NaN')
     select name, count(*), count(*) filter (where theirs < mine), count(*) filter (where theirs = mine)
     from pair group by name having count(*) >= greatest(fewest, 10) $$;
"""


def upgrade() -> None:
    run(PEERS)
