"""Use cases of the choice: the firm takes one bid, the others lapse, the bank joins the case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.core.audit import plain
from app.core.calendar import now, today
from app.core.cases import join_case
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.models import Case
from app.core.notices import notify
from app.core.outbox import emit
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.core.working import N_
from app.identity.models import Organisation
from app.identity.service import keep_case
from app.market.closing_service import lapse_bid
from app.market.lifecycles import BID, CHOICE, NEED
from app.market.models import Bid, Choice, Need
from app.market.words import BidState, ChoiceState, NeedState

constraint("uq_choice_live", ErrorCode.CHOICE_EXISTS)


def cost_sheet(bid: Bid, bank: str) -> dict[str, Any]:
    """贷款明白纸 as it stood: every term and charge of the bid, with the working of its rates."""
    columns = (
        "id",
        "product_id",
        "product_version",
        "amount_fen",
        "annual_rate",
        "term_months",
        "method",
        "conventions",
        "conditions",
        "valid_until",
        "all_in_rate",
        "effective_rate",
        "simple_rate",
        "interest_fen",
        "fees_fen",
        "total_extra_fen",
        "working",
        "submitted_at",
    )
    fees = [
        {column: getattr(fee, column) for column in ("kind", "amount_fen", "payee", "at", "every_months", "text")}
        for fee in bid.fees
    ]
    ties = [{"kind": tie.kind, "required": tie.required, "text": tie.text} for tie in bid.ties]
    demands = [{"no": one.no, "kind": one.kind, "text": one.text} for one in bid.demands]
    lines = {"fees": fees, "ties": ties, "demands": demands}
    sheet: dict[str, Any] = plain({"bank": bank, **lines, **{column: getattr(bid, column) for column in columns}})
    return sheet


@use_case(Permission.CHOICE_MAKE, "choice.make", returns=Choice)
def choose_bid(ctx: Context, bid_id: UUID) -> Choice:
    """Takes one bid of a closed need. Raises ``CHOICE_EXISTS``, ``BID_EXPIRED``, ``STATE_CHANGED``."""
    found = get_or_404(Bid, bid_id)
    need = get_or_404(Need, found.need_id, lock=True)
    if need.state == NeedState.CHOSEN:
        raise Refusal(ErrorCode.CHOICE_EXISTS)
    fire(ctx, NEED, need, "choose")
    if found.valid_until < today():
        raise Refusal(ErrorCode.BID_EXPIRED)
    need.next_check_at, need.ended_at = None, now()
    bids = list(
        session().scalars(
            select(Bid)
            .where(Bid.need_id == need.id, Bid.state == BidState.OPENED.value)
            .options(selectinload(Bid.fees), selectinload(Bid.ties), selectinload(Bid.demands))
            .order_by(Bid.id)
            .execution_options(populate_existing=True)
        )
    )
    bid = next((bid for bid in bids if bid.id == bid_id), None)
    if bid is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    bank = get_or_404(Organisation, bid.org_id)
    choice = Choice(
        need_id=need.id,
        bid_id=bid.id,
        org_id=need.org_id,
        bank_org_id=bid.org_id,
        case_id=need.case_id,
        state=ChoiceState.LIVE.value,
        cost_sheet=cost_sheet(bid, bank.name),
        made_at=now(),
        made_by=ctx.actor_id,
    )
    session().add(choice)
    begin(ctx, CHOICE, choice, event="make", shared=True)
    with elevated(ctx, "choice.make") as acting:
        _tell_banks(acting, need, bids, bid)
    emit("choice.made", choice_id=choice.id)
    about(
        choice,
        bid_id=bid.id,
        need_id=need.id,
        bank_id=bid.org_id,
        amount_fen=bid.amount_fen,
        all_in_rate=bid.all_in_rate,
        compared=[other.id for other in bids],
    )
    return choice


def _tell_banks(acting: Context, need: Need, bids: list[Bid], chosen: Bid) -> None:
    """The chosen bank becomes a party of the case, kept by whoever drafted the bid; the others learn that they were not."""
    case = get_or_404(Case, need.case_id)
    for bid in bids:
        if bid.id != chosen.id:
            bid.ended_at = now()
            fire(acting, BID, bid, "lose")
            notify(bid.org_id, N_("企业选定了另一家银行。本行的报价在有效期内仍有约束力：选定的银行未能放款时，企业可以改选。"),
                   path=f"/bids/{bid.id}")
            continue
        bid.ended_at = now()
        fire(acting, BID, bid, "choose")
        join_case(case.id, bid.org_id)
        keep_case(replace(acting, actor_id=bid.drafted_by, org_id=bid.org_id), case)
        notify(
            bid.org_id,
            N_("企业选定了本行的报价（业务 %(number)s），请在承诺的时间内完成审批。"),
            path=f"/bids/{bid.id}",
            case_id=case.id,
            number=case.number,
        )


@use_case(Permission.LOAN_OPEN, "choice.cancel", returns=Choice)
def cancel_choice(ctx: Context, choice_id: UUID, reason: str) -> Choice:
    """Undoes a choice whose bank does not lend after all; the need lapses and the firm may start a second round."""
    choice = get_or_404(Choice, choice_id, lock=True)
    need = get_or_404(Need, choice.need_id, lock=True)
    bid = get_or_404(Bid, choice.bid_id, lock=True)
    choice.cancelled_at = need.ended_at = now()
    fire(ctx, CHOICE, choice, "cancel", reason=reason)
    lapse_bid(ctx, bid, reason)
    fire(ctx, NEED, need, "lapse", reason=reason)
    notify(
        need.org_id,
        N_("选定的银行未能放款：%(reason)s。您可以重新发起一轮。"),
        path=f"/needs/{need.id}",
        case_id=need.case_id,
        reason=reason,
    )
    about(choice, bid_id=bid.id)
    return choice
