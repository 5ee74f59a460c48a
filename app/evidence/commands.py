"""``huiqiao evidence …``: files too large for a browser, and the real set, taken in from the command line."""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from app.core.embedded import servers
from app.core.paths import ReadableError
from app.core.settings import Settings, load_settings
from app.evidence.real_sets import KINDS, Source, is_delivery, item_of, label_of, links_of, masked_firms, real_folders

if TYPE_CHECKING:
    from app.evidence.models import Delivery

Prepare = Callable[[Settings], None]
"""Makes database, storage and all rooms ready; the command line knows how, a room does not."""

POLL_SECONDS = 0.5


def add_to(group: click.Group, prepare: Prepare) -> None:
    """Adds ``evidence`` to the command line."""

    @group.group("evidence")
    def evidence() -> None:
        """Take in deliveries of data providers."""

    @evidence.command("import")
    @click.argument("path", type=click.Path(exists=True, path_type=Path), required=False)
    @click.option("--item", help="Item of the catalogue (electricity, tax, …); told by the name of the file where left out.")
    @click.option("--provider", help="Name, id or a login of the data provider; needless where one alone delivers it.")
    @click.option("--source", help="Where the data come from, as shown on pages.")
    @click.option("--synthetic", is_flag=True, help="The data are made up, and every page shall say so.")
    def import_files(path: Path | None, item: str | None, provider: str | None, source: str | None, synthetic: bool) -> None:
        """Take in delivery files: PATH is a file or a folder (default: every real set under HUIQIAO_REAL_DATA).

        A folder may hold firms_*.csv (firm_id, firm_name): these firms are made known first. Running it again changes nothing.
        """
        settings = load_settings()
        if path is None and not settings.real_data.is_dir():
            raise ReadableError(f"{settings.real_data} does not exist; name a file or folder, or set HUIQIAO_REAL_DATA.")
        with servers(settings, with_redis=False) as ready:
            prepare(ready)
            chosen = [path] if path is not None else real_folders(settings.real_data)
            if not chosen:
                raise ReadableError(f"{settings.real_data} holds none of the real sets.")
            done = [one for folder in chosen for one in run_import(folder, provider, source, synthetic, item)]
            if len(chosen) > 1:
                click.echo(f"All of it: {_counts(done)}")


def run_import(
    path: Path, provider: str | None, source: str | None = None, synthetic: bool = False, item: str | None = None,
) -> list[Delivery]:
    """Makes the firms of a folder known and takes its files in, one after the other, telling how far it is.

    Raises ``ReadableError`` for what a person can mend.
    """
    from app.core import outbox

    # This process reads the files itself; were a worker told too, both would reach for them.
    outbox.configure_queue(None)
    folder = path if path.is_dir() else None
    label = source or label_of(path)
    sources = [Source(path, item or item_of(path.name))] if folder is None else _sources(folder, item)
    providers = {one.item: _provider(provider, one.item) for one in sources}
    if folder is not None:
        _register(folder, sources)
    started = time.monotonic()
    done = [_import_one(one.file, providers[one.item], one.item, label, synthetic) for one in sources]
    done += _link_meters(sources, provider, label, synthetic)
    _sum_up(done, time.monotonic() - started)
    return done


def _sources(folder: Path, item: str | None) -> list[Source]:
    found = [
        Source(file, item or item_of(file.name)) for file in sorted(folder.iterdir())
        if file.suffix.lower() in KINDS and (item or is_delivery(file.name))
    ]
    if not found:
        raise ReadableError(f"{folder} holds no delivery file; name one, with --item, or see docs/operations.md for the names.")
    return found


def _provider(name: str | None, item: str) -> UUID:
    from sqlalchemy import select

    from app.core.context import Context
    from app.core.permissions import Permission
    from app.core.use_case import reading
    from app.evidence.models import ProviderItem
    from app.evidence.queries import provider_named

    with reading(Context.of_system("cli"), Permission.ORGANISATION_READ) as db:
        ids = set(db.scalars(select(ProviderItem.provider_org_id).where(ProviderItem.item_code == item)))
        if name is not None:
            found = provider_named(name)
            if found is None:
                raise ReadableError(f"There is no data provider {name!r}: give its name, its id or a login of its people.")
            if found.id not in ids:
                raise ReadableError(f"{found.name} does not deliver {item}; a system administrator grants items on its page.")
            return found.id
    if len(ids) != 1:
        raise ReadableError(f"Say which data provider delivers {item}, with --provider; the portal knows {len(ids)}.")
    return ids.pop()


def _register(folder: Path, sources: Sequence[Source]) -> None:
    from app.core.context import Context
    from app.enterprises.service import KnownFirm, register_known_firms

    rows = []
    for file in sorted(folder.glob("firms*.csv")):
        with file.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.DictReader(stream):
                key, name = row.get("firm_id"), row.get("firm_name")
                if not key or not name:
                    raise ReadableError(f"{file} must have the columns firm_id and firm_name, filled in every row.")
                # Names in the source are masked, so many are alike; the code tells them apart.
                rows.append(KnownFirm(key, f"{name}（{key}）", form="sole_trader" if name.startswith("个体") else "company"))
    if not rows:
        keys = sorted({key for source in sources for key in masked_firms(source)})
        rows = [KnownFirm(key, f"脱敏企业（{key}）") for key in keys]
    if rows:
        register_known_firms(Context.of_system("cli"), rows)
        click.echo(f"{len(rows)} firms are known.")


def _link_meters(sources: Sequence[Source], provider: str | None, label: str, synthetic: bool) -> list[Delivery]:
    """Sets that know a meter by the number of its firm: the links go in through the same door, as a file of their own."""
    done = []
    for source in sources:
        links = links_of(source)
        if links is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"meter_links_{source.file.stem}.csv"
            links.write_csv(file)
            done.append(_import_one(file, _provider(provider, "meter_links"), "meter_links", label, synthetic))
    return done


def _import_one(file: Path, provider_id: UUID, item: str, source: str, synthetic: bool) -> Delivery:
    from app.core.context import Context
    from app.core.errors import Refusal
    from app.core.storage import take_in
    from app.evidence import delivery_service as service
    from app.evidence.rules import DELIVERY

    ctx = Context.of_system("cli")
    try:
        with file.open("rb") as stream:
            limit = DELIVERY.command_limit_bytes
            stored = take_in(stream, limit=limit, limit_text=f"{limit // 1024**3} GB")
        delivery = service.receive_delivery_for(
            ctx, provider_id, item, stored, file.name, source_label=source, synthetic=synthetic,
        )
    except Refusal as refusal:
        raise ReadableError(f"{file}: {refusal.sentence}") from refusal
    told = Progress(file.name)
    while True:
        try:
            delivery = service.import_delivery(ctx, delivery.id, told)
            break
        except service.Busy:  # a worker was faster; what it does will be found done
            time.sleep(POLL_SECONDS)
    told.end(delivery)
    if delivery.failure is not None:
        raise ReadableError(f"{file}: the delivery failed ({delivery.failure}); its page says why.")
    return delivery


class Progress:
    """One line on the terminal that tells phase, rows and speed; without a terminal only its last state."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = time.monotonic()

    def __call__(self, phase: str, rows: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{self.name}  {phase} {rows:,} rows  {self._speed(rows):,}/s", nl=False, err=True)

    def _speed(self, rows: int) -> int:
        return int(rows / max(time.monotonic() - self.started, 0.001))

    def end(self, delivery: Delivery) -> None:
        """The counts of the file."""
        if sys.stderr.isatty():
            click.echo("\r\033[K", nl=False, err=True)
        if delivery.rows_total is not None and delivery.failure is None:
            click.echo(f"{self.name}: {_counts([delivery])}; {self._speed(delivery.rows_total):,} rows/s")


def _counts(deliveries: list[Delivery]) -> str:
    def total(column: str) -> int:
        return sum(getattr(delivery, column) or 0 for delivery in deliveries)

    return (
        f"{total('rows_total'):,} rows = {total('rows_taken'):,} new + {total('rows_identical'):,} known + "
        f"{total('rows_superseding'):,} superseding + {total('rows_quarantined'):,} in quarantine"
    )


def _sum_up(done: list[Delivery], seconds: float) -> None:
    if len(done) > 1:
        click.echo(f"Together: {_counts(done)}; {seconds:.1f} s")
