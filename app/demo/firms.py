"""Firms of the demo city: invoices through the provider's door, sign-up, verification, consent, profile."""

from __future__ import annotations

import tempfile
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import polars as pl
from fpdf import FPDF

from app.core import outbox, storage
from app.core.calendar import today
from app.core.context import Context
from app.core.money import WAN
from app.core.permissions import Role
from app.core.settings import Settings
from app.core.uscc import DISTRICTS, synthetic
from app.credit.model_service import ensure_model
from app.demo.people import DELIVERS, PASSWORD, SYSTEM, Staff, join
from app.enterprises import service as enterprises
from app.evidence import delivery_service
from app.evidence.service import give_consent
from app.identity.visitors import context_for
from scoring.city import city
from scoring.city.invoices import firms_with_invoices
from scoring.delivery_files import INVOICE_FILES, write_firms
from scoring.synthetic import SyntheticFirm

FIRMS = 100
MONTHS = 24
SEED = 20261122
FILE_LIMIT = 200 * 1024 * 1024
"""Bytes of a delivery file."""
CONSENTED = ("invoices", "tax", "electricity", "social_insurance")
NEWCOMER = 20_000_000
"""Serial of a code that no firm of the city bears."""
SURNAMES = "陈林黄张李王吴刘梁郑何罗"


@dataclass(frozen=True)
class DemoFirm:
    """A firm of the city: its representative's context and what the generator drew for it."""

    boss: Context
    uscc: str
    drawn: SyntheticFirm
    small: bool
    """A small or micro company: whom pool and banks are made for."""


def make(settings: Settings, staff: Staff, learns: Future[str] | None = None) -> list[DemoFirm]:
    """Makes all firms with what every source knows of them, and computes the profiles of those that consented.

    The deliveries come first and wait for their firms, as they do in life. ``learns``: the training of the model, under way.
    """
    until = today().replace(day=1) - timedelta(days=1)
    drawn = firms_with_invoices(FIRMS, MONTHS, SEED, until=until, as_of=today())
    frames = city(FIRMS, MONTHS, SEED, until=until, as_of=today())
    codes = frames["firms"]["uscc"].to_list()
    _deliver(staff, drawn, frames)
    if learns is not None:
        learns.result()
    ensure_model(SYSTEM, settings)
    firms = [_sign_up(staff, number, firm, code) for number, (firm, code) in enumerate(zip(drawn, codes, strict=True), start=1)]
    assert firms[0].boss.org_id is not None
    join(firms[0].boss.org_id, "firm.clerk", "陈晓敏", Role.FIRM_CLERK)
    outbox.drain(10_000)
    return firms


def _deliver(staff: Staff, drawn: list[SyntheticFirm], frames: dict[str, pl.DataFrame]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_firms(drawn, Path(folder), frames["firms"]["uscc"].to_list())
        for side, name in INVOICE_FILES.items():
            _take_in(staff["tax.clerk"], "invoices", Path(folder) / name, side)
        for login, items in DELIVERS.items():
            for item in items:
                frame = frames.get(item) if item != "meter_links" else _links(frames, items[0])
                if frame is not None and frame.height:
                    file = Path(folder) / f"{item}.parquet"
                    frame.write_parquet(file)
                    _take_in(staff[login], item, file)


def _links(frames: dict[str, pl.DataFrame], item: str) -> pl.DataFrame:
    """The meters of one utility; each company knows its own."""
    return frames["meter_links"].join(frames[item].select("account_no").unique(), on="account_no", how="semi")


def _take_in(clerk: Context, item: str, path: Path, side: int | None = None) -> None:
    assert clerk.org_id is not None
    with path.open("rb") as file:
        stored = storage.take_in(file, limit=FILE_LIMIT, limit_text="200 MB")
    delivery = delivery_service.receive_delivery_for(
        SYSTEM, clerk.org_id, item, stored, path.name, side=side, source_label="惠桥合成城市（演示）", synthetic=True,
    )
    delivery_service.import_delivery(SYSTEM, delivery.id)


def _sign_up(staff: Staff, number: int, drawn: SyntheticFirm, code: str) -> DemoFirm:
    login = "firm.boss" if number == 1 else f"boss{number:03d}"
    name = SURNAMES[number % len(SURNAMES)] + "一二三四五六七八九十"[number % 10]
    district = next(district for district, known in DISTRICTS.items() if known == drawn.district)
    firm = enterprises.sign_up(Context.anonymous(), enterprises.SignUp(
        uscc=code,
        registration=enterprises.Registration(drawn.name, district, name, ""),
        figures=enterprises.Figures(
            drawn.industry_code, drawn.headcount, drawn.revenue_fen, drawn.assets_fen, today().year - 1,
        ),
        login=login, terms="demo", password=PASSWORD, synthetic=True,
    ))
    boss = context_for(login)
    licence = storage.take_in(BytesIO(_licence()), limit=storage.PAPER_LIMIT, limit_text="")
    enterprises.upload_licence(boss, "licence.pdf", licence)
    enterprises.verify(staff["desk"], firm.id, "verify")
    banks = [staff[login].org_id for login in ("zhuan.officer", "yuncheng.officer", "linghai.officer")]
    receivers = banks[: number % 4] if number > 1 else banks
    give_consent(boss, CONSENTED, [None, *receivers], days=365, channel="demo", personal=[None, *receivers])
    return DemoFirm(boss, code, drawn, firm.size_class in ("small", "micro") and firm.form == "company")


def newcomer() -> None:
    """A firm that signed up this morning and handed in its licence; the desk has not looked yet."""
    figures = enterprises.Figures("34", 18, 900 * WAN, 700 * WAN, today().year - 1)
    enterprises.sign_up(Context.anonymous(), enterprises.SignUp(
        uscc=synthetic("440106", NEWCOMER),
        registration=enterprises.Registration("广州天河新禾精密模具有限公司（演示）", "440106", "冯一", ""), figures=figures,
        login="newcomer", terms="demo", password=PASSWORD, synthetic=True,
    ))
    licence = storage.take_in(BytesIO(_licence()), limit=storage.PAPER_LIMIT, limit_text="")
    enterprises.upload_licence(context_for("newcomer"), "licence.pdf", licence)


_drawn_licence: list[bytes] = []


def _licence() -> bytes:
    """One page that says what it is; the demo's firms have no licence to show."""
    if not _drawn_licence:
        page = FPDF()
        page.add_page()
        page.set_font("Helvetica", size=24)
        page.cell(text="Demo licence - synthetic firm")
        _drawn_licence.append(bytes(page.output()))
    return _drawn_licence[0]
