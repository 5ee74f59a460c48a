"""Use cases of a matching round: asked for by the desk, computed by the worker, shown as a proposal, ended. It chooses nobody."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import delete, insert, select

from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.notices import notify
from app.core.outbox import emit, handles
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.core.working import N_
from app.market import policy
from app.market.batch_models import NeedBatch
from app.market.matching import NO_LIMIT, Outcome, match
from app.market.round_inputs import Inputs, gather, load_terms
from app.market.round_models import MatchingNeed, MatchingPair, MatchingRound, MatchingSeat
from app.market.round_rules import RoundRules
from app.market.round_words import ROUND, RoundState

constraint("uq_matching_round_live", ErrorCode.ROUND_EXISTS)
constraint("ck_matching_round_frozen", ErrorCode.STATE_CHANGED)

FIRM_NOTICE = N_("平台为您的融资需求做了一轮撮合，建议的银行和产品已经可以查看；这只是建议，由您和银行自己决定。")
BANK_NOTICE = N_("平台的一轮撮合向本行建议了 %(count)s 份需求，请查看；这只是建议，是否报价由本行决定。")


@use_case(Permission.ROUND_RUN, "round.start", returns=MatchingRound)
def start_round(ctx: Context, batch_id: UUID, quota: Decimal | None = None) -> MatchingRound:
    """Asks for a round over the batch, with another share for first-time borrowers where one is given; a worker computes it.

    Raises ``BATCH_EMPTY``, ``ROUND_EXISTS``."""
    assert ctx.actor_id is not None
    batch = get_or_404(NeedBatch, batch_id)
    terms = load_terms(batch.id)
    if not terms.needs or not terms.products:
        raise Refusal(ErrorCode.BATCH_EMPTY)
    rules = policy.matching() if quota is None else replace(policy.matching(), quota=quota)
    params = {"quota": str(rules.quota), "longest": rules.longest, "seed": secrets.token_hex(8)}
    found = MatchingRound(
        batch_id=batch.id, name=batch.name, state=RoundState.DRAFT.value, params=params, made_by=ctx.actor_id, made_at=now()
    )
    session().add(found)
    begin(ctx, ROUND, found)
    emit("round.asked", round_id=found.id)
    about(found, batch_id=batch.id, needs=len(terms.needs), products=len(terms.products), params=params)
    return found


@use_case(Permission.ROUND_RUN, "round.again", returns=MatchingRound)
def compute_again(ctx: Context, round_id: UUID) -> MatchingRound:
    """Asks for the same round once more, with the same seed, since something changed."""
    found = get_or_404(MatchingRound, round_id, lock=True)
    fire(ctx, ROUND, found, "again")
    emit("round.asked", round_id=found.id)
    about(found)
    return found


@handles("round.asked", "market.match", queue="long")
def match_asked(ctx: Context, payload: dict[str, Any]) -> None:
    """The worker's part; a round that was discarded in the meantime is left alone."""
    round_id = UUID(payload["round_id"])
    state = session().scalar(select(MatchingRound.state).where(MatchingRound.id == round_id))
    if state == RoundState.DRAFT.value:
        compute_round(ctx, round_id)


@use_case(Permission.NEED_TICK, "round.compute")
def compute_round(ctx: Context, round_id: UUID) -> None:
    """Computes a draft: what each bank sees of each need, then the stable matching. Same input, same outcome."""
    found = get_or_404(MatchingRound, round_id, lock=True)
    began = time.monotonic()
    rules = RoundRules(quota=Decimal(found.params["quota"]), longest=found.params["longest"])
    terms = load_terms(found.batch_id)
    inputs = gather(terms, rules, found.params)
    outcome = match(inputs.wishes, inputs.doors)
    _store(found.id, inputs, outcome)
    found.terms_digest, found.input_digest = terms.digest(found.params), inputs.digest
    found.runs, found.computed_at = outcome.runs, now()
    found.millis = round((time.monotonic() - began) * 1000)
    fire(ctx, ROUND, found, "compute")
    about(found, needs=len(terms.needs), matched=int((outcome.row >= 0).sum()), input_digest=inputs.digest)


def _store(round_id: UUID, inputs: Inputs, outcome: Outcome) -> None:
    """Replaces the rows of the round."""
    for model in (MatchingPair, MatchingNeed, MatchingSeat):
        session().execute(delete(model).where(model.round_id == round_id))
    seats = _seat_rows(inputs, outcome)
    for model, rows in ((MatchingSeat, seats), (MatchingNeed, _need_rows(inputs, outcome, seats)), (MatchingPair, _pair_rows(
        inputs, outcome
    ))):
        if rows:
            session().execute(insert(model), [{"round_id": round_id, **row} for row in rows])


def _seat_rows(inputs: Inputs, outcome: Outcome) -> list[dict[str, Any]]:
    terms, wishes = inputs.terms, inputs.wishes
    held = np.flatnonzero(outcome.row >= 0)
    rows = outcome.row[held]
    doors = len(terms.products)
    taken = np.bincount(wishes.product[rows], minlength=doors)
    granted = np.zeros(doors, dtype=np.int64)
    np.add.at(granted, wishes.product[rows], outcome.granted[held])
    last = np.zeros(doors, dtype=np.int64)
    openly = ~outcome.in_reserve[held]
    np.maximum.at(last, wishes.product[rows[openly]], wishes.place[rows[openly]] + 1)
    away = np.bincount(wishes.product[_turned_away(inputs, outcome)], minlength=doors)
    return [
        {
            "product_id": product.id, "org_id": product.org_id, "version": product.version, "seats": int(terms.seats[index]),
            "reserved": int(inputs.doors.reserved[index]), "reserved_kept": int(outcome.doors.reserved[index]),
            "budget_fen": None if inputs.doors.budget[index] == NO_LIMIT else int(inputs.doors.budget[index]),
            "taken": int(taken[index]), "granted_fen": int(granted[index]), "turned_away": int(away[index]),
            "cutoff": int(last[index]) or None,
        }
        for index, product in enumerate(terms.products)
    ]  # fmt: skip


def _turned_away(inputs: Inputs, outcome: Outcome) -> Any:
    """Rows of wishes that came before what each need got."""
    starts = inputs.wishes.starts
    need = np.repeat(np.arange(len(outcome.row)), np.diff(starts))
    got = np.where(outcome.row >= 0, outcome.row, starts[1:])
    index = np.arange(len(need))
    return index[index < got[need]]


def _need_rows(inputs: Inputs, outcome: Outcome, seats: list[dict[str, Any]]) -> list[dict[str, Any]]:
    terms, wishes = inputs.terms, inputs.wishes
    passed: dict[int, list[dict[str, Any]]] = {}
    owner = np.repeat(np.arange(len(outcome.row)), np.diff(wishes.starts))
    for row in _turned_away(inputs, outcome):
        seat = seats[int(wishes.product[row])]
        passed.setdefault(int(owner[row]), []).append({
            "product": str(seat["product_id"]), "place": int(wishes.place[row]) + 1, "last": seat["cutoff"],
            "why": "SEATS" if seat["taken"] >= seat["seats"] or seat["budget_fen"] is None else "MONEY",
        })  # fmt: skip
    listed = np.diff(wishes.starts)
    return [
        {
            "need_id": need.id, "firm_id": need.org_id, "listed": int(listed[index]), "passed": passed.get(index, []),
            "missed": None if outcome.row[index] >= 0 else "ALL_FULL" if listed[index] else "NO_PRODUCT",
            "obstacles": inputs.obstacles.get(index, []),
        }
        for index, need in enumerate(terms.needs)
    ]  # fmt: skip


def _pair_rows(inputs: Inputs, outcome: Outcome) -> list[dict[str, Any]]:
    terms, wishes = inputs.terms, inputs.wishes
    rows = []
    for index in np.flatnonzero(outcome.row >= 0).tolist():
        need, row = terms.needs[index], int(outcome.row[index])
        product = terms.products[int(wishes.product[row])]
        granted = int(outcome.granted[index])
        rows.append({
            "need_id": need.id, "firm_id": need.org_id, "product_id": product.id, "org_id": product.org_id,
            "place": int(wishes.place[row]) + 1, "in_reserve": bool(outcome.in_reserve[index]),
            "asked_fen": int(wishes.asked[row]), "granted_fen": granted,
            "below_part": granted < min(need.amount_fen, product.part_min_fen or need.amount_fen),
            "reasons": list(inputs.reasons[row]),
        })  # fmt: skip
    return rows


@use_case(Permission.ROUND_RUN, "round.show", returns=MatchingRound)
def show_round(ctx: Context, round_id: UUID) -> MatchingRound:
    """Tells every firm and bank its own pair. Raises ``ROUND_STALE`` where needs, products or banks changed since."""
    found = get_or_404(MatchingRound, round_id, lock=True)
    if found.state == RoundState.COMPUTED and load_terms(found.batch_id).digest(found.params) != found.terms_digest:
        raise Refusal(ErrorCode.ROUND_STALE)
    found.shown_at = now()
    fire(ctx, ROUND, found, "show")
    pairs = session().execute(
        select(MatchingPair.firm_id, MatchingPair.org_id).where(MatchingPair.round_id == found.id)
    ).all()
    told: dict[UUID, int] = {}
    for pair in pairs:
        told[pair.org_id] = told.get(pair.org_id, 0) + 1
    with elevated(ctx, "round.show"):
        path = f"/rounds/{found.id}"
        for bank, count in sorted(told.items()):
            notify(bank, BANK_NOTICE, path=path, count=count)
        for firm in sorted({pair.firm_id for pair in pairs}):
            notify(firm, FIRM_NOTICE, path=path)
    about(found, pairs=len(pairs), banks=len(told))
    return found


@use_case(Permission.ROUND_RUN, "round.end", returns=MatchingRound)
def end_round(ctx: Context, round_id: UUID) -> MatchingRound:
    """Ends a round on show; firms and banks may still read it."""
    return _finish(ctx, round_id, "end")


@use_case(Permission.ROUND_RUN, "round.discard", returns=MatchingRound)
def discard_round(ctx: Context, round_id: UUID) -> MatchingRound:
    """Puts a round away that nobody was shown."""
    return _finish(ctx, round_id, "discard")


def _finish(ctx: Context, round_id: UUID, event: str) -> MatchingRound:
    found = get_or_404(MatchingRound, round_id, lock=True)
    found.ended_at = now()
    fire(ctx, ROUND, found, event)
    about(found)
    return found
