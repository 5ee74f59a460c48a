"""Pages of products: a bank's own, or what all banks offer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.filters import Filter, fixed, remembered
from app.core.formats import money_text
from app.core.lifecycle import can_fire
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.tables import Column, Table
from app.core.use_case import reading
from app.core.web import act, attempt, context
from app.evidence.consent_queries import consentable
from app.market import product_queries, product_service
from app.market.door import room
from app.market.product_display import history, item_names, rates_text, terms_text
from app.market.product_forms import ProductForm
from app.market.product_models import Product
from app.market.product_words import PRODUCT, PRODUCT_KINDS, PRODUCT_STATES, ProductState
from app.market.rule_form import rule_values

PRODUCTS = Table(
    "products",
    columns=[
        Column(
            "name",
            _l("产品"),
            Product.name,
            render=lambda row: row.Product.name,
            sub=lambda row: gettext("%(bank)s · 第 %(version)s 版", bank=row.bank, version=row.Product.version),
        ),
        Column("kind", _l("担保方式"), sortable=False, render=lambda row: gettext(PRODUCT_KINDS[row.Product.kind])),
        Column(
            "max_amount_fen",
            _l("金额"),
            Product.max_amount_fen,
            align="right",
            render=lambda row: f"{money_text(row.Product.min_amount_fen)} – {money_text(row.Product.max_amount_fen)}",
        ),
        Column(
            "max_term_months",
            _l("期限"),
            Product.max_term_months,
            align="right",
            render=lambda row: terms_text(row.Product),
        ),
        Column(
            "max_rate",
            _l("年利率"),
            Product.max_rate,
            align="right",
            render=lambda row: rates_text(row.Product.min_rate, row.Product.max_rate),
        ),
        Column(
            "state",
            _l("状态"),
            sortable=False,
            render=lambda row: chip(
                gettext(PRODUCT_STATES[row.Product.state]), "good" if row.Product.state == ProductState.ACTIVE else "plain"
            ),
        ),
    ],
    filters=[
        Filter(
            "kind",
            _l("担保方式"),
            choices=fixed(lambda: [(key, gettext(text)) for key, text in PRODUCT_KINDS.items()]),
            apply=lambda stmt, value: stmt.where(Product.kind == value),
        )
    ],
    default_sort="name",
    row_url=lambda row: _row_url(row.Product),
    empty_title=_l("还没有产品"),
    empty_hint=_l("产品写明金额、期限、面向的行业和地区，用来为本行排序需求；每份报价都注明所用的产品版本。"),
)


def _row_url(product: Product) -> str | None:
    """The bank's administrator edits, a firm reads what fits; other people of a bank have nothing to open."""
    if context().org_kind is OrgKind.ENTERPRISE:
        return url_for("market.product_fit", product_id=product.id)
    return url_for("market.product", product_id=product.id) if _ours(product) else None


def _ours(product: Product) -> bool:
    ctx = context()
    return ctx.can(Permission.PRODUCT_EDIT) and product.org_id == ctx.org_id


@room.page("/products", Permission.PRODUCT_READ)
def products() -> Any:
    """A bank's own products, or for a firm those of all banks."""
    ctx = context()
    with reading(ctx, Permission.PRODUCT_READ) as db:
        page = PRODUCTS.load(db, product_queries.products_query(ctx), remembered(PRODUCTS, request.args, session))
        return render_template(
            "market/products.html", page=page, own=ctx.org_kind is OrgKind.BANK, may_edit=ctx.can(Permission.PRODUCT_EDIT)
        )


@room.page("/products/new", Permission.PRODUCT_EDIT, methods=["GET", "POST"])
def new_product() -> Any:
    """Puts a product on offer."""
    with reading(context(), Permission.PRODUCT_EDIT):
        form = ProductForm(consentable(), data=ProductForm.values_for_new())
    if form.validate_on_submit():
        made = attempt(form, lambda: product_service.create_product(context(), form.fields()))
        if made is not None:
            return redirect(url_for("market.products"))
    return render_template("market/product_form.html", form=form, product=None, can_retire=False, versions=[], kept_rule=False)


@room.page("/products/<uuid:product_id>", Permission.PRODUCT_EDIT, methods=["GET", "POST"])
def product(product_id: UUID) -> Any:
    """A product, changed as a new version."""
    ctx = context()
    with reading(ctx, Permission.PRODUCT_EDIT):
        found = get_or_404(Product, product_id)
        if found.org_id != ctx.org_id:
            raise Refusal(ErrorCode.NOT_FOUND)
        items = consentable()
        form = ProductForm(items, data=ProductForm.values_of(found))
        kept = found.rule if rule_values(found.rule) is None else None
        versions = history(product_queries.versions(product_id), item_names(items))
    if form.validate_on_submit():
        changed = attempt(form, lambda: product_service.edit_product(ctx, product_id, form.fields(kept)))
        if changed is not None:
            return redirect(url_for("market.products"))
    return render_template(
        "market/product_form.html",
        form=form,
        product=found,
        can_retire=can_fire(ctx, PRODUCT, found, "retire"),
        versions=versions,
        kept_rule=kept is not None,
    )


@room.page("/products/<uuid:product_id>/retire", Permission.PRODUCT_EDIT, methods=["POST"])
def retire_product(product_id: UUID) -> Any:
    """Takes a product off the shelf."""
    return act(
        lambda: product_service.retire_product(context(), product_id), done=gettext("产品已停用。"), to=url_for("market.products")
    )
