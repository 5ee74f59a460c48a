"""Exact TreeSHAP as table look-ups.

The contributions of a leaf depend on nothing but which of the conditions on its path hold. A tree is cut into groups of
leaves that ask few questions together; for each group every pattern of answers has its contributions worked out beforehand,
so a row only answers the questions and adds up table entries. The idea is that of Fast TreeSHAP v2 (Yang 2021) and WOODELF
(Nadel & Wettenstein 2025), the values are those of LightGBM's ``pred_contrib`` (path-dependent).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.trees import Split, Tree

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Term = tuple[Split, bool]


@dataclass(frozen=True, slots=True)
class Limits:
    """``bits``: questions a group of several leaves may ask together. ``leaf_bits``: features on the path to one leaf.

    ``table_bytes``: all tables of a model. A tree beyond the last two is left to LightGBM (proposals, measured in
    ``benchmarks/scoring_explain.py``).
    """

    bits: int = 7
    leaf_bits: int = 11
    table_bytes: int = 256 << 20


class TooDeep(Exception):
    """A leaf has more features on its path than a table may have bits."""


class Player(NamedTuple):
    """A feature on the path to a leaf: it agrees when ``pattern & mask == want``; ``cover``: share of rows that do."""

    feature: int
    mask: int
    want: int
    cover: float


class Step(NamedTuple):
    """One edge on the way down."""

    term: Term
    cover: float


@dataclass(frozen=True, slots=True)
class Group:
    """Some leaves of one tree. ``bits[i]``: the conditions that all hold when bit i of a pattern is set."""

    bits: tuple[tuple[Term, ...], ...]
    leaves: tuple[tuple[float, tuple[Player, ...]], ...]

    @property
    def features(self) -> tuple[int, ...]:
        """Features on any path, ascending."""
        return tuple(sorted({player.feature for _, players in self.leaves for player in players}))

    @property
    def table_bytes(self) -> int:
        """What the tables of this group take, the margin's among them."""
        return 8 * (len(self.features) + 1) << len(self.bits)


def groups(tree: Tree, limits: Limits) -> list[Group]:
    """The leaves of a tree in as few groups as the limits allow. Raises TooDeep."""
    return list(_groups(tree, 0, (), limits)) if tree.splits else []


def _groups(tree: Tree, node: int, path: tuple[Step, ...], limits: Limits) -> Iterator[Group]:
    above = len({step.term[0].feature for step in path})
    if node < 0 and above > limits.leaf_bits:
        raise TooDeep
    below = _inner(tree, node)
    if node < 0 or above + len(below) <= limits.bits:
        yield _group(tree, node, path, below)
        return
    for child, step in _children(tree, node):
        yield from _groups(tree, child, (*path, step), limits)


def _inner(tree: Tree, node: int) -> list[int]:
    """The splits under a node, itself first."""
    return [] if node < 0 else [node, *_inner(tree, tree.left[node]), *_inner(tree, tree.right[node])]


def _children(tree: Tree, node: int) -> Iterator[tuple[int, Step]]:
    for child, goes_left in ((tree.left[node], True), (tree.right[node], False)):
        yield child, Step((tree.splits[node], goes_left), tree.count(child) / max(1, tree.count(node)))


def _group(tree: Tree, top: int, path: tuple[Step, ...], below: Sequence[int]) -> Group:
    """Leaves under ``top``. The questions above it are the same for all: one bit per feature, set when all of them agree."""
    shared: dict[int, list[Step]] = {}
    for step in path:
        shared.setdefault(step.term[0].feature, []).append(step)
    bits = [tuple(step.term for step in steps) for steps in shared.values()]
    bits += [((tree.splits[node], True),) for node in below]
    place = {node: len(shared) + position for position, node in enumerate(below)}
    start = {
        feature: Player(feature, 1 << position, 1 << position, float(np.prod([step.cover for step in steps])))
        for position, (feature, steps) in enumerate(shared.items())
    }
    leaves: list[tuple[float, tuple[Player, ...]]] = []

    def walk(node: int, players: dict[int, Player]) -> None:
        if node < 0:
            leaves.append((tree.leaf_value[~node], tuple(players.values())))
            return
        for child, ((split, goes_left), cover) in _children(tree, node):
            before = players.get(split.feature, Player(split.feature, 0, 0, 1.0))
            bit = 1 << place[node]
            player = Player(split.feature, before.mask | bit, before.want | bit * goes_left, before.cover * cover)
            walk(child, {**players, split.feature: player})

    walk(top, start)
    return Group(tuple(bits), tuple(leaves))


def group_tables(group: Group) -> tuple[Float64, Float64]:
    """(contribution of each feature, [features, patterns]; margin, [patterns]) for every pattern of answers.

    Shapley weights are Beta integrals, so the value of player i is ``v (z_i - w_i) ∫ Π_{j≠i} (w_j (1-t) + z_j t) dt`` over
    0…1: a polynomial of degree d - 1, which Gauss-Legendre quadrature with d/2 nodes integrates exactly.
    """
    features = group.features
    most = max(len(players) for _, players in group.leaves)
    # a player who always agrees and covers everything changes nothing: shorter paths are filled up with it
    filled = [[*players, *[Player(features[0], 0, 0, 1.0)] * (most - len(players))] for _, players in group.leaves]
    values = np.array([value for value, _ in group.leaves])
    mask = np.array([[player.mask for player in players] for players in filled])
    want = np.array([[player.want for player in players] for players in filled])
    cover = np.array([[player.cover for player in players] for players in filled])[:, :, None]
    agrees = ((np.arange(1 << len(group.bits)) & mask[:, :, None]) == want[:, :, None]).astype(np.float64)
    parts = np.zeros_like(agrees)
    for t, weight in _quadrature((most + 1) // 2):
        factors = cover * (1.0 - t) + agrees * t
        for i in range(most):
            parts[:, i] += weight * np.prod(np.delete(factors, i, axis=1), axis=1)
    parts *= (agrees - cover) * values[:, None, None]
    table = np.zeros((len(features), agrees.shape[2]))
    for players, part in zip(filled, parts, strict=True):
        for player, row in zip(players, part, strict=True):
            table[features.index(player.feature)] += row
    return table, values @ agrees.prod(axis=1)


@cache
def _quadrature(nodes: int) -> tuple[tuple[float, float], ...]:
    """(place, weight) of Gauss-Legendre over 0…1."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return tuple(zip((places + 1.0) / 2.0, weights / 2.0, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """All groups of a model as flat arrays.

    Group g asks bits ``bit_start[g]:bit_start[g+1]``; a bit holds when each of its terms has the wanted answer; the answers
    together are its pattern. Its entries ``column_start[g]:…`` each add ``table[offset + pattern]`` to ``column``. For margins
    there is one entry per group, ``margin_table[margin_offset[g] + pattern]``.
    """

    split_feature: Int64
    split_kind: Int64
    split_threshold: Float64
    split_words: Int64
    words: NDArray[np.uint32]
    bit_start: Int64
    term_start: Int64
    term_split: Int64
    term_want: NDArray[np.uint8]
    column_start: Int64
    column: Int64
    offset: Int64
    table: Float64
    margin_offset: Int64
    margin_table: Float64


@dataclass(slots=True)
class Builder:
    """Collects weighted groups; ``bytes`` is what their tables take."""

    bytes: int = 0
    _splits: dict[Split, int] = field(default_factory=dict)
    _bits: list[int] = field(default_factory=lambda: [0])
    _terms: list[int] = field(default_factory=lambda: [0])
    _term_split: list[int] = field(default_factory=list)
    _term_want: list[bool] = field(default_factory=list)
    _columns: list[tuple[int, ...]] = field(default_factory=list)
    _tables: list[Float64] = field(default_factory=list)
    _margins: list[Float64] = field(default_factory=list)

    def add(self, group: Group, weight: float) -> None:
        """Takes in one group, its values multiplied by ``weight``."""
        for terms in group.bits:
            for split, want in terms:
                self._term_split.append(self._splits.setdefault(split, len(self._splits)))
                self._term_want.append(want)
            self._terms.append(len(self._term_split))
        self._bits.append(len(self._terms) - 1)
        table, margin = group_tables(group)
        self._columns.append(group.features)
        self._tables.append(weight * table)
        self._margins.append(weight * margin)
        self.bytes += group.table_bytes

    def tables(self) -> Tables:
        """Everything taken in, flat."""
        splits = list(self._splits)
        widths = np.repeat([len(margin) for margin in self._margins], [len(names) for names in self._columns])
        nothing = np.zeros(0)
        return Tables(
            split_feature=np.array([split.feature for split in splits], dtype=np.int64),
            split_kind=np.array([split.kind for split in splits], dtype=np.int64),
            split_threshold=np.array([split.threshold for split in splits], dtype=np.float64),
            split_words=_starts([len(split.words) for split in splits]),
            words=np.array([word for split in splits for word in split.words], dtype=np.uint32),
            bit_start=np.array(self._bits, dtype=np.int64),
            term_start=np.array(self._terms, dtype=np.int64),
            term_split=np.array(self._term_split, dtype=np.int64),
            term_want=np.array(self._term_want, dtype=np.uint8),
            column_start=_starts([len(names) for names in self._columns]),
            column=np.array([name for names in self._columns for name in names], dtype=np.int64),
            offset=_starts(widths)[:-1],
            table=np.concatenate([nothing, *(table.reshape(-1) for table in self._tables)]),
            margin_offset=_starts([len(margin) for margin in self._margins])[:-1],
            margin_table=np.concatenate([nothing, *self._margins]),
        )


def _starts(lengths: Sequence[int] | Int64) -> Int64:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
