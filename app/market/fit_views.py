"""Pages of fit: which products suit a firm before it files anything, what is missing for the others, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectField
from wtforms.validators import NumberRange, Optional

from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text
from app.core.money import WAN
from app.core.permissions import OrgKind, Permission
from app.core.queries import organisation_names
from app.core.tables import Column, Table
from app.core.use_case import reading
from app.core.web import context
from app.evidence.queries import catalogue
from app.market import product_queries
from app.market.door import room
from app.market.fields import MoneyField
from app.market.fit_display import fact_label, line_chip, todo, value_text, verdict_chip, wanted_text
from app.market.fit_rules import Verdict
from app.market.fit_service import Ask, Fit, fits
from app.market.forms import named
from app.market.product_display import item_names, rates_text, terms_text
from app.market.product_models import Product
from app.market.product_words import PRODUCT_KINDS, ProductState
from app.market.words import METHODS, PURPOSES

ORDER = (Verdict.YES, Verdict.UNKNOWN, Verdict.NO)
SHOW_WORDS = {Verdict.YES: _l("符合"), Verdict.UNKNOWN: _l("还缺条件"), Verdict.NO: _l("不符合")}


class AskForm(FlaskForm):
    """What the firm would ask for; all of it may be left open. Read from the address, so that a page can be sent on."""

    class Meta:
        """Nothing is changed by it."""

        csrf = False

    amount = MoneyField(_l("想借多少"), [Optional()], unit=WAN)
    months = IntegerField(_l("借多久"), [Optional(), NumberRange(1, 360)])
    purpose = SelectField(_l("用来做什么"), [Optional()])
    first = SelectField(_l("是否首贷户"), [Optional()])

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.purpose.choices = [("", gettext("还没想好")), *named(PURPOSES)]
        self.first.choices = [("", gettext("不说明")), ("1", gettext("是")), ("0", gettext("否"))]

    def ask(self) -> Ask:
        """What was said; what cannot be read counts as not said."""
        self.validate()
        amount = self.amount.data if not self.amount.errors and self.amount.data and self.amount.data > 0 else None
        months = self.months.data if not self.months.errors else None
        first = {"1": True, "0": False}.get(self.first.data or "")
        return Ask(amount, months, (self.purpose.data or None) if not self.purpose.errors else None, first)

    def address(self) -> dict[str, str]:
        """The answers as arguments of an address."""
        return {key: value for key in ("amount", "months", "purpose", "first") if (value := request.args.get(key, "").strip())}


@dataclass(frozen=True)
class FitRow:
    """A product with what its rule says of the firm."""

    product: Product
    bank: str
    fit: Fit
    names: dict[str, str]
    address: dict[str, str]

    @property
    def why(self) -> str:
        """The first things that are missing or speak against it."""
        decisive = self.fit.missing if self.fit.verdict is Verdict.UNKNOWN else self.fit.against
        words = [
            f"{fact_label(line.fact)} {wanted_text(line.fact, line.op, line.wanted, line.negated, self.names)}"
            for line in decisive[:2]
        ]
        more = gettext("等 %(count)s 项", count=len(decisive)) if len(decisive) > 2 else ""
        return gettext("；").join(words) + more if self.fit.verdict is not Verdict.YES else ""


FITS = Table(
    "fits",
    columns=[
        Column("name", _l("产品"), sortable=False, render=lambda row: row.product.name, sub=lambda row: row.bank),
        Column(
            "kind", _l("担保方式"), sortable=False, hide_small=True,
            render=lambda row: gettext(PRODUCT_KINDS[row.product.kind]),
        ),
        Column(
            "amount",
            _l("金额"),
            sortable=False,
            align="right",
            render=lambda row: f"{money_text(row.product.min_amount_fen)} – {money_text(row.product.max_amount_fen)}",
            sub=lambda row: terms_text(row.product),
        ),
        Column(
            "rate", _l("年利率"), sortable=False, align="right",
            render=lambda row: rates_text(row.product.min_rate, row.product.max_rate),
        ),
        Column("fit", _l("是否符合"), sortable=False, render=lambda row: verdict_chip(row.fit), sub=lambda row: row.why),
    ],
    row_url=lambda row: url_for("market.product_fit", product_id=row.product.id, **row.address),
    empty_title=_l("没有这样的产品"),
    empty_hint=_l("换一个条件看看，或者直接提交需求，由银行来报价。"),
)  # fmt: skip


def _rows(form: AskForm, firm_id: UUID, names: dict[str, str]) -> list[FitRow]:
    products = product_queries.on_offer()
    banks = organisation_names({product.org_id for product in products})
    found = {fit.product_id: fit for fit in fits(firm_id, form.ask(), products)}
    rows = [
        FitRow(product, banks.get(product.org_id, ""), found[product.id], names, form.address()) for product in products
    ]
    return sorted(rows, key=lambda row: (ORDER.index(row.fit.verdict), len(row.fit.missing), row.product.name, row.bank))


def _firm() -> UUID:
    ctx = context()
    if ctx.org_kind is not OrgKind.ENTERPRISE or ctx.org_id is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    return ctx.org_id


@room.page("/products/fit", Permission.PRODUCT_READ)
def fit_list() -> Any:
    """Every product on offer with what it says of this firm."""
    firm_id = _firm()
    form = AskForm(request.args)
    with reading(context(), Permission.PRODUCT_READ):
        rows = _rows(form, firm_id, item_names(catalogue()))
        shown = request.args.get("show", "")
        tabs = [("", gettext("全部"), len(rows))] + [
            (verdict.value, str(SHOW_WORDS[verdict]), sum(row.fit.verdict is verdict for row in rows)) for verdict in ORDER
        ]
        kept = [row for row in rows if not shown or row.fit.verdict.value == shown]
        return render_template(
            "market/fits.html", page=FITS.page_of(kept), form=form, tabs=tabs, shown=shown, address=form.address()
        )


@room.page("/products/<uuid:product_id>/fit", Permission.PRODUCT_READ)
def product_fit(product_id: UUID) -> Any:
    """One product, rule by rule: wanted, found, where it comes from, what to do."""
    firm_id = _firm()
    form = AskForm(request.args)
    with reading(context(), Permission.PRODUCT_READ):
        product = get_or_404(Product, product_id)
        if product.state != ProductState.ACTIVE:
            raise Refusal(ErrorCode.NOT_FOUND)
        names = item_names(catalogue())
        fit = fits(firm_id, form.ask(), [product])[0]
        return render_template(
            "market/product_fit.html",
            product=product,
            bank=organisation_names({product.org_id}).get(product.org_id, ""),
            fit=fit,
            form=form,
            names=names,
            kind=gettext(PRODUCT_KINDS[product.kind]),
            rates=rates_text(product.min_rate, product.max_rate),
            terms=terms_text(product),
            methods=gettext("、").join(gettext(METHODS[method]) for method in product.repayments),
            fact_label=fact_label,
            wanted_text=wanted_text,
            value_text=value_text,
            line_chip=line_chip,
            verdict_chip=verdict_chip,
            todo=lambda line: todo(line, product.org_id, names),
        )
