"""Letters that tell somebody of what is new in the portal: who wishes any, and which were made."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLES = """
create table mail_wish (
  person_id uuid constraint pk_mail_wish primary key constraint fk_mail_wish_person_id references person,
  way text not null constraint ck_mail_wish_way check (way in ('each', 'digest', 'none')),
  told_until timestamptz not null,
  changed_at timestamptz not null
);
create table mail (
  id uuid constraint pk_mail primary key,
  person_id uuid not null constraint fk_mail_person_id references person,
  way text not null constraint ck_mail_way check (way in ('each', 'digest')),
  day date not null,
  unread bigint not null constraint ck_mail_unread check (unread > 0),
  oldest_at timestamptz not null,
  made_at timestamptz not null,
  sent_at timestamptz constraint ck_mail_sent_at check (sent_at >= made_at)
);
create unique index uq_mail_digest on mail (person_id, day) where way = 'digest';
create index ix_mail_person_id on mail (person_id, made_at);
"""
"""``told_until``: notices up to here are told. ``day``: of the letter; one digest a day and person, however many tickers run."""
ME = "person_id = hq_actor()"


def upgrade() -> None:
    run(TABLES)
    grant("mail_wish", "select, insert, update")
    guard("mail_wish", see=f"{ME} or {SYSTEM}", change=f"{ME} or {SYSTEM}")
    grant("mail", "select, insert, update")
    guard("mail", see=f"{ME} or {SYSTEM}", write=SYSTEM, change=SYSTEM)
