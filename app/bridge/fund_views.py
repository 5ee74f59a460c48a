"""Pages of funds: balances for funder, centre and bureau; opening and topping up for the centre's reviewer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.bridge import fund_service, queries
from app.bridge.display import charge_text, kind_text
from app.bridge.door import room
from app.bridge.forms import FundForm, MoneyMoveForm
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
        Column("kind", _l("用于"), sortable=False, render=lambda row: kind_text(row.kind),
               sub=lambda row: charge_text(row.terms)),
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
        form = FundForm(queries.funders(), data={
            "kind": "SAME_BANK", "fee_method": "DAILY", "daily_rate": SAME_BANK.daily_rate,
            "one_off_rate": SAME_BANK.one_off_rate, "cap": SAME_BANK.cap_fen, "share": SAME_BANK.max_share,
            "max_days": SAME_BANK.max_days,
        })
    if form.validate_on_submit() and form.fits():
        made = attempt(form, lambda: fund_service.open_fund(ctx, UUID(form.funder.data), form.name.data, form.terms()))
        if made is not None:
            flash(gettext("资金已登记，请登记第一笔出资。"), "success")
            return redirect(url_for("bridge.fund", fund_id=made.id))
    return render_template("bridge/fund_form.html", form=form, caps=SAME_BANK)


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
            "bridge/fund.html", fund=found, account=account, fees=fees, terms=terms_of(found.terms),
            entries=queries.fund_ledger(found), funder=organisation_names({found.org_id}).get(found.org_id, ""),
            may_edit=ctx.can(Permission.FUND_EDIT), form=form, chip=state_chip(found.state),
        )


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
