"""A delivery on its way in: read and checked in one thread, stored in another, so that file and database work at once.

The reading thread resolves codes in small transactions of its own; everything the delivery stores lives or dies with the
transaction of the caller.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import Full, Queue
from typing import Protocol

import polars as pl

from app.core.context import Context
from app.evidence.copying import encode
from app.evidence.fact_loading import Counts, FactStore
from app.evidence.invoice_loading import InvoiceStore
from app.evidence.invoice_rows import check as check_invoices
from app.evidence.invoice_rows import firm_keys
from app.evidence.items import Item, Subject
from app.evidence.lines import LineNumbers
from app.evidence.loading import Doubtful, doubtful, keep_quarantined
from app.evidence.models import Delivery
from app.evidence.rows import check, subject_keys
from app.evidence.rows import firm_keys as other_firm_keys
from app.evidence.subjects import FirmNumbers, MeterNumbers, Numbers

Told = Callable[[str, int], None]
"""Hears the phase (``reading`` or ``storing``) and how many rows are behind."""
AHEAD = 2
"""Pieces that may be read ahead of storing."""
FIRST_PIECE = 25_000
"""Rows of each piece of a file's first batch."""


@dataclass(frozen=True)
class Checked:
    """A batch after its checks: what is sound, ready to be sent, and what is not."""

    batch: pl.DataFrame
    sound: pl.DataFrame
    troubled: pl.DataFrame
    encoded: bytes | bytearray


class Shape(Protocol):
    """How rows of one kind are checked (in the reading thread) and stored (in the transaction)."""

    def check(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Sound rows and troubled ones."""

    def encode(self, sound: pl.DataFrame) -> bytes | bytearray:
        """Sound rows as they will be sent (in the reading thread)."""

    def add(self, sound: pl.DataFrame, encoded: bytes | bytearray) -> list[Doubtful]:
        """Stores, or stages, sound rows; returns those that contradict what is known."""

    def finish(self, told: Callable[[int], None]) -> Counts:
        """Stores what is only staged, and counts."""


class InvoiceShape:
    """Lines of VAT invoices."""

    def __init__(self, ctx: Context, delivery: Delivery) -> None:
        self.side = delivery.side
        self.firms = FirmNumbers(ctx)
        self.store = InvoiceStore(delivery.number, delivery.rows_taken is not None)

    def check(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        self.firms.learn(firm_keys(batch))
        return check_invoices(batch, self.side, self.firms.known)

    def encode(self, sound: pl.DataFrame) -> bytes | bytearray:
        return encode(sound) if sound.height else b""

    def add(self, sound: pl.DataFrame, encoded: bytes | bytearray) -> list[Doubtful]:
        self.store.add(sound, encoded)
        return []

    def finish(self, told: Callable[[int], None]) -> Counts:
        return self.store.finish(told)


class FactShape:
    """Rows of an item as ``items`` describes it."""

    def __init__(self, ctx: Context, delivery: Delivery, item: Item) -> None:
        self.item = item
        by_meter = item.subject is Subject.METER
        self.subjects: Numbers = MeterNumbers(ctx, delivery.provider_org_id) if by_meter else FirmNumbers(ctx)
        self.firms = FirmNumbers(ctx)
        self.lines = LineNumbers() if item.lines else None
        self.store = FactStore(item, delivery.number, delivery.rows_taken is not None)

    def check(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        sound, troubled = check(
            batch, self.item, self.subjects.frame(subject_keys(batch, self.item), "subject_no"),
            self.firms.frame(other_firm_keys(batch, self.item), "firm_no"),
        )
        return (sound if self.lines is None else self.lines.number(sound)), troubled

    def encode(self, sound: pl.DataFrame) -> bytes | bytearray:
        return self.store.encode(sound)

    def add(self, sound: pl.DataFrame, encoded: bytes | bytearray) -> list[Doubtful]:
        return self.store.add(sound, encoded)

    def finish(self, told: Callable[[int], None]) -> Counts:
        return self.store.finish()


@dataclass(frozen=True)
class Outcome:
    """What became of a delivery: counts of its sound rows, rows in quarantine, rows in all."""

    counts: Counts
    quarantined: int
    total: int


def take_in(delivery: Delivery, shape: Shape, batches: Iterable[pl.DataFrame], told: Told) -> Outcome:
    """Reads, checks and stores all batches inside the running transaction. Raises what reading or the database raises."""
    seen = quarantined = 0
    anew = delivery.rows_taken is not None
    for checked in _ahead(lambda: _checked(shape, batches)):
        doubts = shape.add(checked.sound, checked.encoded)
        troubled = pl.concat([checked.troubled, doubtful(checked.batch, doubts)]) if doubts else checked.troubled
        if not anew:  # what waits in quarantine waits there already
            keep_quarantined(delivery, troubled)
        seen += checked.batch.height
        quarantined += troubled.height
        told("reading", seen)
    return Outcome(shape.finish(lambda rows: told("storing", rows)), quarantined, seen)


def _checked(shape: Shape, batches: Iterable[pl.DataFrame]) -> Iterator[Checked]:
    for piece in _pieces(batches):
        sound, troubled = shape.check(piece)
        yield Checked(piece, sound, troubled, shape.encode(sound))


def _pieces(batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The first batch in small pieces, so that the database begins before a small file is read to its end."""
    for number, batch in enumerate(batches):
        yield from batch.iter_slices(FIRST_PIECE) if number == 0 else (batch,)


def _ahead(make: Callable[[], Iterator[Checked]]) -> Iterator[Checked]:
    """Runs an iterator in a thread, a few steps ahead of whoever takes from it; what it raises is raised here."""
    queue: Queue[Checked | BaseException | None] = Queue(AHEAD)
    stopped = threading.Event()

    def put(one: Checked | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                queue.put(one, timeout=0.2)
                return
            except Full:
                continue

    def run() -> None:
        try:
            for one in make():
                put(one)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=run, name="delivery-reader", daemon=True)
    thread.start()
    try:
        while (one := queue.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        stopped.set()
        thread.join()
