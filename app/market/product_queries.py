"""What pages read of products."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.context import Context
from app.core.database import session
from app.core.permissions import OrgKind
from app.identity.models import Organisation
from app.market.product_models import Product, ProductVersion
from app.market.product_words import ProductState


def own_products(ctx: Context, *, active: bool = True) -> list[Product]:
    """The bank's products by name."""
    stmt = select(Product).where(Product.org_id == ctx.org_id).order_by(Product.name)
    return list(session().scalars(stmt.where(Product.state == ProductState.ACTIVE.value) if active else stmt))


def products_query(ctx: Context) -> Any:
    """A bank sees its own products, a firm those of every bank that are on offer."""
    stmt = select(Product, Organisation.name.label("bank")).join(Organisation, Organisation.id == Product.org_id)
    if ctx.org_kind is OrgKind.BANK:
        return stmt.where(Product.org_id == ctx.org_id)
    return stmt.where(Product.state == ProductState.ACTIVE.value)


def versions(product_id: UUID) -> list[ProductVersion]:
    """Every version of a product, the newest first."""
    found = select(ProductVersion).where(ProductVersion.product_id == product_id)
    return list(session().scalars(found.order_by(ProductVersion.version.desc())))


def on_offer() -> list[Product]:
    """Products of all banks that are on offer, by name."""
    return list(session().scalars(select(Product).where(Product.state == ProductState.ACTIVE.value).order_by(Product.name)))
