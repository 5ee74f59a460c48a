"""The inner loop of the contributions, written for numba: blocks of rows, one table look-up per group of leaves and feature."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.trees import CATEGORY, NAN_LEFT, NAN_RIGHT, ZERO, ZERO_LEFT

BLOCK: Final = 256
"""Rows worked on at once: their answers to all questions of a model stay in the processor's second cache."""
STRIDE: Final = BLOCK + 8
"""Columns of a block lie this far apart: a power of two would put them all into the same few lines of the cache."""


def add_parts(
    rows: NDArray[np.float64],
    out: NDArray[np.float64],
    split_feature: NDArray[np.int64],
    split_kind: NDArray[np.int64],
    split_threshold: NDArray[np.float64],
    split_words: NDArray[np.int64],
    words: NDArray[np.uint32],
    bit_start: NDArray[np.int64],
    term_start: NDArray[np.int64],
    term_split: NDArray[np.int64],
    term_want: NDArray[np.uint8],
    column_start: NDArray[np.int64],
    column: NDArray[np.int64],
    offset: NDArray[np.int64],
    table: NDArray[np.float64],
) -> None:
    """``out[n, k] = sum of table entries`` of the groups' patterns for ``rows[n, columns]``; see ``patterns.Tables``."""
    values = np.empty((rows.shape[1], STRIDE), np.float64)
    answers = np.empty((split_feature.shape[0], BLOCK), np.uint8)
    pattern = np.empty(BLOCK, np.uint16)
    bit = np.empty(BLOCK, np.uint16)
    sums = np.empty((out.shape[1], STRIDE), np.float64)
    for start in range(0, rows.shape[0], BLOCK):
        size = min(BLOCK, rows.shape[0] - start)
        for r in range(size):
            for c in range(rows.shape[1]):
                values[c, r] = rows[start + r, c]
        sums[:, :size] = 0.0
        for s in range(split_feature.shape[0]):
            value, answer, threshold = values[split_feature[s]], answers[s], split_threshold[s]
            if split_kind[s] == NAN_RIGHT:
                for r in range(size):
                    answer[r] = value[r] <= threshold
            elif split_kind[s] == NAN_LEFT:
                for r in range(size):
                    answer[r] = not (value[r] > threshold)
            elif split_kind[s] == CATEGORY:
                first, last = split_words[s], split_words[s + 1]
                for r in range(size):
                    answer[r] = 0
                    if value[r] > -1.0 and value[r] < 32.0 * (last - first):
                        code = np.int64(value[r])
                        answer[r] = (words[first + code // 32] >> np.uint32(code % 32)) & np.uint32(1)
            else:
                for r in range(size):
                    if np.isnan(value[r]) or abs(value[r]) <= ZERO:
                        answer[r] = split_kind[s] == ZERO_LEFT
                    else:
                        answer[r] = value[r] <= threshold
        for g in range(bit_start.shape[0] - 1):
            pattern[:size] = 0
            for b in range(bit_start[g], bit_start[g + 1]):
                shift = np.uint16(b - bit_start[g])
                first = term_start[b]
                answer, want = answers[term_split[first]], term_want[first]
                if term_start[b + 1] == first + 1 and want == 1:
                    for r in range(size):
                        pattern[r] |= np.uint16(answer[r]) << shift
                    continue
                for r in range(size):
                    bit[r] = answer[r] == want
                for t in range(first + 1, term_start[b + 1]):
                    answer, want = answers[term_split[t]], term_want[t]
                    for r in range(size):
                        bit[r] &= np.uint16(answer[r] == want)
                for r in range(size):
                    pattern[r] |= bit[r] << shift
            for c in range(column_start[g], column_start[g + 1]):
                total, base = sums[column[c]], np.uint64(offset[c])
                for r in range(size):
                    total[r] += table[base + np.uint64(pattern[r])]
        for r in range(size):
            for c in range(out.shape[1]):
                out[start + r, c] = sums[c, r]
