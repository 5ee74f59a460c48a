"""Which products fit a firm, before it files anything. Read only: call it inside a reading."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app.market import fit_facts, product_queries
from app.market.fit_rules import CONSENT, FitLine, ProductTerms, Tree, Value, Verdict, judge, whole_tree
from app.market.product_models import Product


@dataclass(frozen=True, slots=True)
class Ask:
    """What a firm would ask for: amount in 分, term in months; ``None`` where it has not said."""

    amount_fen: int | None = None
    term_months: int | None = None
    purpose: str | None = None
    first_loan: bool | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """What a product's rule says of a firm, line by line."""

    product_id: UUID
    org_id: UUID
    verdict: Verdict
    lines: tuple[FitLine, ...]
    missing: tuple[FitLine, ...]
    against: tuple[FitLine, ...]


def tree_of_product(product: Product) -> Tree:
    """Ranges, lists, required consents and the bank's own rule of a product as one tree."""
    terms = ProductTerms(
        product.min_amount_fen, product.max_amount_fen, product.min_term_months, product.max_term_months,
        product.eligibility["industries"], product.eligibility["districts"], product.eligibility["sizes"],
        product.required_sources,
    )  # fmt: skip
    return whole_tree(terms, product.rule)


def fits(firm_id: UUID, ask: Ask, products: list[Product] | None = None) -> list[Fit]:
    """What every product on offer (or those given) says of the firm, as far as the running identity may know it."""
    if products is None:
        products = product_queries.on_offer()
    known = fit_facts.load(firm_id)
    asked: dict[str, Value | None] = {
        "amount_fen": ask.amount_fen, "term_months": ask.term_months, "purpose": ask.purpose, "first_loan": ask.first_loan,
    }  # fmt: skip
    facts = {**known.facts, **{name: value for name, value in asked.items() if value is not None}}
    found = []
    for product in products:
        to_bank = known.consents.get(product.org_id, frozenset())
        judged = judge(tree_of_product(product), {**facts, CONSENT: to_bank})
        found.append(Fit(product.id, product.org_id, judged.verdict, judged.lines, judged.missing, judged.against))
    return found
