"""The people of a test: organisations with one person per role, made in a few statements, each as the context they act in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session, transaction
from app.core.ids import new_id
from app.core.permissions import ROLES_OF_KIND, OrgKind, Role
from app.core.uscc import synthetic
from app.enterprises.models import Enterprise
from app.enterprises.registration import firm_number_for
from app.identity.models import Membership, Organisation, Person
from app.identity.service import hasher
from app.identity.visitors import context_of

PASSWORD = "Lian-2026-xing"
SYSTEM = Context.of_system("test")
_hash: list[str] = []


@dataclass
class Cast:
    """An organisation and its people by role: ``bank.officer`` acts as the officer of that bank."""

    id: UUID
    name: str
    kind: OrgKind
    people: dict[Role, Context] = field(default_factory=dict)
    logins: dict[Role, str] = field(default_factory=dict)

    def __getitem__(self, role: Role) -> Context:
        return self.people[role]


def password_hash() -> str:
    """One hash for everybody: hashing is slow on purpose."""
    if not _hash:
        _hash.append(hasher().hash(PASSWORD))
    return _hash[0]


def organisation(kind: OrgKind, name: str, *, uscc: str | None = None, limit_fen: int = 3_000_000_000) -> Cast:
    """An organisation of a kind with one active person per role. Approvers may approve up to ``limit_fen`` (分)."""
    with transaction(SYSTEM):
        org = Organisation(id=new_id(), kind=kind.value, name=name, uscc=uscc, created_at=now())
        session().add(org)
        session().flush()
        cast = Cast(org.id, name, kind)
        for role in ROLES_OF_KIND[kind]:
            _person(cast, org, role, limit_fen)
    return cast


def _person(cast: Cast, org: Organisation, role: Role, limit_fen: int) -> None:
    login = f"{role.value}-{org.id.hex[-10:]}"
    limited = role in (Role.BANK_APPROVER, Role.CENTRE_REVIEWER, Role.BUREAU_LEADER)
    membership = Membership(
        role=role.value, org_id=org.id, org_kind=org.kind, approval_limit_fen=limit_fen if limited else None,
    )
    person = Person(
        id=new_id(), org_id=org.id, login=login, name=f"{cast.name[:4]}{role.value}", state="active",
        password_hash=password_hash(), password_changed_at=now(), created_at=now(), organisation=org,
        memberships=[membership],
    )
    session().add(person)
    session().flush()
    cast.people[role] = context_of(person)
    cast.logins[role] = login


_serial = iter(range(1, 100_000))


def firm(name: str = "广州岭南精工机械有限公司", *, verified: bool = True, **facts: Any) -> Cast:
    """A firm with its representative and clerk; a small manufacturer in 黄埔 unless ``facts`` say otherwise."""
    code = facts.pop("uscc", None) or synthetic("440112", next(_serial))
    cast = organisation(OrgKind.ENTERPRISE, name, uscc=code)
    with transaction(SYSTEM):
        values: dict[str, Any] = {
            "form": "company", "district": "440112", "industry_code": "34", "headcount": 60, "revenue_fen": 2_000_000_000,
            "assets_fen": 1_500_000_000, "figures_year": 2025, "figures_source": "self", "size_class": "small",
            "size_rule": "test", "size_working": [], "state": "verified" if verified else "unverified",
            "verified_at": now() if verified else None, "synthetic": True, "created_at": now(), **facts,
        }
        firm_no = firm_number_for(code)
        session().add(Enterprise(id=cast.id, firm_no=firm_no, uscc=code, **values))
    return cast


def uscc_of(firm: Cast) -> str:
    """The firm's social credit code."""
    with transaction(SYSTEM, read_only=True):
        return session().get_one(Enterprise, firm.id).uscc


def bank(name: str = "珠岸银行", **options: Any) -> Cast:
    """A bank with officer, approver and administrator."""
    return organisation(OrgKind.BANK, name, **options)


def bureau() -> Cast:
    """The finance bureau with auditor, reviewer, cashier, leader and administrator."""
    return organisation(OrgKind.BUREAU, "广州市地方金融管理局")


def centre() -> Cast:
    """The transfer-loan centre with clerk, reviewer and administrator."""
    return organisation(OrgKind.BRIDGE_CENTRE, "广州企业转贷服务中心")


def funder(name: str = "穗通小额贷款公司") -> Cast:
    """A funder of bridges."""
    return organisation(OrgKind.FUNDER, name)


def provider(name: str = "广州市税务局", items: Sequence[str] = ("invoices",)) -> Cast:
    """A data provider and what it delivers."""
    from app.evidence.delivery_service import grant_items

    made = organisation(OrgKind.DATA_PROVIDER, name)
    grant_items(SYSTEM, made.id, items)
    return made


def platform() -> Cast:
    """The platform with desk and the three administrators."""
    return organisation(OrgKind.PLATFORM, "惠桥平台")
