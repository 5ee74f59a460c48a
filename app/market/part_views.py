"""Page of the firm that takes several banks together: how much of each, what they cost together, and then the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_wtf import FlaskForm
from wtforms import HiddenField
from wtforms.validators import Optional

from app.core.calendar import today
from app.core.database import get_or_404
from app.core.lifecycle import can_fire
from app.core.money import WAN
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import attempt, context
from app.market import bid_queries, choice_service, next_best, policy
from app.market.bid_service import candidate_of
from app.market.bid_words import BidState
from app.market.choice_service import Pick
from app.market.display import need_title
from app.market.door import room
from app.market.fields import MoneyField, TokenField, put_problems
from app.market.lifecycles import NEED
from app.market.models import Need
from app.market.part_rules import Candidate, Mix, Share, cheapest, check_mix, mix


class MixForm(FlaskForm):
    """How much of each offer; a field ``amount-`` and the bid's id for each. ``seen``: the amounts whose cost was shown."""

    seen = HiddenField()
    idempotency_token = TokenField()

    def amounts(self, candidates: Mapping[UUID, Candidate]) -> dict[UUID, int]:
        """What was typed, without the banks left out."""
        typed = {key: self._fields[f"amount-{key}"].data for key in candidates}
        return {key: amount for key, amount in typed.items() if amount}


def _form(candidates: Mapping[UUID, Candidate], proposed: Mapping[UUID, int], names: Mapping[UUID, str]) -> MixForm:
    fields = {
        f"amount-{key}": MoneyField(gettext("%(bank)s 承担", bank=names[key]), [Optional()], unit=WAN, default=proposed.get(key))
        for key in candidates
    }
    form: MixForm = type("MixOfThese", (MixForm,), fields)()
    return form


def _mark(amounts: Mapping[UUID, int]) -> str:
    """The amounts as the form carries them: what is chosen must be what was shown."""
    return ";".join(f"{key}:{amounts[key]}" for key in sorted(amounts, key=str))


@dataclass(frozen=True, slots=True)
class Together:
    """A mix as the page shows it: each bank's share, and all of them."""

    shares: list[tuple[bid_queries.OfferRow, Share]]
    mix: Mix


def _together(rows: Mapping[UUID, bid_queries.OfferRow], candidates: Mapping[UUID, Candidate],
              amounts: Mapping[UUID, int]) -> Together:
    shares = [(rows[key], candidates[key].share(amount)) for key, amount in amounts.items()]
    return Together(shares, mix([share for _, share in shares]))


@room.page("/needs/<uuid:need_id>/parts", Permission.CHOICE_MAKE, methods=["GET", "POST"])
def parts(need_id: UUID) -> Any:
    """Several offers that together reach what is open: proposed, changed, added up, and chosen as they were shown."""
    ctx = context()
    with reading(ctx, Permission.CHOICE_MAKE):
        need = get_or_404(Need, need_id)
        if not need.allows_parts or not can_fire(ctx, NEED, need, "choose"):
            return redirect(url_for("market.offers", need_id=need_id))
        wanted, most = next_best.open_fen(need), policy.limits().max_parts
        rows = {
            row.bid.id: row for row in bid_queries.offers(need)
            if row.bid.state == BidState.OPENED and row.bid.valid_until >= today() and next_best.least_fen(row.bid) <= wanted
        }
        candidates = {key: candidate_of(row.bid) for key, row in rows.items()}
        form = _form(candidates, cheapest(candidates, wanted), {key: row.bank for key, row in rows.items()})
        amounts = form.amounts(candidates)
        shown = None
        fine = form.validate_on_submit() if form.is_submitted() else bool(amounts)
        if fine and put_problems(form, check_mix(candidates, amounts, wanted, most)):
            shown = _together(rows, candidates, amounts)
    if shown is not None and form.is_submitted() and "choose" in request.form:
        if form.seen.data != _mark(amounts):
            form.form_errors.append(gettext("金额有改动，请看过新的合计后再选定。"))
        else:
            picks = tuple(Pick(key, amount) for key, amount in amounts.items())
            if attempt(form, lambda: choice_service.choose_parts(ctx, need_id, picks)) is not None:
                flash(gettext("已选定，正在公示；公示期满没有异议即生效，银行随后审批。"), "success")
                return redirect(url_for("market.need", need_id=need_id))
    form.seen.data = _mark(amounts) if shown is not None else ""
    return render_template(
        "market/parts.html", need=need, title=need_title(need), form=form, rows=rows, candidates=candidates, wanted=wanted,
        shown=shown, levels=policy.levels(), most=most, standing=(need.amount_fen or 0) - wanted,
    )
