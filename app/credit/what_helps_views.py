"""The page that answers: what would the score be, if this and that were otherwise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask import render_template, request, url_for
from flask_babel import gettext

from app.core.errors import NotFound
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import context
from app.credit import queries
from app.credit.door import room
from app.credit.explaining import GRADE_TONES, label, points_text, shown_value
from app.credit.models import CreditProfile
from app.credit.rules import ProfileState
from app.credit.sources import sources_of
from app.credit.what_if import WhatIf
from scoring.what_helps import Help


def advice_of(profile: CreditProfile) -> list[dict[str, Any]]:
    """What would help, as a page and the paper tell it: the changes, the points, the score."""
    asked = WhatIf.of(profile)
    return [_told(help, profile.score or 0) for help in asked.advice()] if asked is not None else []


def _told(help: Help, score: int) -> dict[str, Any]:
    changes = [
        gettext("%(what)s：从 %(now)s 到 %(then)s", what=label(change.feature), now=shown_value(change.feature, change.now),
                then=shown_value(change.feature, change.then))
        for change in help.changes
    ]
    return {"changes": changes, "points": points_text(help.score - score), "score": help.score}


@room.page("/profile/what-helps", Permission.PROFILE_READ)
def what_helps() -> Any:
    """Sliders over what the firm can move. A plain form; with JavaScript the answer comes while the slider moves."""
    ctx = context()
    if ctx.org_id is None:
        raise NotFound
    with reading(ctx, Permission.PROFILE_READ):
        glance = queries.glance(ctx.org_id)
        profile = queries.current_profile(ctx.org_id)
        if glance is None or not glance.consented or profile is None or profile.state != ProfileState.SCORED.value:
            raise NotFound
        asked = WhatIf.of(profile)
        if asked is None:
            raise NotFound
        sliders = asked.sliders(request.args)
        moved = [slider for slider in sliders if slider.chosen != slider.own]
        answer = asked.answer(moved)
        return render_template(
            "credit/what_helps.html", profile=profile, sliders=sliders, moved=moved, answer=answer, label=label,
            shown_value=shown_value, pd=Decimal(repr(answer.pd)), tones=GRADE_TONES, synthetic=glance.synthetic_model,
            points=points_text(answer.score - (profile.score or 0)), best_url=_best_url(sliders),
            **({} if sliders else _nothing_to_raise(asked, profile)),
        )


def _nothing_to_raise(asked: WhatIf, profile: CreditProfile) -> dict[str, Any]:
    """What a page without a slider tells: what is done, what this model does not weigh, which consents would show more."""
    done, idle = ([(label(feature), shown_value(feature, value)) for feature, value in told] for told in asked.held())
    return {"done": done, "idle": idle, "missing": [one for one in sources_of(profile.firm_id, profile.coverage) if one.give]}


def _best_url(sliders: list[Any]) -> str:
    """The same page with every slider at its best."""
    return url_for("credit.what_helps", **{slider.feature.name: slider.best for slider in sliders})
