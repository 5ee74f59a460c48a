"""A synthetic city in a portal's database: firms with consents for everything, and 24 months of every source.

Put there by the owner with binary COPY, past the deliveries' door: what is measured is reading it, not how it came. Facts are
those of ``scoring.city``; invoices, which are drawn firm by firm and slowly, are the lines of its first ``DRAWN`` firms over
and over; annual reports, which the city does not tell, are three a firm.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl
import psycopg

from app.core.context import Context
from app.core.permissions import OrgKind
from app.evidence.copying import encode
from app.evidence.items import ITEMS, UTILITIES
from app.evidence.rules import INVOICES
from app.identity.staff_service import create_organisation
from benchmarks.measure import Bench
from scoring.city.stored import FACTS, stored_blocks, stored_invoices
from scoring.synthetic import LAST_MONTH_END

SYSTEM = Context.of_system("bench")
MONTHS = 24
SEED = 20261101
UNTIL = LAST_MONTH_END
AS_OF = UNTIL + timedelta(days=25)
SINCE = date(2024, 1, 1)
"""Before the first month of any firm."""
DRAWN = 400
REPORTS = "annual_reports"
SOURCES = (INVOICES, *FACTS, REPORTS)

_DELIVERIES = """
insert into delivery (id, number, provider_org_id, provider_kind, item_code, filename, media_type, size, sha256, source_label,
    synthetic, state, progress_rows, attempt, failure_params, created_at, finished_at, started_at, channel,
    rows_total, rows_taken, rows_identical, rows_superseding, rows_quarantined, rows_waiting)
  select gen_random_uuid(), n, %s, 'data_provider', item, item || '.csv', 'text/csv', 1, decode(repeat('00', 32), 'hex'),
    'benchmark', true, 'TAKEN_IN', 0, 1, '{}', now(), now(), now(), 'command', 1, 1, 0, 0, 0, 0
  from unnest(%s::text[]) with ordinality as d (item, n);
"""
_FIRMS = """
insert into organisation (id, kind, name, uscc, state, created_at)
  select md5('firm ' || firm)::uuid, 'enterprise', name, uscc, 'active', now() from listed;
insert into enterprise (id, firm_no, uscc, form, district, industry_code, headcount, revenue_fen, assets_fen, figures_year,
    figures_source, size_class, size_rule, size_working, state, verified_at, synthetic, created_at)
  select md5('firm ' || firm)::uuid, firm, uscc, 'company', district, industry_code, headcount, revenue_fen, assets_fen, 2025,
    'self', size_class, 'bench', '[]', 'verified', now(), true, now() from listed;
insert into consent (id, firm_id, item_code, receiver_kind, purpose, channel, text_version, signed_text, text_sha256, state,
    given_at, valid_until)
  select gen_random_uuid(), md5('firm ' || firm)::uuid, i.code, 'bank', 'pre_approval', 'web', t.version, 'benchmark',
    sha256(convert_to('benchmark', 'UTF8')), 'ACTIVE', now(), now() + interval '300 days'
  from listed, data_item i, (select min(version) as version from consent_text where kind = 'firm') t
  where i.active and i.consent_needed and i.consent_item = i.code;
"""
_METERS = """
insert into meter (meter_no, provider_org_id, account_no, first_seen_at) select meter_no, %s, meter_no::text, now() from meters
"""


def fill(bench: Bench, firms: int) -> int:
    """Puts ``firms`` firms with all sources into the database. Returns how many rows of facts lie there."""
    provider = create_organisation(SYSTEM, OrgKind.DATA_PROVIDER, "基准数据局")
    rows = 0
    with psycopg.connect(bench.owner_dsn) as owner:
        owner.execute("set local synchronous_commit = off")
        owner.execute(_DELIVERIES, [provider.id, [*SOURCES, "meter_links"]])
        owner.execute("create temp table listed (firm bigint, uscc text, name text, district text, industry_code text, "
                      "headcount bigint, revenue_fen bigint, assets_fen bigint, size_class text)")
        # What one row is asked as it comes in would be asked two million times; the rows are sound as they are made.
        for table in ("consent", "enterprise"):
            owner.execute(f"alter table {table} disable trigger user")
        owner.execute("create temp table meters (meter_no bigint)")
        for frames, listed in stored_blocks(firms, MONTHS, SEED, until=UNTIL, as_of=AS_OF, items=(*FACTS, "meter_links")):
            owner.execute("truncate listed, meters")
            _copy(owner, "listed", _described(listed))
            for statement in _FIRMS.split(";")[:-1]:
                owner.execute(statement)
            links = frames.pop("meter_links")
            links = links.with_columns(pl.col("account_no").cast(pl.Int64).alias("meter_no")).drop("account_no")
            _copy(owner, "meters", links.select("meter_no").unique())
            owner.execute(_METERS, [provider.id])
            _copy(owner, "meter_link", _stored("meter_links", links))
            frames[REPORTS] = _reports(listed)
            for item, frame in frames.items():
                rows += _copy(owner, ITEMS[item].table, _stored(item, frame))
        for frame in _invoices(firms):
            rows += _copy(owner, "invoice_line", frame)
        for table in ("consent", "enterprise"):
            owner.execute(f"alter table {table} enable trigger user")
    with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
        owner.execute("vacuum analyze")
    return rows


def _described(listed: pl.DataFrame) -> pl.DataFrame:
    return listed.select(
        "firm", "uscc", "name", pl.col("uscc").str.slice(2, 6).alias("district"), "industry_code",
        pl.col("headcount").cast(pl.Int64),
        (pl.col("revenue") * 100).round().cast(pl.Int64).alias("revenue_fen"),
        (pl.col("assets") * 100).round().cast(pl.Int64).alias("assets_fen"), "size_class",
    )


def _reports(listed: pl.DataFrame) -> pl.DataFrame:
    """The reports of three years, each published in the June after it."""
    years = pl.DataFrame({"report_year": [UNTIL.year - back for back in (3, 2, 1)]})
    return listed.select("firm", pl.col("headcount").cast(pl.Int64).alias("n_employees")).join(years, how="cross").with_columns(
        pl.date(pl.col("report_year") + 1, 6, 15).alias("published_on")
    )


def _stored(item: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of an item as its table holds them."""
    if item in UTILITIES:  # a shared meter is told once for each firm behind it
        frame = frame.unique(["meter", "period"], maintain_order=True).drop("firm", "basis").rename({"meter": "meter_no"})
    frame = frame.rename({"firm": "firm_no"}, strict=False)
    whole = [name for name, kind in frame.schema.items() if kind.is_integer()]
    return _versioned(frame.with_columns(pl.col(whole).cast(pl.Int64)), [*SOURCES, "meter_links"].index(item) + 1)


def _versioned(frame: pl.DataFrame, delivery: int) -> pl.DataFrame:
    return frame.with_columns(
        pl.lit(1, dtype=pl.Int16).alias("version"), pl.lit(True).alias("current"),
        pl.lit(delivery, dtype=pl.Int64).alias("delivery_no"),
    )


def _invoices(firms: int) -> Iterator[pl.DataFrame]:
    drawn = stored_invoices(min(DRAWN, firms), MONTHS, SEED, until=UNTIL, as_of=AS_OF).select(
        pl.col("firm").alias("firm_no"), pl.col("side").cast(pl.Int16), pl.int_range(pl.len(), dtype=pl.Int64).alias("content"),
        pl.lit(1, dtype=pl.Int64).alias("k"), "void", "day", "net_fen", "tax_fen", "gross_fen",
        pl.int_range(pl.len()).cast(pl.String).str.zfill(8).alias("invoice_no"),
        pl.format("B{}", pl.col("counterparty").cast(pl.String).str.zfill(6)).alias("counterparty"),
    )
    drawn = _versioned(drawn, 1)
    for low in range(0, firms, DRAWN):
        part = drawn.with_columns(pl.col("firm_no") + low)
        yield part.filter(pl.col("firm_no") <= firms)


def _copy(owner: psycopg.Connection[tuple[object, ...]], table: str, frame: pl.DataFrame) -> int:
    if frame.height:
        with owner.cursor() as cursor, cursor.copy(
            f"copy {table} ({', '.join(frame.columns)}) from stdin (format binary)"
        ) as copy:
            copy.write(encode(frame))
    return frame.height
