"""Pages of the bank's bids: the editor, the approval, the bids it has made. The queue is in ``queue_views``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Response, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import SHANGHAI
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.filters import Filter, fixed, remembered
from app.core.lifecycle import can_fire
from app.core.pages import TimelineEntry, event_texts
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.tables import Column, Table, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, say, send_list
from app.market import (
    award_queries,
    bid_queries,
    bid_service,
    policy,
    product_queries,
    queries,
    queue,
    receipt_service,
    service,
)
from app.market.bid_forms import BidForm
from app.market.bid_service import check_terms
from app.market.bid_words import OBJECTION_REASONS, OBJECTION_STATES
from app.market.costs import all_in_rate
from app.market.display import bid_chip, card_title, deadline, kind_text, months_text, need_chip
from app.market.door import room
from app.market.fields import put_problems
from app.market.forms import SendForm
from app.market.lifecycles import BID
from app.market.models import Bid, Need
from app.market.part_rules import PART_FEES, Candidate
from app.market.product_service import conventions_of
from app.market.queue_views import card
from app.market.words import BID_STATES, BidState, NeedState

# --- the editor ------------------------------------------------------------------------------------------------------


@room.page("/queue/<uuid:need_id>/bid", Permission.BID_DRAFT, methods=["GET", "POST"])
def new_bid(need_id: UUID) -> Any:
    """A new bid: computed, saved as a draft, or handed to the approver."""
    ctx = context()
    if request.method == "GET":
        service.look_at_need(ctx, need_id)
    with reading(ctx, Permission.BID_DRAFT):
        need = queries.need_to_bid_on(ctx, need_id)
        live = bid_queries.own_live_bid(ctx, need_id)
        if live is not None and live.state != BidState.WITHDRAWN and request.method == "GET":
            return redirect(url_for("market.bid", bid_id=live.id))
        products = product_queries.own_products(ctx)
        row = card(ctx, need)
        closes = need.closes_at
        assert closes is not None
        until = policy.choice_ends_at(closes).astimezone(SHANGHAI).date()
        form = BidForm(need, products, data=BidForm.values_for(need, products, until))
        facts = bid_service.product_facts(products)
    return _editor(need, row, form, None, facts)


@room.page("/bids/<uuid:bid_id>/edit", Permission.BID_DRAFT, methods=["GET", "POST"])
def edit_bid(bid_id: UUID) -> Any:
    """A draft, changed."""
    ctx = context()
    with reading(ctx, Permission.BID_DRAFT):
        bid = bid_queries.bid_with_fees(bid_id)
        if bid.state != BidState.DRAFT:
            return redirect(url_for("market.bid", bid_id=bid_id))
        need = get_or_404(Need, bid.need_id)
        row = card(ctx, need)
        products = product_queries.own_products(ctx)
        form = BidForm(need, products, data=BidForm.values_of(bid))
        facts = bid_service.product_facts(products)
    return _editor(need, row, form, bid, facts)


@room.page("/bids/<uuid:bid_id>/replace", Permission.BID_DRAFT, methods=["GET", "POST"])
def replace_bid(bid_id: UUID) -> Any:
    """A new bid in the place of one that was handed in; it begins with what that one says."""
    ctx = context()
    with reading(ctx, Permission.BID_DRAFT):
        bid = bid_queries.bid_with_fees(bid_id)
        live = bid_queries.own_live_bid(ctx, bid.need_id)
        if bid.state != BidState.SUBMITTED or (live is not None and live.id != bid.id and request.method == "GET"):
            return redirect(url_for("market.bid", bid_id=live.id if live is not None else bid_id))
        need = get_or_404(Need, bid.need_id)
        row = card(ctx, need)
        products = product_queries.own_products(ctx)
        form = BidForm(need, products, data=BidForm.values_of(bid))
        facts = bid_service.product_facts(products)
    return _editor(need, row, form, None, facts, replaced=bid)


def _editor(need: Need, row: queue.QueueRow, form: BidForm, bid: Bid | None, facts: dict[UUID, dict[str, Any]],
            replaced: Bid | None = None) -> Any:
    cost = least = None
    if form.validate_on_submit():
        terms = form.terms()
        clean = put_problems(form, check_terms(need, terms, facts[terms.product_id]))
        if terms.ties is None and "propose" in request.form:
            form.ties_answer.errors = [say(Refusal(ErrorCode.TIES_UNDECLARED))]
            clean = False
        if clean:
            if "compute" in request.form:
                cost = all_in_rate(terms.offer)
                least = Candidate(terms.offer, terms.parts).share(terms.parts.least_fen) if terms.parts else None
            else:
                saved = attempt(form, lambda: _save(need, bid, terms, replaced))
                if saved is not None:
                    return redirect(url_for("market.bid", bid_id=saved.id))
    return render_template(
        "market/bid_form.html",
        need=need,
        row=row,
        form=form,
        bid=bid,
        replaced=replaced,
        cost=cost,
        least=least,
        card_title=card_title,
        kind_text=kind_text,
        months_text=months_text,
    )


def _save(need: Need, bid: Bid | None, terms: bid_service.BidTerms, replaced: Bid | None) -> Bid:
    ctx = context()
    if bid is not None:
        saved = bid_service.edit_bid(ctx, bid.id, terms)
    elif replaced is not None:
        saved = bid_service.replace_bid(ctx, replaced.id, terms)
    else:
        saved = bid_service.draft_bid(ctx, need.id, terms)
    return bid_service.propose_bid(ctx, saved.id) if "propose" in request.form else saved


# --- a bid and all bids ----------------------------------------------------------------------------------------------


BIDS = Table(
    "bids",
    columns=[
        Column(
            "name",
            _l("企业"),
            sortable=False,
            render=lambda row: row.name or card_title(row),
            export=lambda row: row.name or card_title(row),
            sub=lambda row: card_title(row) if row.name else "",
        ),
        Column("amount_fen", _l("金额"), Bid.amount_fen, kind="money", sub=lambda row: months_text(row.term_months)),
        Column("annual_rate", _l("名义年利率"), Bid.annual_rate, kind="rate", hide_small=True),
        Column("all_in_rate", _l("综合年化成本"), Bid.all_in_rate, kind="rate"),
        Column(
            "state",
            _l("状态"),
            sortable=False,
            render=lambda row: bid_chip(row.state),
            export=lambda row: gettext(BID_STATES[row.state]),
            sub=lambda row: gettext("企业已撤回需求") if row.need_state == NeedState.WITHDRAWN else "",
        ),
        Column("closes_at", _l("报价截止"), Need.closes_at, kind="datetime", render=deadline),
    ],
    filters=[
        Filter(
            "state",
            _l("状态"),
            choices=fixed(lambda: [(key, gettext(text)) for key, text in BID_STATES.items()]),
            apply=lambda stmt, value: stmt.where(Bid.state == value),
        )
    ],
    default_sort="-closes_at",
    row_url=lambda row: url_for("market.bid", bid_id=row.id),
    empty_title=_l("本行还没有报价"),
    empty_hint=_l("在“需求”里打开一份需求即可起草报价，由审批人提交。"),
    empty_action=lambda: (gettext("去看需求"), url_for("market.queue_list")),
)


class _Named:
    """A row with the firm's name beside it, where the bank may know it."""

    def __init__(self, row: Any, name: str) -> None:
        self._row, self.name = row, name

    def __getattr__(self, key: str) -> Any:
        return getattr(self._row, key)


def _named(rows: Any) -> list[_Named]:
    names = organisation_names({row.firm_id for row in rows})
    return [_Named(row, names.get(row.firm_id, "")) for row in rows]


@room.page("/bids", Permission.BID_READ)
def bids() -> Any:
    """The bank's own bids."""
    ctx = context()
    with reading(ctx, Permission.BID_READ) as db:
        args = remembered(BIDS, request.args, session)
        if wants_export(request.args):
            rows = _named(BIDS.load_all(db, bid_queries.bids_query(ctx), args, 10_000))
            return send_list(BIDS, rows, gettext("本行报价"), "bids.xlsx", counted=False)
        page = BIDS.load(db, bid_queries.bids_query(ctx), args)
        return render_template("market/bids.html", page=replace(page, rows=_named(page.rows)))


@room.page("/bids/<uuid:bid_id>", Permission.BID_READ)
def bid(bid_id: UUID) -> Any:
    """One bid: its terms, its costs, who drafted it, and what may be done now."""
    ctx = context()
    with reading(ctx, Permission.BID_READ):
        found = bid_queries.bid_with_fees(bid_id)
        need = get_or_404(Need, found.need_id)
        steps = bid_queries.steps_of_bid(ctx, bid_id)
        names = bid_queries.people({found.drafted_by, found.submitted_by, *(step.actor_id for step in steps)})
        entries = [
            TimelineEntry(
                step.at,
                names.get(step.actor_id, gettext("系统")) if step.actor_id else gettext("系统"),
                "",
                event_texts.text("bid", step.event),
                step.reason or "",
            )
            for step in steps
        ]
        is_open = need.state == NeedState.OPEN
        can = {
            event: is_open and can_fire(ctx, BID, found, event)
            for event in ("edit", "propose", "discard", "return", "submit", "withdraw")
        }
        others = [each for each in bid_queries.own_bids(ctx, need.id) if each.id != bid_id]
        waiting = any(each.state in (BidState.DRAFT, BidState.PROPOSED) for each in others)
        can["replace"] = is_open and found.state == BidState.SUBMITTED and ctx.can(Permission.BID_DRAFT) and not waiting
        return render_template(
            "market/bid.html",
            bid=found,
            need=need,
            row=card(ctx, need),
            names=names,
            entries=entries,
            others=others,
            object_until=award_queries.may_object_until(found) if ctx.can(Permission.AWARD_OBJECT) else None,
            objections=award_queries.own_objections(ctx, need.id) if found.opened_at else [],
            choice=award_queries.choice_of_bid(bid_id),
            reasons=OBJECTION_REASONS,
            objection_states=OBJECTION_STATES,
            can=can,
            lines=bid_queries.working_lines(found.working),
            case=queries.case_of(need),
            form=SendForm(),
            card_title=card_title,
            bid_chip=bid_chip,
            need_chip=need_chip,
            months_text=months_text,
            part_fees=PART_FEES,
            conventions=conventions_of(found.conventions),
            same_person=ctx.can(Permission.BID_SUBMIT) and found.drafted_by == ctx.actor_id and found.state == BidState.PROPOSED,
            over_limit=ctx.can(Permission.BID_SUBMIT) and found.amount_fen > (ctx.approval_limit_fen or 0),
        )


@room.page("/bids/<uuid:bid_id>/receipt", Permission.BID_READ)
def bid_receipt(bid_id: UUID) -> Any:
    """What the bank handed in and when, with what was opened beside it; as a file with ``format=json``."""
    with reading(context(), Permission.BID_READ):
        bid = bid_queries.bid_with_fees(bid_id)
        need = get_or_404(Need, bid.need_id)
        found = receipt_service.kept(bid, need)
        if found is None:
            raise Refusal(ErrorCode.NOT_FOUND)
        if request.args.get("format") == "json":
            body = json.dumps(found.download(), ensure_ascii=False, indent=1)
            headers = {"Content-Disposition": f"attachment; filename=receipt-{bid_id}.json"}
            return Response(body, mimetype="application/json", headers=headers)
        return render_template("market/receipt.html", bid=bid, need=need, kept=found, row=card(context(), need),
                               card_title=card_title, exact_text=bid_service.exact_text)


def _bid_button(name: str, permission: Permission, call: Any, done: Any) -> None:
    """A button of the bid page: one use case, then back to the page."""

    def view(bid_id: UUID) -> Any:
        return act(lambda: call(context(), bid_id), done=str(done), to=url_for("market.bid", bid_id=bid_id))

    room.page(f"/bids/<uuid:bid_id>/{name}", permission, methods=["POST"], endpoint=f"{name}_bid")(view)


def _reason() -> str:
    return request.form.get("reason", "")


_bid_button("propose", Permission.BID_DRAFT, bid_service.propose_bid, _l("已提请审批。"))
_bid_button("discard", Permission.BID_DRAFT, bid_service.discard_bid, _l("已删除草稿，可以重新报价。"))
_bid_button("submit", Permission.BID_SUBMIT, bid_service.submit_bid, _l("报价已密封提交，截止前本行以外任何人都看不到。"))
_bid_button(
    "return", Permission.BID_READ, lambda ctx, bid_id: bid_service.return_bid(ctx, bid_id, _reason()), _l("已退回起草人。")
)
_bid_button(
    "withdraw",
    Permission.BID_WITHDRAW,
    lambda ctx, bid_id: bid_service.withdraw_bid(ctx, bid_id, _reason()),
    _l("已撤回报价，截止前可以重新报价。"),
)
