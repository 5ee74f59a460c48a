"""Lines without a key of their own: told apart by their content and by which such line of their delivery they are."""

from __future__ import annotations

from hashlib import blake2b

import polars as pl

KEY = ("content", "k")
"""What, beside the firm, tells such lines apart."""
_SEPARATOR = "\x1f"


def content(line: str) -> int:
    """The 64-bit key of a line's content: BLAKE2b, read as a signed big-endian number."""
    return int.from_bytes(blake2b(line.encode(), digest_size=8).digest(), "big", signed=True)


class LineNumbers:
    """Counts equal lines of one firm through all batches of a delivery, so that exact repeats stay lines of their own."""

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int], int] = {}

    def number(self, sound: pl.DataFrame) -> pl.DataFrame:
        """Adds ``content`` and ``k`` behind ``row_no`` and ``firm_no``."""
        values = [name for name in sound.columns if name not in ("row_no", "firm_no")]
        texts = sound.select(
            pl.concat_str([pl.col(name).cast(pl.String).fill_null("\x1e") for name in values], separator=_SEPARATOR)
        ).to_series()
        codes, places = [content(line) for line in texts], []
        for key in zip(sound.get_column("firm_no"), codes, strict=True):
            self.seen[key] = self.seen.get(key, 0) + 1
            places.append(self.seen[key])
        return sound.select(
            "row_no", "firm_no", pl.Series("content", codes, dtype=pl.Int64), pl.Series("k", places, dtype=pl.Int64), *values,
        )
