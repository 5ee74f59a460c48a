"""Storing the facts of one delivery, batch by batch, in the caller's transaction: a killed process leaves nothing behind.

A batch whose facts are all new goes in at once, by one INSERT or, into the tables that take millions of rows a month, by COPY.
Where the database finds one that is known (the primary key refuses it), that batch and all later ones are judged row by row:

- nothing in force says anything about it → taken in;
- an older or equal delivery says the same → identical; says otherwise → superseded, the earlier version is kept;
- a later delivery says otherwise → quarantine: what is older does not overrule what is newer;
- the same delivery said otherwise a few rows before → quarantine: nobody can know which is meant.

What a withdrawn delivery said does not count. A delivery is read anew when one that was withdrawn had said the same before it:
then only what nothing in force says is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import polars as pl
from psycopg import errors
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.core.database import session
from app.evidence.copying import columns_of, copy_in, encode
from app.evidence.items import Item
from app.evidence.loading import Doubtful
from app.evidence.rules import RowReason
from app.evidence.shapes import SHAPES
from app.evidence.subjects import owners


@dataclass(frozen=True)
class Counts:
    """What became of the rows of a delivery. ``firm_ids``: firms about which something changed."""

    taken: int
    identical: int
    superseding: int
    waiting: int
    firm_ids: list[UUID]


@dataclass
class FactStore:
    """Takes batches in under delivery ``number``; ``anew``: it had been taken in before (see above)."""

    item: Item
    number: int
    anew: bool = False
    taken: int = 0
    identical: int = 0
    superseding: int = 0
    key: tuple[str, ...] = ()
    _judging: bool = False
    _opened: bool = False
    _subjects: list[pl.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._judging = self.anew
        self.key = SHAPES[self.item.code].whole_key

    def encode(self, sound: pl.DataFrame) -> bytes | bytearray:
        """What ``add`` will send for a batch, made ahead of time in the thread that reads."""
        return encode(self._as_new(sound) if self._copies else sound) if sound.height else b""

    def add(self, sound: pl.DataFrame, encoded: bytes | bytearray) -> list[Doubtful]:
        """Stores a batch (``row_no`` and the table's columns). Returns the rows it could not store."""
        if not sound.height:
            return []
        if not self._judging and self._store_new(sound, encoded):
            self.taken += sound.height
            self._touch(sound.get_column(self.item.subject_column))
            return []
        self._stage(sound, encoded if not self._copies else None)
        return self._judge(sound)

    @property
    def _copies(self) -> bool:
        return self.item.filled_by_copy and not self.anew

    def _as_new(self, sound: pl.DataFrame) -> pl.DataFrame:
        """The rows as they stand in the table, where all of them are new."""
        return sound.drop("row_no").with_columns(
            pl.lit(1, dtype=pl.Int16).alias("version"), pl.lit(True).alias("current"),
            pl.lit(self.number, dtype=pl.Int64).alias("delivery_no"),
        )

    def finish(self) -> Counts:
        """Counts, and who is touched, when the last batch is in."""
        column = self.item.subject_column
        if not self._subjects:
            return Counts(self.taken, self.identical, self.superseding, 0, [])
        rows = pl.concat(self._subjects).group_by("subject").agg(pl.col("rows").sum())
        numbers = rows.get_column("subject").to_list()
        firm_ids, waits = owners(column, numbers)
        waiting = rows.filter(pl.col("subject").is_in(list(waits))).get_column("rows").sum()
        return Counts(self.taken, self.identical, self.superseding, int(waiting), firm_ids)

    def _touch(self, subjects: pl.Series) -> None:
        self._subjects.append(subjects.value_counts(name="rows").rename({subjects.name: "subject"}).cast(pl.Int64))

    def _stage(self, sound: pl.DataFrame, encoded: bytes | bytearray | None) -> None:
        if not self._opened:
            session().execute(text("set local work_mem = '64MB'"))
            session().execute(text("drop table if exists pg_temp.stage"))
            session().execute(text(f"create temp table stage ({columns_of(sound)}) on commit drop"))
            self._opened = True
        else:
            session().execute(text("truncate stage"))
        copy_in("stage", sound, encoded)

    def _columns(self, sound: pl.DataFrame) -> list[str]:
        return [name for name in sound.columns if name != "row_no"]

    def _store_new(self, sound: pl.DataFrame, encoded: bytes | bytearray) -> bool:
        """Stores the whole batch at once; ``False`` where one of its facts is known, and nothing was stored."""
        try:
            with session().begin_nested():
                if self._copies:
                    copy_in(f"{self.item.table}_rows", self._as_new(sound), encoded)
                else:
                    self._stage(sound, encoded)
                    names = ", ".join(self._columns(sound))
                    session().execute(text(
                        f"insert into {self.item.table} ({names}, version, current, delivery_no) "
                        f"select {names}, 1, true, :number from stage"
                    ), {"number": self.number})
        except (IntegrityError, errors.UniqueViolation) as error:
            if not isinstance(getattr(error, "orig", error), errors.UniqueViolation):
                raise
            self._judging = True
            self._opened = False
            return False
        return True

    def _judge(self, sound: pl.DataFrame) -> list[Doubtful]:
        db = session()
        db.execute(text("analyze stage"))
        db.execute(text("drop table if exists pg_temp.judged"))
        db.execute(text(f"create temp table judged on commit drop as {self._verdicts(sound)}"),
                   {"number": self.number, "anew": self.anew})
        counts: dict[str, int] = {
            row[0]: row[1] for row in db.execute(text("select verdict, count(*) from judged group by verdict"))
        }
        new, superseding = counts.get("taken", 0), counts.get("superseding", 0)
        if superseding:
            same = " and ".join(f"f.{name} = j.{name}" for name in self.key)
            db.execute(text(f"update {self.item.table} f set current = false from judged j "
                            f"where j.verdict = 'superseding' and {same} and f.current"))
        if new or superseding:
            names = ", ".join(self._columns(sound))
            db.execute(text(
                f"insert into {self.item.table} ({names}, version, current, delivery_no) select {names}, last_version + 1, "
                "true, :number from judged where verdict in ('taken', 'superseding')"
            ), {"number": self.number})
            stored = db.execute(text(
                f"select {self.item.subject_column}, count(*) from judged where verdict in ('taken', 'superseding') group by 1"
            )).all()
            self._subjects.append(pl.DataFrame(
                [tuple(row) for row in stored], schema={"subject": pl.Int64, "rows": pl.Int64}, orient="row"))
        self.taken += new
        self.superseding += superseding
        self.identical += counts.get("identical", 0)
        return [
            Doubtful(row.row_no, RowReason(row.verdict), row.first_row if row.verdict == RowReason.CONFLICT_IN_FILE else None)
            for row in db.execute(text(
                "select row_no, verdict, first_row from judged where verdict not in ('taken', 'superseding', 'identical') "
                "order by row_no"
            ))
        ]

    def _verdicts(self, sound: pl.DataFrame) -> str:
        values = [name for name in self._columns(sound) if name not in self.key]
        key = ", ".join(self.key)
        known = " and ".join(f"f.{name} = d.{name}" for name in self.key)
        said, says = _words("s", values), _words("f", values)
        conflict, outdated = RowReason.CONFLICT_IN_FILE.value, RowReason.OUTDATED.value
        return f"""
            with s as (select s.*, {said} as said from stage s),
            d as (
              select s.*, row_number() over w as nth, first_value(row_no) over w as first_row,
                     first_value(said) over w as first_said
              from s window w as (partition by {key} order by row_no))
            select d.*, coalesce(k.last_version, 0) as last_version,
              case when d.nth > 1 then case when d.said = d.first_said then 'identical' else '{conflict}' end
                   when k.mine_same then 'identical'
                   when k.mine and not :anew then '{conflict}'
                   when k.mine then 'identical'
                   when k.same then 'identical'
                   when k.in_force_by is null then 'taken'
                   when k.in_force_by < :number then 'superseding'
                   when :anew then 'identical'
                   else '{outdated}' end as verdict
            from d left join lateral (
              select max(f.version) as last_version, max(f.delivery_no) filter (where f.current) as in_force_by,
                     bool_or({says} = d.said and f.delivery_no <> :number
                             and f.delivery_no not in (select number from delivery where state = 'WITHDRAWN')) as same,
                     bool_or(f.delivery_no = :number) as mine,
                     bool_or(f.delivery_no = :number and {says} = d.said) as mine_same
              from {self.item.table} f where {known}) k on true
        """


def _words(alias: str, values: Sequence[str]) -> str:
    """Everything a row says beside its key, as one text."""
    if not values:
        return "''::text"
    return "concat_ws(chr(31), " + ", ".join(f"coalesce({alias}.{name}::text, chr(30))" for name in values) + ")"
