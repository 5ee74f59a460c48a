"""From inputs to the numbers a model reads. A word becomes the log-odds of its rows, drawn towards the average.

The word's own outcome must not reach the row trained on: in training each row is told the code that the other folds give, while
the code of all rows is stored in the model. Null is a word of its own. The words of a set are numbered instead: trees weigh them
anew in every branch, which no code can; so are those with an effect each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from scoring.folds import folds_of
from scoring.model import Column
from scoring.scale import Float64
from scoring.table import Bools, Table

NULL = "∅"


def matrix(columns: Sequence[Column], inputs: pl.DataFrame) -> Float64:
    """Rows in the order of ``columns``; a column that is not there and a number that is null are NaN."""
    X = np.full((inputs.height, len(columns)), np.nan)
    there = set(inputs.columns)
    numbers = [at for at, column in enumerate(columns) if column.kind == "numeric" and column.read_from in there]
    if numbers:  # all in one go: a query a column costs more than the column of a small table
        X[:, numbers] = inputs.select(
            pl.col(columns[at].read_from).cast(pl.Float64, strict=False).fill_null(np.nan).alias(str(at)) for at in numbers
        ).to_numpy()
    for at, column in enumerate(columns):
        if column.kind != "numeric" and column.read_from in there:
            X[:, at] = encode(column, inputs[column.read_from])
    return X


def encode(column: Column, words: pl.Series) -> Float64:
    """The code of each word; that of ``other`` for one not met in training."""
    told = words.cast(pl.String).fill_null(NULL)
    codes = told.replace_strict(list(column.codes), list(column.codes.values()), default=column.other, return_dtype=pl.Float64)
    return np.asarray(codes.to_numpy(), dtype=np.float64)


def learn(column: Column, words: pl.Series, rows: Told, smoothing: float) -> Column:
    """The column with the code of every word: the log of the odds of its rows over those expected of their era, with
    ``smoothing`` average rows added, on top of the log-odds of all rows.
    """
    average = float(np.clip(np.average(rows.bad, weights=rows.mass), 1e-6, 1.0 - 1e-6))
    usual = float(np.log((1.0 - average) / average))
    held = {"n": rows.mass, "bad": rows.mass * rows.bad, "due": rows.mass * rows.expected}
    sums = (
        pl.DataFrame({"word": words.cast(pl.String).fill_null(NULL), **held})
        .group_by("word", maintain_order=True)
        .agg(pl.col("n").sum(), pl.col("bad").sum(), pl.col("due").sum())
        .sort("word")
    )
    n, bad, due = (sums[name].to_numpy() for name in ("n", "bad", "due"))
    lost, kept = smoothing * average, smoothing * (1.0 - average)
    codes = usual + np.log((n - bad + kept) / (bad + lost)) - np.log((n - due + kept) / (due + lost))
    return replace(column, codes=dict(zip(sums["word"].to_list(), codes.tolist(), strict=True)), other=usual)


def number(column: Column, words: pl.Series) -> Column:
    """The column with a whole number for each word, in their alphabetical order; a new word is as good as none."""
    met = words.cast(pl.String).fill_null(NULL).unique().sort().to_list()
    other = -1.0 if column.kind == "effect" else column.other
    return replace(column, codes={word: float(at) for at, word in enumerate(met)}, other=other)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """``mass``: weight relative to its mean, so that ``smoothing`` counts rows; ``expected``: share of bad rows of the era."""

    bad: Float64
    mass: Float64
    expected: Float64

    def where(self, mask: Bools) -> Told:
        return Told(self.bad[mask], self.mass[mask], self.expected[mask])


def expected_of_era(table: Table, weight: Float64, prior: float = 10.0) -> Float64:
    """Share of bad rows in the era of each row, drawn to the average by ``prior`` rows; the average where there is one era."""
    mass = weight / weight.mean()
    _, place = np.unique(table.era, return_inverse=True)
    total = np.bincount(place, mass)
    average = float(np.average(table.bad, weights=mass))
    return np.asarray(((np.bincount(place, mass * table.bad) + prior * average) / (total + prior))[place], dtype=np.float64)


def learn_all(
    table: Table, weight: Float64, expected: Float64, smoothing: float, folds: int, seed: int
) -> tuple[tuple[Column, ...], Float64]:
    """The columns with their codes, and the matrix to train on, in which no row knows its own outcome."""
    fold_of = folds_of(table.bad, table.group, folds, seed)
    told = Told(table.bad, weight / weight.mean(), expected)

    def learnt(column: Column) -> Column:
        if column.kind == "numeric":
            return column
        words = table.inputs[column.read_from]
        return learn(column, words, told, smoothing) if column.kind == "category" else number(column, words)

    columns = tuple(learnt(column) for column in table.columns)
    X = matrix(columns, table.inputs)
    for at, column in enumerate(columns):
        if column.kind != "category":
            continue
        words = table.inputs[column.read_from]
        for fold in range(folds):
            held: Bools = fold_of == fold
            if held.any() and not held.all():
                others = learn(column, words.filter(~held), told.where(~held), smoothing)
                X[held, at] = encode(others, words.filter(held))
    return columns, X
