"""Sources closed at random in training, so that a source not opened tells a model nothing.

Where data are missing for a reason (a firm that has stopped insuring its staff has no insurance record), a model learns to take
points off for what is missing, and a firm that merely does not consent would pay for it. So every row is also shown with some of
its sources closed by lot: among the rows that lack a source most are then no worse than others, and what the model says of them
rests on what it can see.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl

from scoring.encoding import matrix
from scoring.model import Model
from scoring.scale import Float64
from scoring.table import Bools, Ints, Table
from scoring.terms import Term

ASKED: Final = 300
"""Most rows asked what closing one source would change: the median of so many is off by a point or so."""


def closed_by_lot(rows: int, sources: int, seed: int) -> Bools:
    """bool[rows, sources]: which are closed. Every row has a share of its own between none and all, so that one closed source is
    met as often as one open source.
    """
    rng = np.random.default_rng(seed)
    share = rng.random((rows, 1))
    return np.asarray(rng.random((rows, sources)) < share, dtype=np.bool_)


def close(table: Table, closed: Bools) -> Table:
    """The same rows without what the closed sources feed. ``closed``: [rows, sources] in the order of ``table.sources``."""
    hidden: dict[str, Bools] = {}
    for which, columns in zip(closed.T, table.sources.values(), strict=True):
        for column in columns:
            hidden[column] = hidden[column] | which if column in hidden else which
    empty = [
        pl.when(pl.Series(which)).then(None).otherwise(pl.col(column)).alias(column)
        for column, which in hidden.items()
        if column in table.inputs.columns
    ]
    return replace(table, inputs=table.inputs.with_columns(empty))


def with_closed(table: Table, copies: int, seed: int) -> Table:
    """The rows, and ``copies`` of each with sources closed by lot. A table of no or one source is left as it is."""
    if len(table.sources) < 2 or copies < 1:
        return table
    n = len(table)
    every = table.take(np.tile(np.arange(n), copies + 1))
    lots = closed_by_lot(n * copies, len(table.sources), seed)
    return close(every, np.concatenate([np.zeros((n, len(table.sources)), dtype=np.bool_), lots]))


def speakers(table: Table) -> dict[str, str]:
    """Source → the column that is absent exactly when the source is, as nearly as the rows can tell: of the columns it alone
    feeds, the one that is known most often. Sources of no such column, or never known, have no entry.
    """
    fed: dict[str, int] = {}
    for columns in table.sources.values():
        for column in columns:
            fed[column] = fed.get(column, 0) + 1
    known = {name: len(table) - table.inputs[name].null_count() for name in table.inputs.columns}
    found = {}
    for source, columns in table.sources.items():
        alone = [column for column in columns if fed[column] == 1 and known.get(column)]
        if alone:
            found[source] = max(alone, key=lambda column: known[column])
    return found


def amends(model: Model, table: Table) -> tuple[Term, ...]:
    """Terms that give back what the typical firm would lose, or take what it would gain, by closing one source alone.

    Closing by lot leaves two things: what firms without a source are really like on the average, and that probabilities draw
    towards the average where less is known. Neither may count against a firm that does not consent, so the median change of the
    margin over the firms that have the source is taken back wherever the source is absent.
    """
    told = speakers(table)
    known = {source: table.inputs[column].is_not_null().to_numpy() for source, column in told.items()}
    asked = {source: _spread(np.flatnonzero(there), ASKED) for source, there in known.items()}
    if not asked:
        return ()
    X = matrix(model.columns, table.inputs)
    nothing = pl.DataFrame({name: pl.Series([None], dtype=kind) for name, kind in table.inputs.schema.items()})
    unknown = matrix(model.columns, nothing)[0]
    shut = np.concatenate([_without(X[rows], model, table.sources[source], unknown) for source, rows in asked.items()])
    each = np.concatenate(list(asked.values()))
    rows, place = np.unique(each, return_inverse=True)
    change = model.margins(shut) - model.margins(X[rows])[place]
    ends = np.cumsum([len(rows) for rows in asked.values()])
    terms = []
    for (source, column), moved in zip(told.items(), np.split(change, ends[:-1]), strict=True):
        back = -float(np.median(moved))
        if back:
            terms.append(Term(column, "step", (), (0.0,), back, back * float(1.0 - known[source].mean())))
    return tuple(terms)


def _without(X: Float64, model: Model, fed: Collection[str], unknown: Float64) -> Float64:
    """The rows with ``unknown`` in every column of the model that reads one of ``fed``."""
    hidden = np.array([column.read_from in fed for column in model.columns])
    return np.where(hidden, unknown, X)


def _spread(rows: Ints, most: int) -> Ints:
    """At most so many of the rows, evenly spread over them."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(np.int64)]
