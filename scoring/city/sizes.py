"""Size class by 工信部联企业〔2011〕300号, vectorised over firms.

The same table as ``app/enterprises/rules.py``, which scoring may not import; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Limits = tuple[int, int, int]

SIZES: Final = ("micro", "small", "medium", "large")

_NOT_LISTED: Final[Limits] = (0, 0, 0)
"""A measure the industry's row does not list never holds a firm back."""

# Lower limits for small, medium, large of persons, revenue (万元) and assets (万元), by prefix of the industry code.
_ROWS: Final[tuple[tuple[str, str, Limits, Limits, Limits], ...]] = (
    ("01", "05", _NOT_LISTED, (50, 500, 20_000), _NOT_LISTED),
    ("06", "46", (20, 300, 1000), (300, 2000, 40_000), _NOT_LISTED),
    ("47", "50", _NOT_LISTED, (300, 6000, 80_000), (300, 5000, 80_000)),
    ("51", "51", (5, 20, 200), (1000, 5000, 40_000), _NOT_LISTED),
    ("52", "52", (10, 50, 300), (100, 500, 20_000), _NOT_LISTED),
    ("54", "58", (20, 300, 1000), (200, 3000, 30_000), _NOT_LISTED),
    ("591", "591", (20, 300, 1000), (200, 3000, 30_000), _NOT_LISTED),
    ("59", "59", (20, 100, 200), (100, 1000, 30_000), _NOT_LISTED),
    ("60", "60", (20, 300, 1000), (100, 2000, 30_000), _NOT_LISTED),
    ("61", "62", (10, 100, 300), (100, 2000, 10_000), _NOT_LISTED),
    ("63", "64", (10, 100, 2000), (100, 1000, 100_000), _NOT_LISTED),
    ("65", "65", (10, 100, 300), (50, 1000, 10_000), _NOT_LISTED),
    ("701", "701", _NOT_LISTED, (100, 1000, 200_000), (2000, 5000, 10_000)),
    ("702", "702", (100, 300, 1000), (500, 1000, 5000), _NOT_LISTED),
    ("703", "709", (10, 100, 300), _NOT_LISTED, _NOT_LISTED),
    ("71", "72", (10, 100, 300), _NOT_LISTED, (100, 8000, 120_000)),
    ("73", "83", (10, 100, 300), _NOT_LISTED, _NOT_LISTED),
    ("85", "90", (10, 100, 300), _NOT_LISTED, _NOT_LISTED),
)
_WAN_FEN: Final = 1_000_000


def limits(code: str) -> NDArray[np.int64]:
    """Lower limits for an industry: rows persons, revenue, assets (分); columns small, medium, large.

    Raises ``KeyError`` for an industry the table does not cover.
    """
    for first, last, *measures in _ROWS:
        if first <= code[: len(first)] <= last:
            return np.asarray(np.array(measures, dtype=np.int64) * [[1], [_WAN_FEN], [_WAN_FEN]], dtype=np.int64)
    raise KeyError(code)


def size_ranks(codes: Sequence[str], industry: Ints, heads: Ints, revenue_fen: Ints, assets_fen: Ints) -> Ints:
    """Index into ``SIZES`` of each firm: the lowest rank among the listed measures; a limit itself belongs to the higher class.

    ``industry`` numbers the firms' industries among ``codes``.
    """
    table = np.array([limits(code) for code in codes], dtype=np.int64)[industry]
    measures: Ints = np.stack([heads, revenue_fen, assets_fen], axis=1)
    ranks: Ints = (measures[:, :, None] >= table).sum(axis=2)
    return np.asarray(ranks.min(axis=1), dtype=np.int64)
