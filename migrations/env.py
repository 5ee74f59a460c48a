"""Alembic's door. Migrations run as the owner; the portal's login role gets exactly what each file grants."""

from alembic import context
from sqlalchemy import create_engine

url = context.config.get_main_option("sqlalchemy.url")
if not url:
    raise SystemExit("Set MIGRATION_DATABASE_URL: migrations run as the owner of the tables.")

engine = create_engine(url)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
