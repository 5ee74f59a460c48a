"""Whom rows are about: social credit codes become firm numbers, account numbers (户号) become meter numbers.

A valid code of a firm that nobody signed up yet gets the number it will have when it appears; an account number never seen
before becomes a meter. Both are kept by themselves: a delivery that fails later leaves a number without rows, no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import polars as pl
from psycopg import errors
from sqlalchemy import text

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session, transaction
from app.core.uscc import LENGTH, normalise, validate
from app.enterprises.registration import reserve_firm_numbers

_FIRMS = text("""
select firm_no, external_key, uscc from enterprise where uscc = any(:keys) or external_key = any(:keys)
union all
select firm_no, null, uscc from reserved_firm where uscc = any(:keys)
""")
# Keys go and numbers come as one array each, in binary: half of the time of a first delivery's meters was the reading of rows.
_METERS = """
select coalesce(array_agg(account_no), '{}'), coalesce(array_agg(meter_no), '{}') from meter
where provider_org_id = %(provider)s and account_no = any(%(keys)b::text[])
"""
_NEW_METERS = """
with made as (
  insert into meter (meter_no, provider_org_id, account_no, first_seen_at)
  select nextval('meter_no_seq'), %(provider)s, key, %(at)s from unnest(%(keys)b::text[]) key
  returning account_no, meter_no
)
select coalesce(array_agg(account_no), '{}'), coalesce(array_agg(meter_no), '{}') from made
"""
LONGEST_ACCOUNT = 40
"""Characters of an account number, as the database holds it."""


class Numbers:
    """Numbers of the subjects of one delivery, asked for once each."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.known: dict[str, int] = {}
        self.asked: set[str] = set()

    def learn(self, keys: Iterable[str]) -> None:
        """Finds, or makes, the numbers of keys not asked for before, in a small transaction of its own."""
        new = sorted(set(keys) - self.asked)
        if not new:
            return
        self.asked.update(new)
        with transaction(self.ctx):
            self.known |= self._find(new)

    def frame(self, keys: pl.Series, column: str) -> pl.DataFrame:
        """The numbers of these keys alone, as ``key`` and ``column``: what a batch costs must not grow with what came before."""
        self.learn(keys)
        found = {key: self.known[key] for key in keys if key in self.known}
        return pl.DataFrame({"key": list(found), column: list(found.values())}, schema={"key": pl.String, column: pl.Int64})

    def _find(self, keys: Sequence[str]) -> dict[str, int]:
        raise NotImplementedError


class FirmNumbers(Numbers):
    """By social credit code, or by the code of a source that knows none. Codes may come in small letters or with blanks."""

    def _find(self, keys: Sequence[str]) -> dict[str, int]:
        spelled: dict[str, list[str]] = {}
        for key in keys:
            spelled.setdefault(key, []).append(key)
            code = normalise(key)
            if len(code) == LENGTH and code != key:
                spelled.setdefault(code, []).append(key)
        found = firm_numbers(list(spelled))
        unknown = [code for code in spelled if code not in found and len(code) == LENGTH and validate(code) is None]
        if unknown:
            found |= reserve_firm_numbers(unknown)
        return {key: number for code, number in found.items() for key in spelled.get(code, ())}


class MeterNumbers(Numbers):
    """By account number at one provider."""

    def __init__(self, ctx: Context, provider_org_id: UUID) -> None:
        super().__init__(ctx)
        self.provider = provider_org_id

    def _find(self, keys: Sequence[str]) -> dict[str, int]:
        usable = [key for key in keys if len(key) <= LONGEST_ACCOUNT]
        found = self._gathered(_METERS, usable)
        new = [key for key in usable if key not in found]
        while new:
            try:
                with session().begin_nested():  # twice as fast as ON CONFLICT, which asks every index beforehand
                    found |= self._gathered(_NEW_METERS, new)
            except errors.UniqueViolation:  # another delivery makes the same meter at the same moment
                found |= self._gathered(_METERS, new)
            new = [key for key in new if key not in found]
        return found

    def _gathered(self, statement: str, keys: Sequence[str]) -> dict[str, int]:
        raw: Any = session().connection().connection.driver_connection
        parameters = {"provider": self.provider, "keys": list(keys), "at": now()}
        accounts, numbers = raw.execute(statement, parameters, binary=True).fetchone()
        return dict(zip(accounts, numbers, strict=True))


def firm_numbers(keys: Sequence[str]) -> dict[str, int]:
    """Firm numbers by social credit code and by code of the source, of firms known and of firms waited for."""
    found: dict[str, int] = {}
    for row in session().execute(_FIRMS, {"keys": list(keys)}):
        found[row.uscc] = row.firm_no
        if row.external_key is not None:
            found[row.external_key] = row.firm_no
    return found


# Numbers go and come as one array each, see above: of thousands of meters most are linked to nobody yet.
_OWNERS = {
    "firm_no": """
        select coalesce(array_agg(id order by id), '{}'), coalesce(array_agg(firm_no), '{}') from enterprise
        where firm_no = any(%(numbers)b::bigint[])
    """,
    "meter_no": """
        with owned as (
          select l.meter_no, e.id from meter_link l join enterprise e on e.firm_no = l.firm_no
          where l.current and l.meter_no = any(%(numbers)b::bigint[])
        )
        select coalesce((select array_agg(distinct id order by id) from owned), '{}'),
               coalesce((select array_agg(distinct meter_no) from owned), '{}')
    """,
}


def owners(column: str, numbers: Sequence[int]) -> tuple[list[UUID], set[int]]:
    """Ids of the firms that subjects belong to, and the subjects of firms that nobody signed up yet (or meters linked to none).

    ``column`` is ``firm_no`` or ``meter_no``.
    """
    raw: Any = session().connection().connection.driver_connection
    firm_ids, owned = raw.execute(_OWNERS[column], {"numbers": list(numbers)}, binary=True).fetchone()
    return firm_ids, set(numbers).difference(owned)
