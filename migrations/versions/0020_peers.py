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
       select e.id, e.industry_code, e.size_class, p.features from enterprise e join credit_profile p on p.firm_id = e.id
       where e.id = hq_org() and hq_kind() = 'enterprise' and e.state = 'verified' and p.current and p.state = 'scored'),
     peer as (
       select p.features from own
       join enterprise e on e.industry_code = own.industry_code and e.size_class = own.size_class and e.id <> own.id
       join credit_profile p on p.firm_id = e.id and p.current and p.state = 'scored'
       order by md5(e.id::text) limit most),
     pair as (
       select n.name, (own.features ->> n.name)::float8 as mine, (peer.features ->> n.name)::float8 as theirs
       from own, peer, unnest(names) n(name) where own.features ? n.name and peer.features ? n.name)
     select name, count(*), count(*) filter (where theirs < mine), count(*) filter (where theirs = mine)
     from pair group by name having count(*) >= greatest(fewest, 10) $$;
"""


def upgrade() -> None:
    run(PEERS)
