"""Pages of the budget: a year's money and every movement, money in and a year closed on two people's word, the line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.formats import money_text
from app.core.lifecycle import Lifecycle, can_fire
from app.core.pages import Text, Wait, event_texts, home
from app.core.permissions import Permission
from app.core.queries import organisation_names, reason_text
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled
from app.loans.models import Loan
from app.pool import budget_queries, budget_service, line_service, service
from app.pool.budget_forms import ClosingForm, FundForm
from app.pool.budget_models import Closing, Funding
from app.pool.budget_models import Wait as Place
from app.pool.budget_states import CLOSING, CLOSING_TEXTS, FUNDING, FUNDING_TEXTS
from app.pool.check_views import account_name
from app.pool.door import room, steps, year_asked
from app.pool.forms import PayForm
from app.pool.models import Claim
from app.pool.rule_fields import word
from app.pool.rule_views import STATES
from app.pool.rules import Mode, RuleSet, YearEnd

P = Permission
EVENTS = ("confirm", "refuse", "withdraw")
FUND_BUTTONS: dict[str, tuple[Text, Text, str]] = {
    "confirm": (_l("确认拨入"), _l("资金立即从财政拨款转入年度预算。"), "primary"),
    "refuse": (_l("不同意"), _l("预算不变。"), "outline-danger"), "withdraw": (_l("撤回"), _l("预算不变。"), "quiet"),
}
CLOSE_BUTTONS: dict[str, tuple[Text, Text, str]] = {
    "confirm": (_l("确认结账"), _l("预留按办法结转或释放，结余退回财政，以后这一年不能再记账。"), "primary"),
    "refuse": (_l("不同意"), _l("年度不结账。"), "outline-danger"), "withdraw": (_l("撤回"), _l("年度不结账。"), "quiet"),
}
DONE: dict[str, Text] = {"confirm": _l("已确认。"), "refuse": _l("已记录不同意。"), "withdraw": _l("已撤回。")}
for _model, _texts in ((Funding, FUNDING_TEXTS), (Closing, CLOSING_TEXTS)):
    for _event, _words in _texts.items():
        event_texts.add(_model.__tablename__, _event, _l(_words))


def _events(ctx: Context, lifecycle: Lifecycle, row: Any) -> list[str]:
    return [event for event in EVENTS if can_fire(ctx, lifecycle, row, event)]


@room.page("/pool/ledger", P.POOL_READ)
def ledger() -> Any:
    """A year's budget: what came in and went out, who waits, what is proposed, every movement."""
    ctx = context()
    year = year_asked()
    with reading(ctx, P.POOL_READ):
        stored = service.rule_set_on(today())
        rules = RuleSet.from_json(stored.rules) if stored else None
        moneys = budget_queries.year_moneys(year)
        waiting = budget_queries.line()
        return render_template(
            "pool/ledger.html", moneys=moneys, modes=[mode for mode in Mode if mode is Mode.BANK or moneys[mode].set_aside_fen],
            rows=budget_queries.ledger_of(year), year=year, memo_text=reason_text, account_name=account_name, states=STATES,
            fundings=[(row.Funding, row.proposer, _events(ctx, FUNDING, row.Funding)) for row in budget_queries.fundings(year)],
            closings=[(row.Closing, row.proposer) for row in budget_queries.closings(year)], fund_buttons=FUND_BUTTONS,
            waiting=waiting if year == today().year else [], mode_words=rules and word(rules.budget_mode),
            line_modes=sorted({Mode(row.Wait.mode) for row in waiting}) if ctx.can(P.CLAIM_DECIDE) else [],
            can_close=ctx.can(P.POOL_PROPOSE) and year < today().year,
        )


@room.page("/pool/fund", P.POOL_PROPOSE, methods=["GET", "POST"])
def fund() -> Any:
    """Proposes money for a year's budget."""
    ctx, form = context(), FundForm()
    if form.validate_on_submit():
        done = attempt(form, lambda: budget_service.propose_funding(
            ctx, filled(form.year.data), filled(form.amount.data), form.document_no.data or "", form.guarantee.data or 0,
            form.reason.data or ""))
        if done is not None:
            flash(gettext("已提出拨入预算，请另一人确认。"), "success")
            return redirect(url_for("pool.ledger", year=form.year.data))
    return render_template("pool/fund.html", form=form)


@room.page("/pool/fundings/<uuid:funding_id>/<any(confirm, refuse):event>", P.POOL_FUND, methods=["POST"])
def judge_funding(funding_id: UUID, event: str) -> Any:
    """A second person's word on money for the budget."""
    return _funding(funding_id, event)


@room.page("/pool/fundings/<uuid:funding_id>/withdraw", P.POOL_PROPOSE, methods=["POST"])
def withdraw_funding(funding_id: UUID) -> Any:
    """Takes one's own proposal back."""
    return _funding(funding_id, "withdraw")


def _funding(funding_id: UUID, event: str) -> Any:
    with reading(context(), P.POOL_READ):
        year = get_or_404(Funding, funding_id).year
    reason = request.form.get("reason", "")
    return act(lambda: budget_service.decide_funding(context(), funding_id, event, reason), done=str(DONE[event]),
               to=url_for("pool.ledger", year=year))


@room.page("/pool/closings/new", P.POOL_PROPOSE, methods=["GET", "POST"])
def close_year() -> Any:
    """Proposes to close a year."""
    ctx, form = context(), ClosingForm(data={"year": request.args.get("year", type=int)} if request.args.get("year") else None)
    with reading(ctx, P.POOL_PROPOSE):
        stored = service.rule_set_on(today())
        ends = word(RuleSet.from_json(stored.rules).year_end) if stored else ""
    if form.validate_on_submit():
        made = attempt(form, lambda: budget_service.propose_closing(ctx, filled(form.year.data), form.reason.data or ""))
        if made is not None:
            flash(gettext("已提出年度结账，请另一人确认。"), "success")
            return redirect(url_for("pool.closing", closing_id=made.id))
    return render_template("pool/close_year.html", form=form, ends=ends)


@room.page("/pool/closings/<uuid:closing_id>", P.POOL_READ)
def closing(closing_id: UUID) -> Any:
    """A closing: the year's money, and once closed what became of it and the trial balance."""
    ctx = context()
    with reading(ctx, P.POOL_READ):
        found = get_or_404(Closing, closing_id)
        trial = (found.result or {}).get("trial", [])
        banks = organisation_names({UUID(code.split(":")[2]) for code, *_ in trial if code.startswith("pool:paid:")})
        return render_template(
            "pool/closing.html", closing=found, money=budget_queries.year_money(found.year), state=STATES[found.state],
            ends=word(YearEnd(found.year_end)), events=_events(ctx, CLOSING, found), buttons=CLOSE_BUTTONS,
            entries=steps("budget_closing", found.id), trial=[
                (banks.get(UUID(code.split(":")[2]), code) if code.startswith("pool:paid:") else account_name(code), sides)
                for code, *sides in trial
            ],
        )


@room.page("/pool/closings/<uuid:closing_id>/<any(confirm, refuse):event>", P.POOL_FUND, methods=["POST"])
def judge_closing(closing_id: UUID, event: str) -> Any:
    """A second person's word on the closing."""
    return _closing(closing_id, event)


@room.page("/pool/closings/<uuid:closing_id>/withdraw", P.POOL_PROPOSE, methods=["POST"])
def withdraw_closing(closing_id: UUID) -> Any:
    """Takes one's own proposal back."""
    return _closing(closing_id, "withdraw")


def _closing(closing_id: UUID, event: str) -> Any:
    reason = request.form.get("reason", "")
    return act(lambda: budget_service.decide_closing(context(), closing_id, event, reason), done=str(DONE[event]),
               to=url_for("pool.closing", closing_id=closing_id))


@room.page("/pool/line/<any(BANK, GUARANTEE):mode>", P.CLAIM_DECIDE, methods=["POST"])
def spread(mode: str) -> Any:
    """Spreads what is left over those who wait."""
    reason = request.form.get("reason", "")
    return act(lambda: line_service.spread(context(), Mode(mode), reason), done=gettext("已按办法安排资金。"),
               to=url_for("pool.ledger"))


@room.page("/pool/rests/<uuid:wait_id>/pay", P.CLAIM_PAY, methods=["GET", "POST"])
def pay_rest(wait_id: UUID) -> Any:
    """The cashier pays what an earlier part payment left."""
    ctx, form = context(), PayForm()
    with reading(ctx, P.CLAIM_PAY):
        wait = get_or_404(Place, wait_id)
        claim = get_or_404(Claim, wait.claim_id)
        bank, number = organisation_names({wait.org_id}).get(wait.org_id, ""), get_or_404(Loan, claim.loan_id).number
    if form.validate_on_submit():
        paid = attempt(form, lambda: line_service.pay_rest(ctx, wait_id, form.voucher_no.data or "", filled(form.paid_on.data)))
        if paid is not None:
            flash(gettext("已支付余下的部分。"), "success")
            return redirect(url_for("pool.claim", claim_id=wait.claim_id))
    return render_template("pool/pay_rest.html", form=form, wait=wait, bank=bank, number=number)


def leader_waits(ctx: Context) -> list[Wait]:
    """Fundings and closings that wait for a second person."""
    waits = [
        Wait(_l("确认拨入预算"), f"{one.year} · {money_text(one.amount_fen)} · {one.document_no}",
             url_for("pool.ledger", year=one.year), tone="wait", order=26) for one in budget_queries.proposed(Funding)
    ]
    return waits + [
        Wait(_l("确认年度结账"), str(one.year), url_for("pool.closing", closing_id=one.id), tone="wait", order=27)
        for one in budget_queries.proposed(Closing)
    ]


def cashier_waits(ctx: Context) -> list[Wait]:
    """Rests that have got their money."""
    return [
        Wait(_l("支付余下的补偿"), f"{row.bank_name} · {money_text(row.covered_fen)}", url_for("pool.pay_rest", wait_id=row.id),
             tone="wait", order=13) for row in budget_queries.rests_to_pay()
    ]


home.add_waits(P.POOL_FUND, leader_waits)
home.add_waits(P.CLAIM_PAY, cashier_waits)
