"""Firms of the demo city: invoices through the provider's door, sign-up, verification, consent, profile."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from fpdf import FPDF
from sqlalchemy import select

from app.core import outbox, storage
from app.core.calendar import today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.permissions import OrgKind, Role
from app.core.settings import Settings
from app.core.uscc import DISTRICTS
from app.credit.model_service import ensure_model
from app.demo.people import PASSWORD, SYSTEM, Staff, join
from app.enterprises import service as enterprises
from app.enterprises.models import Enterprise
from app.evidence import delivery_service
from app.evidence.service import give_consent
from app.identity.models import Organisation
from app.identity.service import context_for
from scoring.delivery_files import INVOICE_FILES, firm_key, write_firms
from scoring.synthetic import SyntheticFirm, synthesise

FIRMS = 100
MONTHS = 24
SEED = 20261122
FILE_LIMIT = 200 * 1024 * 1024
"""Bytes of a delivery file."""
SURNAMES = "陈林黄张李王吴刘梁郑何罗"


@dataclass(frozen=True)
class DemoFirm:
    """A firm of the city: its representative's context and what the generator drew for it."""

    boss: Context
    uscc: str
    drawn: SyntheticFirm


def make(settings: Settings, staff: Staff) -> list[DemoFirm]:
    """Makes all firms with their invoices, and computes the profiles of those that consented."""
    until = today().replace(day=1) - timedelta(days=1)
    drawn = synthesise(FIRMS, MONTHS, SEED, until=until)
    codes = {name: code for code, name in DISTRICTS.items()}
    known = enterprises.register_known_firms(SYSTEM, [
        enterprises.KnownFirm(firm_key(number), firm.name, codes[firm.district], "company", True)
        for number, firm in enumerate(drawn, start=1)
    ])
    _deliver(drawn)
    ensure_model(SYSTEM, settings)
    firms = [
        _sign_up(staff, number, firm, known[firm_key(number)]) for number, firm in enumerate(drawn, start=1)
    ]
    assert firms[0].boss.org_id is not None
    join(firms[0].boss.org_id, "firm.clerk", "陈晓敏", Role.FIRM_CLERK)
    outbox.drain(10_000)
    return firms


def _deliver(drawn: list[SyntheticFirm]) -> None:
    with transaction(SYSTEM, read_only=True):
        provider = session().scalars(select(Organisation.id).where(Organisation.kind == OrgKind.DATA_PROVIDER.value)).one()
    with tempfile.TemporaryDirectory() as folder:
        write_firms(drawn, Path(folder))
        for side, name in INVOICE_FILES.items():
            with (Path(folder) / name).open("rb") as file:
                stored = storage.take_in(file, limit=FILE_LIMIT, limit_text="200 MB")
            delivery = delivery_service.receive_delivery_for(
                SYSTEM, provider, "invoices", stored, name, side=side, source_label="惠桥合成城市（演示）", synthetic=True,
            )
            delivery_service.import_delivery(SYSTEM, delivery.id)


def _sign_up(staff: Staff, number: int, drawn: SyntheticFirm, known: Enterprise) -> DemoFirm:
    login = "firm.boss" if number == 1 else f"boss{number:03d}"
    name = SURNAMES[number % len(SURNAMES)] + "一二三四五六七八九十"[number % 10]
    firm = enterprises.sign_up(Context.anonymous(), enterprises.SignUp(
        uscc=known.uscc,
        registration=enterprises.Registration(drawn.name, known.district, name, ""),
        figures=enterprises.Figures(
            drawn.industry_code, drawn.headcount, drawn.revenue_fen, drawn.assets_fen, today().year - 1,
        ),
        login=login, terms="demo", password=PASSWORD,
    ))
    boss = context_for(login)
    licence = storage.take_in(BytesIO(_licence()), limit=storage.PAPER_LIMIT, limit_text="")
    enterprises.upload_licence(boss, "licence.pdf", licence)
    enterprises.verify(staff["desk"], firm.id, "verify")
    banks = [staff[login].org_id for login in ("zhuan.officer", "yuncheng.officer", "linghai.officer")]
    receivers = banks[: number % 4] if number > 1 else banks
    give_consent(boss, ["invoices"], [None, *receivers], days=365, channel="demo", personal=[None, *receivers])
    return DemoFirm(boss, known.uscc, drawn)


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
