"""Pages of funds: balances for funder, centre and bureau; opening and topping up for the centre's reviewer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.bridge import agreement_queries, ceilings, fund_service, queries, quota_service
from app.bridge.ceilings import Ceilings
from app.bridge.display import kind_text
from app.bridge.door import room
from app.bridge.fund_forms import DaysForm, FundForm, MoneyMoveForm, ProductForm, QuotaForm
from app.bridge.fund_models import Fund
from app.bridge.rules import SAME_BANK
from app.bridge.terms import terms_of
from app.core import ledger
from app.core.database import get_or_404
from app.core.ledger import Account
from app.core.permissions import Permission
from app.core.pieces import chip
from app.core.queries import organisation_names
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled, send_list

FUNDS = Table(
    "funds",
    columns=[
        Column("name", _l("资金"), Fund.name, sub=lambda row: row.funder),
        Column("kinds", _l("用于"), sortable=False, render=lambda row: kinds_text(row.kinds)),
        Column("free_fen", _l("可用"), Account.credits_posted_fen - Account.debits_posted_fen - Account.debits_pending_fen,
               kind="money"),
        Column("reserved_fen", _l("已预留"), Account.debits_pending_fen, kind="money"),
        Column("out_fen", _l("在途"), kind="money", sortable=False),
        Column("state", _l("状态"), sortable=False, render=lambda row: state_chip(row.state),
               export=lambda row: state_word(row.state)),
    ],
    filters=[
        Filter("q", _l("名称"), kind="text", apply=lambda stmt, value: stmt.where(Fund.name.icontains(value, autoescape=True))),
        Filter("state", _l("状态"), choices=[("OPEN", _l("开放")), ("CLOSED", _l("关闭"))],
               apply=lambda stmt, value: stmt.where(Fund.state == value)),
    ],
    default_sort="name",
    row_url=lambda row: url_for("bridge.fund", fund_id=row.id),
    empty_title=_l("还没有转贷资金"),
    empty_hint=_l("资金方承诺出资后，由转贷中心复核登记；资金留在资金方自己的账户上，平台只记账。"),
)


def kinds_text(kinds: list[str] | None) -> str:
    """The kinds of bridges that open products are for."""
    return gettext("、").join(kind_text(kind) for kind in sorted(kinds or [], reverse=True)) or gettext("没有在售产品")


def state_word(state: str) -> str:
    """Open or closed."""
    return gettext("开放") if state == "OPEN" else gettext("关闭")


def state_chip(state: str) -> Any:
    """The same as a chip."""
    return chip(state_word(state), "good" if state == "OPEN" else "plain")


@room.page("/funds", Permission.FUND_READ)
def funds() -> Any:
    """Every fund the visitor may see, with its balances."""
    ctx = context()
    with reading(ctx, Permission.FUND_READ) as db:
        args = remembered(FUNDS, request.args, session)
        if wants_export(request.args):
            rows = FUNDS.load_all(db, queries.funds(), args, EXPORT_LIMIT)
            return send_list(FUNDS, rows, gettext("转贷资金"), "funds.xlsx")
        return render_template("bridge/funds.html", page=FUNDS.load(db, queries.funds(), args),
                               may_edit=ctx.can(Permission.FUND_EDIT))


@room.page("/funds/new", Permission.FUND_EDIT, methods=["GET", "POST"])
def new_fund() -> Any:
    """A new fund with its terms."""
    ctx = context()
    with reading(ctx, Permission.FUND_EDIT):
        caps = ceilings.current()
        form = FundForm(queries.funders(), data={**_usual(caps), "product_name": gettext("标准产品")})
    if form.validate_on_submit() and form.fits():
        made = attempt(form, lambda: fund_service.open_fund(
            ctx, UUID(form.funder.data), form.name.data, form.terms(), form.product_name.data))
        if made is not None:
            flash(gettext("资金已登记，请登记第一笔出资。"), "success")
            return redirect(url_for("bridge.fund", fund_id=made.id))
    return render_template("bridge/fund_form.html", form=form, caps=caps, fund=None)


def _usual(caps: Ceilings) -> dict[str, Any]:
    """What a product form begins with."""
    return {
        "kind": "SAME_BANK", "fee_method": "DAILY", "daily_rate": min(SAME_BANK.daily_rate, caps.daily_rate),
        "one_off_rate": min(SAME_BANK.one_off_rate, caps.one_off_rate), "cap": SAME_BANK.cap_fen, "share": SAME_BANK.max_share,
        "max_days": SAME_BANK.max_days,
    }


@room.page("/funds/<uuid:fund_id>/products/new", Permission.FUND_EDIT, methods=["GET", "POST"])
def new_product(fund_id: UUID) -> Any:
    """Another product of a fund."""
    ctx = context()
    with reading(ctx, Permission.FUND_EDIT):
        found, caps = get_or_404(Fund, fund_id), ceilings.current()
        form = ProductForm(data=_usual(caps))
    if form.validate_on_submit() and form.fits():
        made = attempt(form, lambda: fund_service.open_product(ctx, fund_id, form.name.data, form.terms()))
        if made is not None:
            flash(gettext("产品已登记。"), "success")
            return redirect(url_for("bridge.fund", fund_id=fund_id))
    return render_template("bridge/fund_form.html", form=form, caps=caps, fund=found)


@room.page("/funds/<uuid:fund_id>/products/<uuid:product_id>/state", Permission.FUND_EDIT, methods=["POST"])
def product_state(fund_id: UUID, product_id: UUID) -> Any:
    """Offers a product again, or no more."""
    return act(lambda: fund_service.set_product_open(context(), product_id, request.form.get("open") == "1"),
               done=gettext("已登记。"), to=url_for("bridge.fund", fund_id=fund_id))


@room.page("/funds/<uuid:fund_id>", Permission.FUND_READ)
def fund(fund_id: UUID) -> Any:
    """One fund: balances, terms, every movement."""
    return _fund_page(fund_id, MoneyMoveForm())


def _fund_page(fund_id: UUID, form: MoneyMoveForm) -> Any:
    ctx = context()
    with reading(ctx, Permission.FUND_READ):
        found = get_or_404(Fund, fund_id)
        account, fees = ledger.account(found.account_code), ledger.account(f"fund-fee:{found.id}")
        return render_template(
            "bridge/fund.html", fund=found, account=account, fees=fees, terms_of=terms_of,
            products=fund_service.products_of(found.id), quotas=quota_lines(found), days=quota_service.days_of(found.id),
            agreements=agreement_queries.of_funder(found.org_id),
            entries=queries.fund_ledger(found), funder=organisation_names({found.org_id}).get(found.org_id, ""),
            may_edit=ctx.can(Permission.FUND_EDIT), form=form, chip=state_chip(found.state),
        )


def quota_lines(found: Fund) -> list[tuple[str, int]]:
    """A fund's limits as they are read (分)."""
    names: dict[str, Any] = {
        "DAY": gettext("每日额度"), "DEAL": gettext("单笔额度"), "BANK": gettext("每家银行额度"),
        "SAME_BANK": gettext("原行转贷额度"), "CROSS_BANK": gettext("跨行转贷额度"),
    }
    rows = quota_service.quotas_of(found.id)
    banks = organisation_names({row.bank_org_id for row in rows if row.bank_org_id is not None})
    return [(banks.get(row.bank_org_id, "") if row.bank_org_id else names[row.kind or row.scope], row.limit_fen) for row in rows]


@room.page("/funds/<uuid:fund_id>/quotas", Permission.FUND_EDIT, methods=["GET", "POST"])
def quotas(fund_id: UUID) -> Any:
    """The limits of a fund."""
    ctx = context()
    with reading(ctx, Permission.FUND_EDIT):
        found = get_or_404(Fund, fund_id)
        held = {(row.scope, row.bank_org_id, row.kind): row.limit_fen for row in quota_service.quotas_of(fund_id)}
        form = QuotaForm(queries.banks(), data={
            "daily": held.get(("DAY", None, None)), "deal": held.get(("DEAL", None, None)),
            "any_bank": held.get(("BANK", None, None)), "same_bank": held.get(("KIND", None, "SAME_BANK")),
            "cross_bank": held.get(("KIND", None, "CROSS_BANK")),
        })
        lines = quota_lines(found)
    if form.validate_on_submit() and attempt(form, lambda: quota_service.set_quotas(ctx, fund_id, form.quotas())) is not None:
        flash(gettext("额度已登记；已经占用的不变。"), "success")
        return redirect(url_for("bridge.fund", fund_id=fund_id))
    return render_template("bridge/fund_quotas.html", form=form, fund=found, quotas=lines)


@room.page("/funds/<uuid:fund_id>/days", Permission.FUND_EDIT, methods=["GET", "POST"])
def days(fund_id: UUID) -> Any:
    """The calendar of a fund: other limits, and days on which nothing is paid out."""
    ctx, form = context(), DaysForm()
    with reading(ctx, Permission.FUND_EDIT):
        found, known = get_or_404(Fund, fund_id), quota_service.days_of(fund_id)
    if form.validate_on_submit():
        stretch = quota_service.Stretch(
            filled(form.first.data), filled(form.last.data), form.limit.data if form.way.data == "limit" else None,
            form.way.data == "closed", bool(form.only_free_days.data), form.note.data or "",
        )
        if attempt(form, lambda: quota_service.set_days(ctx, fund_id, stretch)) is not None:
            flash(gettext("日历已登记；已经占用的不变。"), "success")
            return redirect(url_for("bridge.days", fund_id=fund_id))
    return render_template("bridge/fund_days.html", form=form, fund=found, days=known)


@room.page("/funds/<uuid:fund_id>/move", Permission.FUND_EDIT, methods=["POST"])
def move_money(fund_id: UUID) -> Any:
    """Money in, or out again."""
    ctx, form = context(), MoneyMoveForm()
    call = fund_service.withdraw if request.form.get("way") == "out" else fund_service.top_up
    if form.validate_on_submit() and attempt(
        form, lambda: call(ctx, fund_id, filled(form.amount.data), form.voucher_no.data)) is not None:
        flash(gettext("已登记。"), "success")
        return redirect(url_for("bridge.fund", fund_id=fund_id))
    return _fund_page(fund_id, form)


@room.page("/funds/<uuid:fund_id>/state", Permission.FUND_EDIT, methods=["POST"])
def fund_state(fund_id: UUID) -> Any:
    """Opens or closes a fund for new quotes."""
    return act(lambda: fund_service.set_open(context(), fund_id, request.form.get("open") == "1"),
               done=gettext("已登记。"), to=url_for("bridge.fund", fund_id=fund_id))
