"""Firms that deliveries make known: set-wise, once per key of the source. ``service`` offers them to other rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, text

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.lifecycle import begin_many
from app.core.permissions import OrgKind, Permission
from app.core.uscc import DISTRICTS, synthetic
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise, ReservedFirm
from app.enterprises.rules import EntityForm, entity_form
from app.enterprises.states import LIFECYCLE, EnterpriseState
from app.identity.models import Organisation

ENTITY_OF_FORM = {"company": "1", "sole_trader": "2", "cooperative": "3"}
"""Second symbol of the unified social credit code by legal form (sme-classification.md §3)."""


@dataclass(frozen=True)
class KnownFirm:
    """A firm that a delivery names by a code of its own. ``synthetic`` says that its social credit code is made up."""

    external_key: str
    name: str
    district: str = "440106"
    form: str = "company"
    synthetic: bool = True


@use_case(Permission.ENTERPRISE_REGISTER, "enterprise.register", returns=Enterprise)
def register_known_firm(
    ctx: Context, *, external_key: str, name: str, district: str = "440106", form: str = "company", synthetic: bool = True,
) -> Enterprise:
    """Makes one firm known, once per ``external_key``; returns it as it stands when it is known already."""
    row = KnownFirm(external_key, name, district, form, synthetic)
    firm = _register([row])[external_key]
    about(firm, external_key=external_key)
    return firm


@use_case(Permission.ENTERPRISE_REGISTER, "enterprise.register_many")
def register_known_firms(ctx: Context, rows: Sequence[KnownFirm]) -> dict[str, Enterprise]:
    """Makes firms known, set-wise and once per ``external_key``. Returns all of them by that key, known before or not."""
    firms = _register(rows)
    about(count=len(firms))
    return firms


def firm_of_code(code: str, stated_name: str) -> Enterprise:
    """The firm of a valid social credit code; where the portal has none, one that is only known, under the name that was stated.

    Whoever states a firm learns nothing by this: the code alone decides, and the answer is always a firm. Its own sign-up gives
    it its registered name. Call inside a use case of the portal itself.
    """
    # Two that name the same firm at once would both find it missing.
    session().execute(text("select pg_advisory_xact_lock(hashtext('enterprise.code'), hashtext(:code))"), {"code": code})
    found = session().scalar(select(Enterprise).where(Enterprise.uscc == code))
    if found is not None:
        return found
    form = {EntityForm.SOLE_TRADER: "sole_trader", EntityForm.COOPERATIVE: "cooperative"}.get(entity_form(code), "company")
    organisation = Organisation(
        kind=OrgKind.ENTERPRISE.value, name=stated_name, uscc=code, state="active", created_at=now(),
    )
    session().add(organisation)
    session().flush()
    firm = Enterprise(
        id=organisation.id, firm_no=firm_number_for(code), uscc=code, form=form, district=code[2:8], size_class="unknown",
        size_working=[], state=EnterpriseState.KNOWN.value, synthetic=False, created_at=now(),
    )
    session().add(firm)
    session().flush()
    begin_many(LIFECYCLE, [{"id": firm.id, "state": firm.state}], "register")
    return firm


def reserve_firm_numbers(codes: Sequence[str]) -> dict[str, int]:
    """Numbers under which rows of firms wait that the portal does not know; the same code always gets the same number.

    ``codes``: valid social credit codes of no enterprise. Call inside a use case of the portal itself.
    """
    session().execute(text(
        "insert into reserved_firm (firm_no, uscc, reserved_at) "
        "select nextval('firm_no_seq'), code, :at from unnest(cast(:codes as text[])) code on conflict (uscc) do nothing"
    ), {"codes": sorted(set(codes)), "at": now()})
    return dict(session().execute(select(ReservedFirm.uscc, ReservedFirm.firm_no).where(ReservedFirm.uscc.in_(codes))).all())


def firm_number_for(code: str) -> int:
    """The number a new enterprise gets: the one its rows have waited under, or the next."""
    return session().execute(text(
        "select coalesce((select firm_no from reserved_firm where uscc = :code), nextval('firm_no_seq'))"
    ), {"code": code}).scalar_one()


def _register(rows: Sequence[KnownFirm]) -> dict[str, Enterprise]:
    wanted = {row.external_key: row for row in rows}
    for row in wanted.values():
        if row.form not in ENTITY_OF_FORM or row.district not in DISTRICTS:
            raise Refusal(ErrorCode.INVALID)
    # Two imports at once would both find a firm missing.
    session().execute(text("select pg_advisory_xact_lock(hashtext('enterprise.register'))"))
    found = _by_key(list(wanted))
    missing = [row for key, row in wanted.items() if key not in found]
    if missing:
        _insert(missing)
        found = _by_key(list(wanted))
    return found


def _by_key(keys: list[str]) -> dict[str, Enterprise]:
    rows = session().scalars(select(Enterprise).where(Enterprise.external_key.in_(keys)))
    return {firm.external_key: firm for firm in rows if firm.external_key is not None}


def _insert(rows: list[KnownFirm]) -> None:
    at = now()
    serials = session().execute(
        text("select nextval('firm_no_seq') as firm_no, nextval('synthetic_uscc_seq') as serial from generate_series(1, :n)"),
        {"n": len(rows)},
    ).all()
    organisations: list[dict[str, Any]] = []
    firms: list[dict[str, Any]] = []
    for row, serial in zip(rows, serials, strict=True):
        code = synthetic(row.district, serial.serial, ENTITY_OF_FORM[row.form])
        key = new_id()
        organisations.append({
            "id": key, "kind": OrgKind.ENTERPRISE.value, "name": row.name, "uscc": code, "state": "active", "created_at": at,
        })
        firms.append({
            "id": key, "firm_no": serial.firm_no, "uscc": code, "form": row.form, "district": row.district,
            "size_class": "unknown", "size_working": [], "state": EnterpriseState.KNOWN.value, "synthetic": row.synthetic,
            "external_key": row.external_key, "created_at": at,
        })
    session().execute(insert(Organisation), organisations)
    session().execute(insert(Enterprise), firms)
    begin_many(LIFECYCLE, firms, "register")
