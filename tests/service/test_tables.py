"""List tables on the real database: two statements, a stable order, and filters that narrow in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import BigInteger, Integer, MetaData, Select, String, create_engine, event, select
from sqlalchemy import Column as SqlColumn
from sqlalchemy import Table as SqlTable
from sqlalchemy.orm import Session

from app.core.tables import Column, Filter, Range, Table
from tests.database import TestDatabase

METADATA = MetaData()
NEED = SqlTable(
    "listed_need", METADATA,
    SqlColumn("id", Integer, primary_key=True),
    SqlColumn("name", String, nullable=False),
    SqlColumn("amount_fen", BigInteger, nullable=True),
)


def _at_least(stmt: Select[Any], limits: Range) -> Select[Any]:
    return stmt.where(NEED.c.amount_fen >= limits.low) if limits.low is not None else stmt


LIST = Table(
    "listed",
    [Column("name", "企业"), Column("amount_fen", "金额", kind="money")],
    [Filter("amount", "金额", "money", apply=_at_least)],
    default_sort="-amount_fen",
)


@pytest.fixture
def session(empty_database: TestDatabase) -> Iterator[Session]:
    """Forty-five needs of three amounts and two without any."""
    engine = create_engine(empty_database.owner_url)
    METADATA.create_all(engine)
    with Session(engine) as opened:
        opened.execute(NEED.insert(), [_need(number) for number in range(45)])
        opened.execute(NEED.insert(), [{"id": 100 + n, "name": "未定", "amount_fen": None} for n in range(2)])
        yield opened
    engine.dispose()


def _need(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"企业{number}", "amount_fen": (number % 3 + 1) * 100_000_000}


def test_a_page_costs_two_statements_however_many_rows_there_are(session: Session) -> None:
    statements: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *call: statements.append(call[2]))
    LIST.load(session, select(NEED), {})
    assert len(statements) == 2


def test_equal_amounts_neither_repeat_nor_vanish_between_pages(session: Session) -> None:
    seen = [row.id for page in "123" for row in LIST.load(session, select(NEED), {"page": page}).rows]
    assert sorted(seen) == [*range(45), 100, 101]


def test_needs_without_an_amount_stand_last_in_both_directions(session: Session) -> None:
    for direction in ("asc", "desc"):
        asked = {"sort": "amount_fen", "dir": direction, "page": "3"}
        assert [row.id for row in LIST.load(session, select(NEED), asked).rows][-2:] == [100, 101]


def test_a_filter_narrows_the_list_and_its_count(session: Session) -> None:
    page = LIST.load(session, select(NEED), {"amount_min": "300"})
    assert page.total == 15
    assert {row.amount_fen for row in page.rows} == {300_000_000}


@pytest.mark.parametrize(
    "asked",
    [{"sort": "amount_fen; drop table listed_need"}, {"page": "-1"}, {"page": "9" * 11}, {"size": "1000000"}],
)
def test_nonsense_in_the_address_shows_the_list_all_the_same(session: Session, asked: dict[str, str]) -> None:
    page = LIST.load(session, select(NEED), asked)
    assert page.total == 47
    assert 0 < len(page.rows) <= 20


def test_an_export_takes_one_row_more_than_a_file_holds_so_that_it_can_say_so(session: Session) -> None:
    assert len(LIST.load_all(session, select(NEED), {}, limit=10)) == 11
