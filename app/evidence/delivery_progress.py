"""How fast a delivery is being read, and how long it still takes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from flask_babel import gettext
from sqlalchemy import func, select

from app.core.calendar import now
from app.core.database import session
from app.core.formats import count_text
from app.evidence.models import Delivery
from app.evidence.rules import DeliveryState


@dataclass(frozen=True)
class Progress:
    """``rows`` are behind, of ``total`` (``None`` = not known); ``speed`` in rows a second, ``left`` in seconds."""

    rows: int
    total: int | None
    estimated: bool
    speed: int | None
    left: int | None

    @property
    def words(self) -> str:
        """The same as a line of text; empty before the first rows."""
        parts = []
        if self.total is not None and self.estimated:
            parts.append(gettext("文件约 %(rows)s 行", rows=count_text(self.total)))
        if self.speed is not None:
            parts.append(gettext("每秒 %(rows)s 行", rows=count_text(self.speed)))
        if self.left is not None:
            parts.append(gettext("约还需 %(minutes)s 分钟", minutes=ceil(self.left / 60)) if self.left >= 60
                         else gettext("约还需 %(seconds)s 秒", seconds=max(self.left, 1)))
        return " · ".join(parts)


def progress_of(delivery: Delivery) -> Progress:
    """Where the reading stands. How many rows a file has is known once it is read; before, earlier files of its kind tell."""
    total, estimated = delivery.rows_total, False
    if total is None and delivery.phase == "reading":
        total, estimated = _expected(delivery), True
        if total is not None and total <= delivery.progress_rows:
            total = None
    seconds = (now() - delivery.started_at).total_seconds() if delivery.started_at else 0.0
    # Storing follows reading in the same clock, so all rows read and the rows stored count as work done.
    done = delivery.progress_rows + (delivery.rows_total or 0 if delivery.phase == "storing" else 0)
    if seconds < 1 or not done:
        return Progress(delivery.progress_rows, total, estimated, None, None)
    speed = done / seconds
    left = None if total is None else round((total - delivery.progress_rows + (total if estimated else 0)) / speed)
    return Progress(delivery.progress_rows, total, estimated, round(speed), left)


def _expected(delivery: Delivery) -> int | None:
    """Rows by the size of the file, as many a byte as in the provider's earlier files of the item and type."""
    rows, size = session().execute(
        select(func.sum(Delivery.rows_total), func.sum(Delivery.size)).where(
            Delivery.provider_org_id == delivery.provider_org_id, Delivery.item_code == delivery.item_code,
            Delivery.media_type == delivery.media_type, Delivery.state == DeliveryState.TAKEN_IN.value,
        )
    ).one()
    return round(delivery.size * int(rows) / int(size)) if rows and size else None
