"""The centre's desk, and the page on which a bank's branch confirms a payoff from a phone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.bridge import bank_service, desk_queries, desk_service, queries
from app.bridge.door import room
from app.bridge.models import Bridge
from app.bridge.notes import notes_of_each
from app.bridge.step_views import note_of, payoff_form
from app.core import pages
from app.core.database import get_or_404
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import act, attempt, context

pages.menu.add(_l("转贷工作台"), "bridge.desk", Permission.BRIDGE_WORK, 49, pages.Group.BRIDGE)
pages.menu.add(_l("网点确认"), "bridge.branch", Permission.BRIDGE_CONFIRM, 52, pages.Group.BRIDGE)

WHOSE = {"": _l("全部"), "mine": _l("我的"), "free": _l("待认领")}


@room.page("/bridges/desk", Permission.BRIDGE_WORK)
def desk() -> Any:
    """Today's payouts and returns, late ones with their hours, approvals that wait, every step with its deadline, and loads."""
    ctx = context()
    asked = request.args.get("whose", session.get("bridge_desk", ""))
    whose = asked if asked in WHOSE else ""
    session["bridge_desk"] = whose
    with reading(ctx, Permission.BRIDGE_WORK):
        return render_template("bridge/desk.html", desk=desk_queries.desk(ctx, whose), whose=whose, choices=WHOSE,
                               colleagues=desk_queries.colleagues(ctx), me=ctx.actor_id,
                               shares=ctx.can(Permission.BRIDGE_APPROVE))


def _back() -> str:
    return url_for("bridge.desk")


@room.page("/bridges/<uuid:bridge_id>/take", Permission.BRIDGE_WORK, methods=["POST"])
def take_task(bridge_id: UUID) -> Any:
    """Takes a bridge that nobody has."""
    return act(lambda: desk_service.take(context(), bridge_id), done=gettext("已认领。"), to=_back())


@room.page("/bridges/<uuid:bridge_id>/hand-over", Permission.BRIDGE_WORK, methods=["POST"])
def hand_over(bridge_id: UUID) -> Any:
    """Gives a bridge to a colleague, or puts it back."""
    ctx, person = context(), request.form.get("person", "")
    if not person:
        return act(lambda: desk_service.put_back(ctx, bridge_id), done=gettext("已放回，等人认领。"), to=_back())
    try:
        key = UUID(person)
    except ValueError:
        key = bridge_id  # nobody's id: refused as not found
    return act(lambda: desk_service.hand_over(ctx, bridge_id, key), done=gettext("已移交，对方会收到通知。"), to=_back())


# --- the branch's phone ------------------------------------------------------------------------------------------------


@room.page("/branch", Permission.BRIDGE_CONFIRM)
def branch() -> Any:
    """What the branch has to confirm, made for a phone: the note, the amount, one button each."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_CONFIRM):
        waiting = desk_queries.payoffs(ctx)
        return render_template("bridge/branch.html", waiting=waiting, done=desk_queries.confirmed_today(ctx),
                               notes=notes_of_each([one.id for one in waiting]))


@room.page("/branch/<uuid:bridge_id>", Permission.BRIDGE_CONFIRM, methods=["GET", "POST"])
def branch_confirm(bridge_id: UUID) -> Any:
    """Two fields and a big button: the day, today unless said otherwise, and the voucher."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_CONFIRM):
        bridge = get_or_404(Bridge, bridge_id)
        if "repaid" not in queries.actions(ctx, bridge):
            flash(gettext("这笔转贷现在不用确认结清。"), "danger")
            return redirect(url_for("bridge.branch"))
        form = payoff_form(bridge)
    if form.validate_on_submit():
        rate = form.final_rate.data if "final_rate" in form else None
        done = attempt(form, lambda: bank_service.confirm_repaid(
            ctx, bridge_id, form.repaid_on.data, form.reference.data, rate, note_of(form),
        ))  # fmt: skip
        if done is not None:
            flash(gettext("旧贷款已确认结清。"), "success")
            return redirect(url_for("bridge.branch"))
    return render_template("bridge/branch_confirm.html", form=form, bridge=bridge)
