"""Which part of a margin comes from which column: LightGBM's own contributions, exact, from tables worked out beforehand.

``Explainer.contributions`` equals ``Booster.predict(..., pred_contrib=True)`` of each booster, weighted and added up. A few rows
are answered by numpy alone, so that a web process loads neither numba nor LightGBM; many rows by a compiled kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.compiled import FEW_ROWS, compiled
from scoring.pattern_kernel import add_parts
from scoring.patterns import Builder, Group, Limits, Tables, TooDeep, groups
from scoring.trees import CATEGORY, NAN_LEFT, ZERO, ZERO_LEFT, ZERO_RIGHT, Forest, TreeError, parse

if TYPE_CHECKING:
    import lightgbm as lgb

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class DeepTree:
    """A tree whose tables would be too large; LightGBM explains it, at its own speed."""

    booster: int
    tree: int
    weight: float


@dataclass(frozen=True)
class Explainer:
    """Explains the weighted sum of some boosters' margins. ``bias``: the margin of nobody in particular, the mean over training.

    ``constant``: what trees of a single leaf add to every margin.
    ``deep``: trees left to LightGBM (none for trees of up to 11 features per path, within ``Limits.table_bytes``).
    """

    names: tuple[str, ...]
    bias: float
    constant: float
    tables: Tables = field(repr=False)
    deep: tuple[DeepTree, ...]
    texts: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(
        cls, booster_texts: Sequence[str] | str, weights: Sequence[float] | None = None, limits: Limits = LIMITS
    ) -> Explainer:
        """Of model texts and their weights, equal ones where none are given. The last few are remembered.

        Raises TreeError where the boosters read different features or one of them is not explained (see ``trees.parse``).
        """
        texts = (booster_texts,) if isinstance(booster_texts, str) else tuple(booster_texts)
        if not texts or (weights is not None and len(weights) != len(texts)):
            raise TreeError("one weight per booster, and at least one booster")
        shares = tuple(map(float, weights)) if weights is not None else (1.0 / len(texts),) * len(texts)
        return _explainer(texts, shares, limits)

    def contributions(self, X: ArrayLike, threads: int = 1) -> tuple[Float64, float]:
        """(part of each column per row, bias): a row's parts and the bias add up to its margin. NaN is missing.

        ``threads``: rows are shared among so many. Raises ValueError on a wrong width.
        """
        rows = self._rows(X)
        if len(rows) <= FEW_ROWS:
            parts = self._few(rows)
        else:
            parts = np.empty_like(rows)
            tables = self.tables
            self._run(rows, parts, (tables.column_start, tables.column, tables.offset, tables.table), threads)
        for deep in self.deep:
            parts += deep.weight * self._by_lightgbm(deep, rows, threads, contributions=True)[:, :-1]
        return parts, self.bias

    def margins(self, X: ArrayLike, threads: int = 1) -> Float64:
        """Raw margins of rows, from the same tables. Raises ValueError on a wrong width."""
        rows = self._rows(X)
        tables = self.tables
        if len(rows) <= FEW_ROWS:
            margins = tables.margin_table[tables.margin_offset + self._patterns(rows)].sum(axis=1)
        else:
            sums = np.empty((len(rows), 1))
            each = np.arange(len(tables.bit_start))
            self._run(rows, sums, (each, np.zeros_like(each), tables.margin_offset, tables.margin_table), threads)
            margins = sums[:, 0]
        margins += self.constant
        for deep in self.deep:
            margins += deep.weight * self._by_lightgbm(deep, rows, threads, contributions=False)
        return np.asarray(margins, dtype=np.float64)

    def _rows(self, X: ArrayLike) -> Float64:
        rows = np.atleast_2d(np.asarray(X, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise ValueError(f"expected rows of {len(self.names)} columns, got {rows.shape[-1]}")
        return np.ascontiguousarray(rows)

    def _run(self, rows: Float64, out: Float64, entries: tuple[NDArray[np.generic], ...], threads: int) -> None:
        tables, kernel = self.tables, compiled(add_parts)
        questions = (
            tables.split_feature, tables.split_kind, tables.split_threshold, tables.split_words, tables.words,
            tables.bit_start, tables.term_start, tables.term_split, tables.term_want,
        )  # fmt: skip
        if threads == 1:
            kernel(rows, out, *questions, *entries)
            return
        shares = [slice(part[0], part[-1] + 1) for part in np.array_split(np.arange(len(rows)), threads) if len(part)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda share: kernel(rows[share], out[share], *questions, *entries), shares))

    def _few(self, rows: Float64) -> Float64:
        tables, columns = self.tables, len(self.names)
        entries = tables.table[tables.offset + self._patterns(rows)[:, self._group_of_entry]]
        place = tables.column + columns * np.arange(len(rows))[:, None]
        parts = np.bincount(place.reshape(-1), entries.reshape(-1), minlength=rows.size)
        return np.asarray(parts, dtype=np.float64).reshape(rows.shape)

    def _patterns(self, rows: Float64) -> Int64:
        """The pattern of answers of each row in each group."""
        tables = self.tables
        if not len(tables.split_feature):
            return np.zeros((len(rows), 0), dtype=np.int64)
        agrees = _answers(tables, rows)[:, tables.term_split] == tables.term_want
        bits = np.logical_and.reduceat(agrees, tables.term_start[:-1], axis=1)
        return np.asarray(np.add.reduceat(bits * self._weight_of_bit, tables.bit_start[:-1], axis=1), dtype=np.int64)

    @cached_property
    def _group_of_entry(self) -> Int64:
        return np.repeat(np.arange(len(self.tables.bit_start) - 1), np.diff(self.tables.column_start))

    @cached_property
    def _weight_of_bit(self) -> Int64:
        start = self.tables.bit_start
        return np.asarray(1 << (np.arange(start[-1]) - np.repeat(start[:-1], np.diff(start))), dtype=np.int64)

    def _by_lightgbm(self, deep: DeepTree, rows: Float64, threads: int, contributions: bool) -> Float64:
        booster = _booster(self.texts[deep.booster])
        return np.asarray(
            booster.predict(
                rows, raw_score=True, pred_contrib=contributions, start_iteration=deep.tree, num_iteration=1, num_threads=threads
            ),
            dtype=np.float64,
        )


def _answers(tables: Tables, rows: Float64) -> NDArray[np.bool_]:
    """[rows, splits]: who goes left, as in ``pattern_kernel.add_parts``."""
    value, kind, threshold = rows[:, tables.split_feature], tables.split_kind, tables.split_threshold
    answers = (value <= threshold) | (np.isnan(value) & (kind == NAN_LEFT))
    zero = (kind == ZERO_LEFT) | (kind == ZERO_RIGHT)
    if zero.any():
        answers = np.where(zero & (np.isnan(value) | (np.abs(value) <= ZERO)), kind == ZERO_LEFT, answers)
    category = np.flatnonzero(kind == CATEGORY)
    if len(category):
        first, asked = tables.split_words[category], value[:, category]
        known = (asked > -1.0) & (asked < 32.0 * (tables.split_words[category + 1] - first))
        code = np.where(known, asked, 0.0).astype(np.int64)
        answers[:, category] = known & ((tables.words[first + code // 32] >> (code % 32).astype(np.uint32)) & 1).astype(np.bool_)
    return np.asarray(answers, dtype=np.bool_)


@lru_cache(maxsize=4)
def _booster(text: str) -> lgb.Booster:
    import lightgbm as lgb

    return lgb.Booster(model_str=text)


@lru_cache(maxsize=4)
def _explainer(texts: tuple[str, ...], weights: tuple[float, ...], limits: Limits) -> Explainer:
    forests: list[Forest] = [parse(text) for text in texts]
    if len({forest.names for forest in forests}) != 1:
        raise TreeError("boosters that are averaged must read the same features")
    builder, deep, bias, constant = Builder(), [], 0.0, 0.0
    for number, (forest, weight) in enumerate(zip(forests, weights, strict=True)):
        for place, tree in enumerate(forest.trees):
            bias += weight * tree.expected()
            constant += 0.0 if tree.splits else weight * tree.leaf_value[0]
            try:
                pieces: list[Group] = groups(tree, limits)
            except TooDeep:
                pieces = []
            fits = builder.bytes + sum(piece.table_bytes for piece in pieces) <= limits.table_bytes
            if tree.splits and (not pieces or not fits):
                deep.append(DeepTree(number, place, weight))
                continue
            for piece in pieces:
                builder.add(piece, weight)
    return Explainer(forests[0].names, bias, constant, builder.tables(), tuple(deep), texts)
