"""One head, files in one row, models and database of one mind, and no table that forgot its guard."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from app.core import database as portal_database
from app.core.database import Base
from app.factory import load_rooms
from migrations.tools import once
from tests.database import ROOT, TestDatabase

OPEN_TO_ALL = {"alembic_version", "seal"}
"""Tables without row-level security: they name no firm and no person."""
FILLED = {f"{table}_rows" for table in ("electricity_month", "water_month", "gas_month", "electricity_day")}
"""Partitions that the portal fills by COPY and nobody reads; the tables they belong to are guarded."""
COUNTED = {"score_count", "score_place"}
"""Kept by triggers and read by functions of the owner alone; no model knows it."""


def script() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return ScriptDirectory.from_config(config)


def test_the_files_are_numbered_in_one_row_with_one_head() -> None:
    revisions = [revision.revision for revision in script().walk_revisions()]
    assert revisions == [f"{number:04d}" for number in range(len(revisions), 0, -1)]
    files = sorted(Path(ROOT / "migrations" / "versions").glob("0*.py"))
    assert [file.name[:4] for file in files] == sorted(revisions)


def _matters(change: object) -> bool:
    """Server-side indexes, partial ones above all, live in the migrations alone; partitions have no model of their own."""
    kind = change[0] if isinstance(change, tuple) else change[0][0]  # type: ignore[index]
    if kind == "remove_table" and change[1].name in FILLED | COUNTED:  # type: ignore[index]
        return False
    return kind not in {"remove_index", "remove_constraint", "add_constraint", "remove_fk", "add_fk", "modify_nullable"}


def test_models_and_migrated_database_describe_the_same_tables_and_columns(database: TestDatabase) -> None:
    load_rooms()
    engine = create_engine(database.owner_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [change for change in compare_metadata(context, Base.metadata) if _matters(change)]
    engine.dispose()
    assert differences == []


def test_nullable_columns_agree(database: TestDatabase) -> None:
    load_rooms()
    engine = create_engine(database.owner_url)
    with engine.connect() as connection:
        rows = connection.execute(text(
            "select table_name, column_name, is_nullable = 'YES' from information_schema.columns where table_schema = 'public'"
        )).all()
    engine.dispose()
    real = {(table, column): nullable for table, column, nullable in rows}
    wrong = [
        f"{table.name}.{column.name}" for table in Base.metadata.tables.values() for column in table.columns
        if real.get((table.name, column.name)) != column.nullable
    ]
    assert wrong == []


def test_every_table_is_guarded_by_row_level_security_or_named_as_open(database: TestDatabase) -> None:
    engine = create_engine(database.owner_url)
    with engine.connect() as connection:
        unguarded = set(connection.execute(text(
            "select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = 'public' and relkind in ('r', 'p') and not relrowsecurity"
        )).scalars())
    engine.dispose()
    assert unguarded - OPEN_TO_ALL == FILLED


def test_no_policy_asks_anew_for_every_row_who_is_there(database: TestDatabase) -> None:
    """``(select hq_org())`` is asked once a statement: migrations say ``guard`` or ``once`` of ``migrations.tools``."""
    engine = create_engine(database.owner_url)
    with engine.connect() as connection:
        policies = connection.execute(text(
            "select tablename || '.' || policyname, coalesce(qual, '') || ' ' || coalesce(with_check, '') from pg_policies"
        )).all()
    engine.dispose()
    assert [name for name, condition in policies if once(condition) != condition] == []
    assert [name for name, condition in policies if "current_setting" in condition] == []


@pytest.mark.parametrize(("written", "asked"), [
    ("id = hq_org() or hq_kind() in ('bank', 'funder')", "id = (select hq_org()) or (select hq_kind() in ('bank', 'funder'))"),
    ("(hq_kind() = ANY (ARRAY['a'::text, 'b'::text]))", "((select hq_kind() = ANY (ARRAY['a'::text, 'b'::text])))"),
    ("hq_kind() is not null and hq_case_party(id)", "(select hq_kind() is not null) and hq_case_party(id)"),
    ("exists (select 1 from loan l where org_id = hq_org())", "exists (select 1 from loan l where org_id = (select hq_org()))"),
    ("( SELECT (hq_kind() = 'system'::text)) OR ( SELECT hq_proved() AS hq_proved)", None),
    ("firm_no = any (array(select hq_readable_firms('tax')))", None),
])
def test_a_question_that_no_row_changes_is_put_once(written: str, asked: str | None) -> None:
    assert once(written) == (asked or written)
    assert once(once(written)) == once(written)


def test_nobody_reads_the_partitions_that_the_portal_fills_and_only_the_portal_fills_them(database: TestDatabase) -> None:
    from sqlalchemy.exc import DBAPIError

    from tests import cast

    bank = next(iter(cast.bank().people.values()))
    for table in FILLED:
        with portal_database.engine().connect() as connection:
            held = set(connection.execute(text(
                "select privilege_type from information_schema.role_table_grants where table_name = :table and grantee = "
                "current_user"), {"table": table}).scalars())
        assert held == {"INSERT"}
        with pytest.raises(DBAPIError, match="only the portal itself"), portal_database.transaction(bank) as unit:
            unit.session.execute(text(f"insert into {table} (meter_no) values (1)"))


def test_nobody_signed_in_reads_no_row_that_names_a_firm_or_a_person(database: TestDatabase) -> None:
    """With no identity set, the login role sees nothing but reference data."""
    reference = OPEN_TO_ALL | {"organisation", "branch", "rule_set", "data_item", "consent_text", "product",
                               "product_version", "credit_policy", "scoring_model", "fund"}
    from tests import cast

    cast.firm()
    cast.bank()
    with portal_database.engine().connect() as connection:
        tables = connection.execute(text(
            "select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = 'public' and relkind = 'r' and has_table_privilege(c.oid, 'select')"
        )).scalars().all()
        filled = [
            table for table in tables if table not in reference
            and connection.execute(text(f'select exists (select 1 from "{table}")')).scalar()
        ]
        firms = connection.execute(text("select count(*) from organisation where kind = 'enterprise'")).scalar()
    assert filled == []
    assert firms == 0


@pytest.mark.parametrize("role_statement", ["create table x (i int)", "alter table need disable row level security",
                                            "set role huiqiao_owner", "create role x superuser"])
def test_the_login_role_cannot_help_itself_to_more(database: TestDatabase, role_statement: str) -> None:
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError), portal_database.engine().begin() as connection:
        connection.execute(text(role_statement))


def test_the_portal_refuses_to_run_as_the_owner_of_the_tables(database: TestDatabase) -> None:
    portal_database.check_role()
    owner = create_engine(database.owner_url)
    with pytest.raises(RuntimeError, match="must not connect as"):
        portal_database.check_role(owner)
    owner.dispose()
