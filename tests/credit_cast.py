"""What tests of credit profiles need: firms with invoices, a small model trained in seconds, consents."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from sqlalchemy import insert, select, text

from app.core import outbox
from app.core.calendar import now
from app.core.database import session, transaction
from app.core.ids import new_id
from app.core.permissions import Role
from app.credit import model_service
from app.credit import run_service as run_service  # its handlers register on import
from app.credit import service as service
from app.credit.models import CreditProfile, ScoringModel
from app.enterprises.models import Enterprise
from app.evidence import service as evidence
from app.evidence.models import Consent, Delivery, InvoiceLine
from scoring.synthetic import InvoiceLines, SyntheticFirm, synthesise
from tests import cast
from tests.shared import made_once

EPOCH = date(1970, 1, 1)


METRICS = {
    "auc": 0.7, "roc": [[0.0, 0.0], [0.5, 0.8], [1.0, 1.0]], "reliability": [[20, 0.02, 0.03], [20, 0.1, 0.09]],
    "curve": {"50%": [0.02, 0.01, 0.04], "100%": [0.05, None, None]}, "features": [["sales_monthly", 12.5]],
    "spread": {"edges": [500, 600, 700], "good": [0.2, 0.8], "bad": [0.7, 0.3]}, "rivals": {"naive": ["no", "figure", 0]},
}
"""What a model file may say of its measuring; the last entry is nothing that a page could show."""


QUICK = ("--bags=1", *(f"--set={told}" for told in ("rounds=30", "calibration_repeats=1", "bootstrap=2")))
"""For the trainer's command line: a model of the same kind in a sixth of the time, where it need not be a good one."""


@lru_cache(maxsize=2)
def model_file(seed: int = 11) -> Path:
    """A model file, trained once a run on a small synthetic city of every source."""
    return made_once(f"model-{seed}.json", lambda path: _train(seed, path))


def _train(seed: int, path: Path) -> None:
    from scoring.city_training import table
    from scoring.settings import SETTINGS
    from scoring.training import train

    settings = SETTINGS.changed({"rounds": 30, "bootstrap": 2, "calibration_folds": 3})
    model = train(table(400, 24, seed), settings, seed=seed, trained_at=date(2026, 11, 22), metrics=METRICS)
    model.save(path)


@lru_cache(maxsize=1)
def city() -> list[SyntheticFirm]:
    """Forty synthetic firms, the same every time, each with at least 20 months of sales."""
    return [firm for firm in synthesise(60, 24, 7) if len({day // 30 for day in firm.lines.day.tolist()}) >= 20][:40]


def register_model(seed: int = 11) -> ScoringModel:
    """Makes the small model the one that scores: the first of all at once, a later one through the hands of two people."""
    model = model_service.register_model(cast.SYSTEM, model_file(seed))
    if model.state == "active":
        return model
    platform = cast.platform()
    if model.state == "candidate":
        model_service.decide(platform[Role.SECURITY_ADMIN], model.id, "approve", "区分度更好")
        return model_service.decide(platform[Role.SYSTEM_ADMIN], model.id, "activate", "按批准启用")
    model_service.decide(platform[Role.SYSTEM_ADMIN], model.id, "recall", "新模型漂移")
    return model_service.decide(platform[Role.SECURITY_ADMIN], model.id, "restore", "同意回退")


def deliver(firm: cast.Cast, lines: InvoiceLines, provider: cast.Cast | None = None) -> int:
    """Puts a firm's invoice lines where a delivery would have put them. Returns the delivery's number."""
    provider = provider or cast.provider()
    with transaction(cast.SYSTEM):
        firm_no = session().scalars(select(Enterprise.firm_no).where(Enterprise.id == firm.id)).one()
        number = session().execute(text("select nextval('delivery_number_seq')")).scalar_one()
        session().add(Delivery(
            id=new_id(), number=number, provider_org_id=provider.id, item_code="invoices", side=None,
            filename="invoices.csv", media_type="text/csv", size=1, sha256=bytes(32), source_label="test", synthetic=True,
            state="TAKEN_IN", phase=None, rows_total=len(lines), rows_taken=len(lines), rows_identical=0,
            rows_superseding=0, rows_quarantined=0, failure=None, created_at=now(), created_by=None, started_at=now(),
            finished_at=now(), channel="upload", rows_waiting=0,
        ))
        session().flush()
        rows = [
            {
                "firm_no": firm_no, "side": int(lines.side[i]), "content": number * 1_000_000 + i, "k": 1, "version": 1,
                "current": True, "void": bool(lines.void[i]), "day": EPOCH + timedelta(days=int(lines.day[i])),
                "net_fen": int(lines.net_fen[i]), "tax_fen": int(lines.tax_fen[i]), "gross_fen": int(lines.gross_fen[i]),
                "delivery_no": number, "invoice_no": lines.invoice_no[i], "counterparty": lines.counterparty_id[i],
            }
            for i in range(len(lines))
        ]
        session().execute(insert(InvoiceLine), rows)
    return int(number)


def firm_with_invoices(number: int = 0, name: str | None = None) -> cast.Cast:
    """A verified firm with the invoices of one synthetic firm; nothing is consented yet."""
    synthetic = city()[number]
    firm = cast.firm(name or synthetic.name)
    deliver(firm, synthetic.lines)
    return firm


def consent(firm: cast.Cast, *receivers: cast.Cast | None) -> list[UUID]:
    """The representative consents for invoices: to the portal (``None``) and to the banks named. Jobs run at once."""
    given = evidence.give_consent(
        firm[Role.FIRM_REPRESENTATIVE], ["invoices"], [bank.id if bank else None for bank in receivers or (None,)],
    )
    outbox.drain()
    return [one.id for one in given]


def revoke(firm: cast.Cast, bank: cast.Cast | None = None, *, run_jobs: bool = True) -> None:
    """The representative takes the consent back."""
    with transaction(cast.SYSTEM, read_only=True):
        found = session().scalars(select(Consent.id).where(
            Consent.firm_id == firm.id, Consent.state == "ACTIVE",
            Consent.receiver_org_id.is_not_distinct_from(bank.id if bank else None),
        )).one()
    evidence.revoke_consent(firm[Role.FIRM_REPRESENTATIVE], found, "不再需要")
    if run_jobs:
        outbox.drain()


def current(firm: cast.Cast) -> CreditProfile | None:
    """The profile that stands, as the portal sees it."""
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalar(select(CreditProfile).where(CreditProfile.firm_id == firm.id, CreditProfile.current))
