"""Pages of matching rounds: the desk and the bureau see all of one, a bank and a firm their own part once it is shown."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.filters import Filter, fixed, remembered
from app.core.formats import count_text, money_text
from app.core.lifecycle import can_fire
from app.core.pages import Figure, Tone, Wait
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.tables import Column, Table, wants_export
from app.core.use_case import reading
from app.core.web import act, context, send_csv, send_list
from app.market import round_queries, round_service
from app.market.display import card_title, kind_text, months_text
from app.market.door import room
from app.market.match_rules import REASON_TEXTS
from app.market.models import Need
from app.market.round_models import MatchingNeed, MatchingPair, MatchingRound
from app.market.round_queries import Bank, Firm
from app.market.round_rules import OBSTACLES, RoundRules
from app.market.round_words import ROUND, ROUND_STATES, ROUND_TONES, RoundState

MOST_EXPORTED = 10_000

pages.menu.add(_l("撮合"), "market.rounds", Permission.ROUND_READ, 44, pages.Group.FINANCING)
for _event, _text in {
    "create": _l("发起一轮撮合"), "compute": _l("撮合算出"), "again": _l("要求重新计算"), "show": _l("公布撮合建议"),
    "end": _l("结束撮合"), "discard": _l("作废撮合"),
}.items():  # fmt: skip
    pages.event_texts.add("matching_round", _event, _text)


def round_chip(state: str) -> Markup:
    """State of a round."""
    tone: Tone = ROUND_TONES[RoundState(state)]  # type: ignore[assignment]
    return chip(gettext(ROUND_STATES[state]), tone)


ROUNDS = Table(
    "rounds",
    columns=[
        Column("name", _l("批次"), MatchingRound.name),
        Column("state", _l("状态"), sortable=False, render=lambda row: round_chip(row.state),
               export=lambda row: gettext(ROUND_STATES[row.state])),
        Column("needs", _l("需求"), sortable=False, kind="count", hide_small=True),
        Column("pairs", _l("有建议"), sortable=False, kind="count"),
        Column("made_at", _l("发起"), MatchingRound.made_at, kind="datetime", hide_small=True),
        Column("shown_at", _l("公布"), MatchingRound.shown_at, kind="datetime", hide_small=True),
    ],
    default_sort="-made_at",
    row_url=lambda row: url_for("market.matching_round", round_id=row.id),
    empty_title=_l("还没有撮合"),
    empty_hint=_l("平台对一份推荐名单或一场对接会做的撮合，公布后出现在这里。"),
)  # fmt: skip


def lot_text(row: Any) -> Markup:
    """What was proposed for a need, in marks."""
    if row.granted_fen is None:
        return chip(gettext("没有符合的产品") if row.missed == "NO_PRODUCT" else gettext("名额或额度已满"), "plain")
    shown = [chip(gettext("有建议"), "good")]
    if row.granted_fen < row.amount_fen:
        shown.append(chip(gettext("部分金额"), "wait"))
    if row.below_part:
        shown.append(chip(gettext("额度不足，由银行决定"), "wait"))
    if row.in_reserve:
        shown.append(chip(gettext("首贷名额"), "info"))
    return Markup(" ").join(shown)


RESULTS = Table(
    "round",
    columns=[
        Column("firm", _l("企业"), Firm.name, sub=card_title),
        Column("amount_fen", _l("需要"), Need.amount_fen, kind="money", sub=lambda row: months_text(row.term_months)),
        Column("bank", _l("建议的银行"), Bank.name, sub=lambda row: row.product or ""),
        Column("granted_fen", _l("建议金额"), MatchingPair.granted_fen, kind="money"),
        Column("place", _l("产品内名次"), MatchingPair.place, kind="count", hide_small=True),
        Column("lot", _l("结果"), sortable=False, render=lot_text, export=lot_text),
    ],
    filters=[
        Filter("lot", _l("结果"), choices=fixed(lambda: [
            ("pair", gettext("有建议")), ("part", gettext("部分金额")), ("full", gettext("名额或额度已满")),
            ("none", gettext("没有符合的产品")),
        ]), apply=lambda stmt, value: stmt.where({
            "pair": MatchingPair.need_id.is_not(None), "part": MatchingPair.granted_fen < Need.amount_fen,
            "full": MatchingNeed.missed == "ALL_FULL", "none": MatchingNeed.missed == "NO_PRODUCT",
        }[value])),
        Filter("first", _l("只看首贷户"), kind="flag", apply=lambda stmt, value: stmt.where(Need.first_loan)),
    ],
    default_sort="firm",
    row_url=lambda row: url_for("market.round_need", round_id=(request.view_args or {})["round_id"], need_id=row.id),
    empty_title=_l("这一轮没有需求"),
)  # fmt: skip


def _pair_card(row: Any) -> str:
    return card_title(row) if row.amount_fen is not None else gettext("需求已结束，或本行不能再查看")


PAIRS = Table(
    "pairs",
    columns=[
        Column("firm", _l("企业"), sortable=False, render=lambda row: row.firm or _pair_card(row),
               sub=lambda row: _pair_card(row) if row.firm else gettext("名称未授权本行"),
               export=lambda row: row.firm or _pair_card(row)),
        Column("granted_fen", _l("建议金额"), MatchingPair.granted_fen, kind="money",
               sub=lambda row: f"{months_text(row.term_months)} · {kind_text(row.product_kind)}"),
        Column("product", _l("产品"), sortable=False, sub=lambda row: gettext("第 %(place)s 名", place=row.place)),
        Column("marks", _l("标记"), sortable=False, render=lambda row: pair_marks(row), export=lambda row: pair_marks(row)),
        Column("reasons", _l("为什么排在这里"), sortable=False, hide_small=True, render=lambda row: _reasons(row),
               export=lambda row: _reasons(row)),
    ],
    row_url=lambda row: url_for("market.queue_need", need_id=row.id) if row.state == "OPEN" else None,
    empty_title=_l("这一轮没有向本行建议需求"),
    empty_hint=_l("各产品的名额和排到的名次见上表。"),
)  # fmt: skip


def pair_marks(row: Any) -> Markup:
    """Marks of a pair for its bank."""
    shown = []
    if row.granted_fen < row.asked_fen:
        shown.append(chip(gettext("需要 %(amount)s，额度只余这些", amount=money_text(row.asked_fen)), "wait"))
    if row.below_part:
        shown.append(chip(gettext("额度不足，由本行决定"), "wait"))
    if row.in_reserve:
        shown.append(chip(gettext("首贷名额"), "info"))
    elif row.first_loan:
        shown.append(chip(gettext("首贷户"), "good"))
    return Markup(" ").join(shown)


def _reasons(row: Any) -> str:
    return gettext("；").join(gettext(REASON_TEXTS[code]) for code in row.reasons)


@room.page("/rounds", Permission.ROUND_READ)
def rounds() -> Any:
    """Rounds, as far as the visitor sees them."""
    ctx = context()
    with reading(ctx, Permission.ROUND_READ) as db:
        page = ROUNDS.load(db, round_queries.rounds_query(), remembered(ROUNDS, request.args, session))
    return render_template("market/rounds.html", page=page, staff=_staff(ctx))


def _staff(ctx: Context) -> bool:
    return ctx.org_kind in (OrgKind.PLATFORM, OrgKind.BUREAU)


@room.page("/rounds/<uuid:round_id>", Permission.ROUND_READ)
def matching_round(round_id: UUID) -> Any:
    """One round: all of it for the desk and the bureau, the own part for a bank or a firm."""
    ctx = context()
    with reading(ctx, Permission.ROUND_READ) as db:
        found = get_or_404(MatchingRound, round_id)
        if ctx.org_kind is OrgKind.ENTERPRISE:
            needs = round_queries.needs_of(ctx, round_id)
            return render_template(
                "market/round_firm.html", round=found,
                lots=[_lot(round_id, need_id) for need_id in needs], rules=_rules(found),
            )  # fmt: skip
        table, stmt = (RESULTS, round_queries.results) if _staff(ctx) else (PAIRS, round_queries.bank_pairs)
        args = remembered(table, request.args, session)
        if wants_export(request.args) or request.args.get("format") == "csv":
            rows = table.load_all(db, stmt(round_id), args, MOST_EXPORTED)
            if request.args.get("format") == "csv":
                return send_csv(table, rows, "matching.csv")
            return send_list(table, rows, gettext("撮合"), "matching.xlsx")
        return render_template(
            "market/round.html", round=found, chip=round_chip(found.state), page=table.load(db, stmt(round_id), args),
            seats=round_queries.seats(round_id), staff=_staff(ctx), may=_buttons(ctx, found),
            figures=_figures(round_id) if _staff(ctx) and found.computed_at else [], rules=_rules(found),
        )  # fmt: skip


def _rules(found: MatchingRound) -> RoundRules:
    return RoundRules(quota=Decimal(found.params["quota"]), longest=found.params["longest"])


def _buttons(ctx: Context, found: MatchingRound) -> dict[str, bool]:
    return {event: can_fire(ctx, ROUND, found, event) for event in ("again", "show", "end", "discard")}


def _figures(round_id: UUID) -> list[Figure]:
    told = round_queries.figures(round_id)
    return [
        Figure(_l("需求"), count_text(told.needs)), Figure(_l("有建议"), count_text(told.pairs)),
        Figure(_l("首贷户有建议 / 全部"), f"{count_text(told.first_pairs)} / {count_text(told.first)}"),
        Figure(_l("建议金额"), money_text(int(told.granted_fen))),
    ]  # fmt: skip


@room.page("/rounds/<uuid:round_id>/needs/<uuid:need_id>", Permission.ROUND_READ)
def round_need(round_id: UUID, need_id: UUID) -> Any:
    """Why one need came where it came; banks have no part in this."""
    with reading(context(), Permission.ROUND_READ):
        found = get_or_404(MatchingRound, round_id)
        lot = _lot(round_id, need_id)
        return render_template("market/round_need.html", round=found, rules=_rules(found), lot=lot)


def _lot(round_id: UUID, need_id: UUID) -> dict[str, Any]:
    row = round_queries.result(round_id, need_id)
    if row is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    passed, obstacles = round_queries.passed(round_id, need_id)
    return {"row": row, "passed": passed, "obstacles": [OBSTACLES[code] for code in obstacles], "marks": lot_text(row),
            "card": card_title(row), "months": months_text(row.term_months)}  # fmt: skip


# --- what the desk does ---------------------------------------------------------------------------------------------------


@room.page("/batches/<uuid:batch_id>/rounds", Permission.ROUND_RUN, methods=["POST"])
def start_round(batch_id: UUID) -> Any:
    """Asks for a round."""
    started: list[MatchingRound] = []

    def start() -> None:
        typed = request.form.get("quota", "").strip().removesuffix("%").strip()
        if not (typed.isascii() and typed.isdigit() and len(typed) <= 3 and int(typed) <= 100):
            raise Refusal(ErrorCode.INVALID, field="quota")
        started.append(round_service.start_round(context(), batch_id, Decimal(typed) / 100))

    response = act(start, done=gettext("正在计算，本页会显示结果。"), to=url_for("market.batch", batch_id=batch_id))
    return redirect(url_for("market.matching_round", round_id=started[0].id)) if started else response


ACTS: dict[str, tuple[Callable[[Context, UUID], Any], Any]] = {
    "again": (round_service.compute_again, _l("正在重新计算，本页会显示结果。")),
    "show": (round_service.show_round, _l("已公布，并通知了有建议的企业和银行。")),
    "end": (round_service.end_round, _l("这一轮已结束。")),
    "discard": (round_service.discard_round, _l("这一轮已作废，没有通知任何人。")),
}


@room.page("/rounds/<uuid:round_id>/<any(again, show, end, discard):event>", Permission.ROUND_RUN, methods=["POST"])
def round_event(round_id: UUID, event: str) -> Any:
    """Moves a round on."""
    call, done = ACTS[event]
    return act(
        lambda: call(context(), round_id), done=str(done), to=url_for("market.matching_round", round_id=round_id)
    )


def round_waits(ctx: Context) -> list[Wait]:
    """A firm or bank with a proposal on show looks at it; the desk decides on what was computed."""
    if _staff(ctx):
        return [] if not ctx.can(Permission.ROUND_RUN) else [
            Wait(_l("撮合已算出，请核对后公布或作废"), found.name, url_for("market.matching_round", round_id=found.id), order=30)
            for found in round_queries.in_state(RoundState.COMPUTED)
        ]
    return [
        Wait(_l("平台的撮合建议"), found.name, url_for("market.matching_round", round_id=found.id), order=40)
        for found in round_queries.in_state(RoundState.SHOWN)
    ]


pages.home.add_waits(Permission.ROUND_READ, round_waits)
