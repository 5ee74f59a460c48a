"""Use cases of a bank's products. An edit is a new version; bids keep the one they were made with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.core.audit import plain
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.outbox import emit
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.identity.models import Organisation
from app.market.costs import Conventions, DayCount, FirstPeriod, HolidayRule
from app.market.fit_rules import check_tree
from app.market.product_models import Product, ProductVersion
from app.market.product_words import PRODUCT, ProductState
from app.market.terms import RepaymentMethod
from app.market.words import FIXED_METHODS

constraint("uq_product_name", ErrorCode.CONSTRAINT, "name")
for _name in ("ck_product_amounts", "ck_product_min_amount", "ck_product_max_amount"):
    constraint(_name, ErrorCode.INVALID, "max_amount")
for _name in ("ck_product_terms", "ck_product_min_term", "ck_product_max_term"):
    constraint(_name, ErrorCode.INVALID, "max_term_months")
constraint("ck_product_rule", ErrorCode.PRODUCT_RULE_SIZE, "rule")
constraint("ck_product_rates", ErrorCode.INVALID, "max_rate")
constraint("ck_product_repayments", ErrorCode.INVALID, "repayments")
constraint("ck_product_sources", ErrorCode.INVALID, "required_sources")
constraint("ck_product_capacity", ErrorCode.INVALID, "officer_capacity")
constraint("ck_product_seats", ErrorCode.INVALID, "seats")
constraint("ck_product_budget", ErrorCode.INVALID, "budget")
constraint("ck_product_part", ErrorCode.INVALID, "part_min")


USUAL = Conventions()
"""30/360, interest on the 21st (peer-platforms paper §2 [P])."""
USUAL_CAPACITY = 20
"""Needs that one officer holds at once, where the bank says nothing else [P]."""


@dataclass(frozen=True, slots=True)
class ProductFields:
    """What a product says: amounts in 分, terms in months, rates as fractions per year; see ``Product``."""

    name: str
    kind: str
    min_amount_fen: int
    max_amount_fen: int
    min_term_months: int
    max_term_months: int
    industries: tuple[str, ...] = ()
    districts: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    conventions: Conventions = USUAL
    min_rate: Decimal | None = None
    max_rate: Decimal | None = None
    repayments: tuple[str, ...] = tuple(FIXED_METHODS)
    required_sources: tuple[str, ...] = ()
    officer_capacity: int = USUAL_CAPACITY
    seats: int | None = None
    budget_fen: int | None = None
    part_min_fen: int | None = None
    rule: dict[str, Any] = field(default_factory=dict)


_COLUMNS = (
    "kind", "min_amount_fen", "max_amount_fen", "min_term_months", "max_term_months", "min_rate", "max_rate", "officer_capacity",
    "seats", "budget_fen", "part_min_fen",
)  # fmt: skip


def conventions_json(conventions: Conventions) -> dict[str, Any]:
    """Conventions as they are stored."""
    return {
        "day_count": conventions.day_count.value,
        "interest_day": conventions.interest_day,
        "holiday": conventions.holiday.value,
        "first_period": conventions.first_period.value,
    }


def conventions_of(stored: dict[str, Any]) -> Conventions:
    """Stored conventions as the schedule rule reads them."""
    return Conventions(
        DayCount(stored["day_count"]),
        stored["interest_day"],
        HolidayRule(stored["holiday"]),
        FirstPeriod(stored["first_period"]),
    )


def _write(product: Product, fields: ProductFields) -> None:
    for column in _COLUMNS:
        setattr(product, column, getattr(fields, column))
    if check_tree(fields.rule):
        raise Refusal(ErrorCode.RULE_BROKEN, field="rule")
    product.name, product.rule = fields.name.strip(), fields.rule
    product.repayments = [RepaymentMethod(method).value for method in fields.repayments]
    product.required_sources = sorted(fields.required_sources)
    product.eligibility = {
        "industries": sorted(fields.industries),
        "districts": sorted(fields.districts),
        "sizes": sorted(fields.sizes),
    }
    product.conventions = conventions_json(fields.conventions)


def _archive(ctx: Context, product: Product, fields: ProductFields) -> None:
    facts = asdict(fields)
    facts["conventions"] = product.conventions
    session().flush()
    session().add(
        ProductVersion(
            product_id=product.id,
            version=product.version,
            org_id=product.org_id,
            facts=plain(facts),
            at=now(),
            made_by=ctx.actor_id,
        )
    )


@use_case(Permission.PRODUCT_EDIT, "product.create", returns=Product)
def create_product(ctx: Context, fields: ProductFields, bank_id: UUID | None = None) -> Product:
    """Puts a product on offer. ``bank_id`` is for the portal itself, which belongs to no bank."""
    owner = ctx.org_id if ctx.org_kind is OrgKind.BANK else bank_id
    if owner is None or get_or_404(Organisation, owner).kind != OrgKind.BANK:
        raise Refusal(ErrorCode.FORBIDDEN)
    product = Product(
        org_id=owner,
        state=ProductState.ACTIVE.value,
        version=1,
        created_at=now(),
        changed_at=now(),
        changed_by=ctx.actor_id,
    )
    _write(product, fields)
    session().add(product)
    begin(ctx, PRODUCT, product)
    _archive(ctx, product, fields)
    about(product, name=product.name, version=1)
    emit("product.changed", product_id=product.id)
    return product


@use_case(Permission.PRODUCT_EDIT, "product.edit", returns=Product)
def edit_product(ctx: Context, product_id: UUID, fields: ProductFields) -> Product:
    """A new version of a product."""
    product = _own(ctx, product_id)
    fire(ctx, PRODUCT, product, "edit")
    _write(product, fields)
    product.version += 1
    product.changed_at, product.changed_by = now(), ctx.actor_id
    _archive(ctx, product, fields)
    about(product, name=product.name, version=product.version)
    emit("product.changed", product_id=product.id)
    return product


@use_case(Permission.PRODUCT_EDIT, "product.retire", returns=Product)
def retire_product(ctx: Context, product_id: UUID) -> Product:
    """Takes a product off the shelf."""
    product = _own(ctx, product_id)
    fire(ctx, PRODUCT, product, "retire")
    product.changed_at, product.changed_by = now(), ctx.actor_id
    about(product, name=product.name)
    emit("product.changed", product_id=product.id)
    return product


def _own(ctx: Context, product_id: UUID) -> Product:
    """Products are read by everybody and changed by their bank alone."""
    found = get_or_404(Product, product_id)
    if ctx.org_kind is OrgKind.BANK and found.org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    return get_or_404(Product, product_id, lock=True)
