"""The words of a product: its kinds and states, each with its Chinese name, and what may be done with it."""

from __future__ import annotations

from enum import StrEnum

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission as P
from app.core.working import N_


class ProductState(StrEnum):
    """A retired product takes no new bids; bids that name it keep the version they were made with."""

    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


class ProductKind(StrEnum):
    """Kinds of loan: by security (the compensation rule names the first six, 穗金管规字〔2025〕1号), or by what it is for."""

    CREDIT = "CREDIT"
    RECEIVABLE_PLEDGE = "RECEIVABLE_PLEDGE"
    IP_PLEDGE = "IP_PLEDGE"
    ENVIRONMENT_PLEDGE = "ENVIRONMENT_PLEDGE"
    LOAN_INSURANCE = "LOAN_INSURANCE"
    GUARANTEED = "GUARANTEED"
    MORTGAGE = "MORTGAGE"
    EQUITY = "EQUITY"
    TAX_LOAN = "TAX_LOAN"
    FIRST_LOAN = "FIRST_LOAN"
    RENEWAL = "RENEWAL"
    SUPPLY_CHAIN = "SUPPLY_CHAIN"
    OTHER = "OTHER"


PRODUCT_STATES: dict[str, str] = {ProductState.ACTIVE: N_("在售"), ProductState.RETIRED: N_("已停用")}
PRODUCT_KINDS: dict[str, str] = {
    ProductKind.CREDIT: N_("信用"), ProductKind.RECEIVABLE_PLEDGE: N_("应收账款质押"),
    ProductKind.IP_PLEDGE: N_("知识产权质押"), ProductKind.ENVIRONMENT_PLEDGE: N_("环境权益质押"),
    ProductKind.LOAN_INSURANCE: N_("保证保险"), ProductKind.GUARANTEED: N_("担保"), ProductKind.MORTGAGE: N_("抵押"),
    ProductKind.EQUITY: N_("股权"), ProductKind.TAX_LOAN: N_("税贷"), ProductKind.FIRST_LOAN: N_("首贷"),
    ProductKind.RENEWAL: N_("续贷"), ProductKind.SUPPLY_CHAIN: N_("供应链"), ProductKind.OTHER: N_("其他"),
}  # fmt: skip

PRODUCT = Lifecycle(
    "product",
    ProductState,
    (
        Move(ProductState.ACTIVE, "edit", ProductState.ACTIVE, (P.PRODUCT_EDIT,), shared=False),
        Move(ProductState.ACTIVE, "retire", ProductState.RETIRED, (P.PRODUCT_EDIT,), shared=False),
    ),
)
