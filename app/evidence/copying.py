"""Frames become PostgreSQL's binary COPY format: whole columns at a time, no text in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.core.database import session

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH = np.datetime64("2000-01-01", "D")
"""Day 0 of PostgreSQL's dates."""
_TYPES: dict[Any, str] = {
    pl.Int64: "bigint", pl.Int16: "smallint", pl.Date: "date", pl.String: "text", pl.Boolean: "boolean",
}
_FEW = 64
"""So many different texts in a column are written by their number, not one by one."""


def columns_of(frame: pl.DataFrame) -> str:
    """Column definitions of a table that holds the frame: bigint, smallint, date, text or boolean."""
    return ", ".join(f"{name} {_TYPES[kind.base_type()]}" for name, kind in frame.schema.items())


def encode(frame: pl.DataFrame) -> bytes | bytearray:
    """The frame as one binary COPY stream; columns of int64, int16, dates, text and booleans, nulls allowed."""
    parts: list[tuple[str, Any, Any]] = [("fields", ">i2", np.int16(frame.width))]
    masks: dict[str, NDArray[np.bool_]] = {}
    for place, column in enumerate(frame.get_columns()):
        if column.null_count() == frame.height:
            parts.append((f"l{place}", ">i4", np.int32(-1)))
            continue
        missing = column.is_null().to_numpy() if column.null_count() else None
        values, lengths = _values(column)
        if missing is not None:
            lengths = np.where(missing, -1, lengths).astype(np.int32)
        parts += [(f"l{place}", ">i4", lengths), (f"v{place}", values.dtype, values)]
        width = values.dtype.itemsize
        if np.any(lengths != width):  # where all fill the field, nothing has to be cut out
            masks[f"v{place}"] = np.arange(width) < np.broadcast_to(lengths, frame.height)[:, None]
    kind = np.dtype([(name, kind) for name, kind, _ in parts])
    # Laid where they are sent from: each copy of some megabytes costs as much as all the numbers in it.
    whole = bytearray(len(_HEADER) + frame.height * kind.itemsize + len(_TRAILER))
    rows = np.frombuffer(whole, kind, frame.height, len(_HEADER))
    for name, _, values in parts:
        rows[name] = values
    if masks:
        return _HEADER + _without_gaps(rows, masks) + _TRAILER
    whole[:len(_HEADER)], whole[-len(_TRAILER):] = _HEADER, _TRAILER
    return whole


def _without_gaps(rows: NDArray[Any], masks: dict[str, NDArray[np.bool_]]) -> bytes:
    """Fixed-width rows as bytes, with the unused part of variable fields cut out."""
    assert rows.dtype.fields is not None
    kept = np.ones((len(rows), rows.dtype.itemsize), dtype=np.bool_)
    for name, mask in masks.items():
        kind, offset = rows.dtype.fields[name][:2]
        kept[:, offset:offset + kind.itemsize] = mask
    return rows.view(np.uint8).reshape(kept.shape)[kept].tobytes()


def _values(column: pl.Series) -> tuple[NDArray[Any], Any]:
    """Big-endian values of one width, and the length of each in bytes (one number where all are alike)."""
    kind = column.dtype.base_type()
    if kind == pl.String:
        return _texts(column)
    if kind == pl.Date:
        days = column.cast(pl.Int32).fill_null(0).to_numpy()
        return (days - _EPOCH.astype(np.int64)).astype(">i4"), np.int32(4)
    if kind == pl.Boolean:
        return column.fill_null(False).to_numpy().astype(np.uint8), np.int32(1)
    if kind == pl.Int16:
        return column.fill_null(0).to_numpy().astype(">i2"), np.int32(2)
    return column.fill_null(0).to_numpy().astype(">i8"), np.int32(8)


def _texts(column: pl.Series) -> tuple[NDArray[Any], NDArray[np.int32]]:
    plain = column.fill_null("")
    words = plain.unique(maintain_order=True)
    if len(words) <= _FEW:
        table = np.array([word.encode() for word in words] or [b""], dtype=np.bytes_)
        places = plain.replace_strict(words, pl.Series(range(len(words)), dtype=pl.Int32), return_dtype=pl.Int32).to_numpy()
        lengths = np.array([len(word.encode()) for word in words] or [0], dtype=np.int32)
        return table[places], lengths[places]
    values = np.array([word.encode() for word in plain], dtype=np.bytes_)
    return values, plain.str.len_bytes().to_numpy().astype(np.int32)


def copy_in(table: str, frame: pl.DataFrame, encoded: bytes | bytearray | None = None) -> None:
    """Copies a frame into a table without row-level security of its own, in the running transaction."""
    if not frame.height:
        return
    raw: Any = session().connection().connection.driver_connection
    names = ", ".join(frame.columns)
    with raw.cursor() as cursor, cursor.copy(f"copy {table} ({names}) from stdin (format binary)") as copy:
        copy.write(encoded if encoded is not None else encode(frame))
