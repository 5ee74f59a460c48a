"""How a commitment letter is shown, and the page on which banks' words are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app.bridge import commitment_queries, commitment_service, queries
from app.bridge.commitment_models import CommitmentCondition, CommitmentOutcome
from app.bridge.commitment_queries import Kept
from app.bridge.commitment_rules import BREACHES, CONDITIONS, LETTER_STATES, OUTCOMES
from app.bridge.door import room
from app.bridge.models import Bridge, Commitment
from app.core.context import Context
from app.core.database import session as db_session
from app.core.permissions import Permission
from app.core.pieces import chip
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, context, send_list


@dataclass(frozen=True)
class Letter:
    """A letter as its page shows it: its chip, what was open, whether the seal holds, what came of it, the bank's record."""

    state: Any
    conditions: list[CommitmentCondition]
    sealed: bool
    outcome: Any
    kept: Kept
    may_meet: bool


def letter_of(ctx: Context, promise: Commitment | None) -> Letter | None:
    """Everything beside the letter's own facts; ``None`` without a letter."""
    if promise is None:
        return None
    conditions = commitment_service.conditions_of(promise.id)
    row = db_session().scalar(select(CommitmentOutcome).where(CommitmentOutcome.bridge_id == promise.bridge_id))
    words, tone = LETTER_STATES[promise.state]
    return Letter(
        chip(gettext(words), tone), conditions, commitment_service.seal_holds(promise, conditions),
        outcome_text(row) if row is not None else None, word_of(promise.org_id),
        promise.state == "LIVE" and promise.org_id == ctx.org_id and ctx.can(Permission.BRIDGE_CONFIRM),
    )


def word_of(bank_id: UUID) -> Kept:
    """How a bank has kept its letters."""
    return commitment_queries.kept_by({bank_id}).get(bank_id, Kept(0, 0, 0))


def open_kinds(promise: Commitment | None) -> list[str]:
    """Codes of the conditions that are still open on a letter."""
    if promise is None:
        return []
    return [one.kind for one in commitment_service.conditions_of(promise.id) if one.met_on is None]


def breach_text(codes: list[str]) -> str:
    """The ways in which a promise was not kept."""
    return gettext("、").join(gettext(BREACHES[code]) for code in codes)


def outcome_text(row: Any) -> Any:
    """The outcome as a chip with its why."""
    words, tone = OUTCOMES[row.outcome]
    why = breach_text(row.breaches)
    if row.excuse:
        why = gettext("%(breach)s；%(excuse)s", breach=why, excuse=gettext(CONDITIONS[row.excuse]))
    return chip(gettext(words), tone) + (f" {why}" if why else "")


OUTCOME_TABLE = Table(
    "promises",
    columns=[
        Column("bank", _l("银行")),
        Column("firm_name", _l("企业"), Bridge.firm_name, sub=lambda row: gettext("借据 %(note)s", note=row.old_note_no)),
        Column("promised_fen", _l("承诺金额"), Commitment.promised_fen, kind="money", hide_small=True),
        Column("new_amount_fen", _l("放款金额"), Bridge.new_amount_fen, kind="money", hide_small=True),
        Column("outcome", _l("结果"), CommitmentOutcome.outcome, render=outcome_text,
               export=lambda row: f"{gettext(OUTCOMES[row.outcome][0])} {breach_text(row.breaches)}".strip()),
        Column("judged_on", _l("认定日期"), CommitmentOutcome.judged_on, kind="date"),
    ],
    filters=[
        Filter("bank", _l("银行"), choices=lambda: queries.banks(), apply=lambda stmt, value: stmt.where(
            CommitmentOutcome.org_id == UUID(value))),
        Filter("outcome", _l("结果"), choices=fixed(lambda: [(code, gettext(words)) for code, (words, _) in OUTCOMES.items()]),
               apply=lambda stmt, value: stmt.where(CommitmentOutcome.outcome == value)),
    ],
    default_sort="-judged_on",
    row_url=lambda row: url_for("bridge.show", bridge_id=row.bridge_id),
    empty_title=_l("还没有可以认定的承诺"),
    empty_hint=_l("新贷款放款、银行不续贷或过了最迟放款日，承诺就会被认定为已履行或未履行。"),
)  # fmt: skip


@room.page("/bridges/promises", Permission.BRIDGE_READ)
def promises() -> Any:
    """How banks keep their letters: counts of all banks, and the cases the visitor may see."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_READ) as db:
        args = remembered(OUTCOME_TABLE, request.args, session)
        if wants_export(request.args):
            rows = OUTCOME_TABLE.load_all(db, commitment_queries.outcomes(), args, EXPORT_LIMIT)
            return send_list(OUTCOME_TABLE, rows, gettext("续贷承诺履行情况"), "promises.xlsx")
        return render_template("bridge/promises.html", page=OUTCOME_TABLE.load(db, commitment_queries.outcomes(), args),
                               banks=commitment_queries.ranked())


@room.page("/bridges/conditions/<uuid:condition_id>/met", Permission.BRIDGE_CONFIRM, methods=["POST"])
def meet_condition(condition_id: UUID) -> Any:
    """The bank marks a condition as met."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_CONFIRM) as db:
        found = db.scalar(select(Commitment.bridge_id).join(
            CommitmentCondition, CommitmentCondition.commitment_id == Commitment.id,
        ).where(CommitmentCondition.id == condition_id))  # fmt: skip
    to = url_for("bridge.show", bridge_id=found) if found else url_for("bridge.bridges")
    return act(lambda: commitment_service.meet(ctx, condition_id), done=gettext("条件已标为落实，企业和转贷中心会看到。"), to=to)
