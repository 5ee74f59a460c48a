"""From inputs to the numbers a model reads. A word becomes the log-odds of its rows, drawn towards the average.

The word's own outcome must not reach the row trained on: in training each row is told the code that the other folds give, while
the code of all rows is stored in the model. Null is a word of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
    for at, column in enumerate(columns):
        if column.read_from not in inputs.columns:
            continue
        told = inputs[column.read_from]
        if column.kind == "category":
            X[:, at] = encode(column, told)
        else:
            X[:, at] = told.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    return X


def encode(column: Column, words: pl.Series) -> Float64:
    """The code of each word; that of ``other`` for one not met in training."""
    told = words.cast(pl.String).fill_null(NULL)
    codes = told.replace_strict(list(column.codes), list(column.codes.values()), default=column.other, return_dtype=pl.Float64)
    return np.asarray(codes.to_numpy(), dtype=np.float64)


def learn(column: Column, words: pl.Series, bad: Float64, weight: Float64, smoothing: float) -> Column:
    """The column with the code of every word: log-odds of its rows with ``smoothing`` average rows added.

    ``weight`` is taken relative to its mean, so that ``smoothing`` counts rows.
    """
    mass = weight / weight.mean()
    average = float(np.clip((mass * bad).sum() / mass.sum(), 1e-6, 1.0 - 1e-6))
    sums = (
        pl.DataFrame({"word": words.cast(pl.String).fill_null(NULL), "n": mass, "bad": mass * bad})
        .group_by("word", maintain_order=True)
        .agg(pl.col("n").sum(), pl.col("bad").sum())
        .sort("word")
    )
    share = (sums["bad"].to_numpy() + smoothing * average) / (sums["n"].to_numpy() + smoothing)
    codes = np.log((1.0 - share) / share)
    return replace(
        column,
        codes=dict(zip(sums["word"].to_list(), codes.tolist(), strict=True)),
        other=float(np.log((1.0 - average) / average)),
    )


def learn_all(table: Table, weight: Float64, smoothing: float, folds: int, seed: int) -> tuple[tuple[Column, ...], Float64]:
    """The columns with their codes, and the matrix to train on, in which no row knows its own outcome."""
    fold_of = folds_of(table.bad, table.group, folds, seed)
    columns, bad = [], table.bad
    for column in table.columns:
        if column.kind == "category":
            column = learn(column, table.inputs[column.read_from], bad, weight, smoothing)
        columns.append(column)
    X = matrix(columns, table.inputs)
    for at, column in enumerate(columns):
        if column.kind != "category":
            continue
        words = table.inputs[column.read_from]
        for fold in range(folds):
            held: Bools = fold_of == fold
            if held.any() and not held.all():
                others = learn(column, words.filter(~held), bad[~held], weight[~held], smoothing)
                X[held, at] = encode(others, words.filter(held))
    return tuple(columns), X
