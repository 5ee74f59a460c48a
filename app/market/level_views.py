"""The page of the market's numbers: what holds, what is proposed, who changed what."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import DateField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from app.core import pages
from app.core.calendar import SHANGHAI, today
from app.core.context import Context
from app.core.formats import date_text
from app.core.lifecycle import can_fire
from app.core.pages import Text
from app.core.permissions import Permission as P
from app.core.use_case import reading
from app.core.web import act, attempt, context
from app.market import policy, policy_service
from app.market.door import room
from app.market.fields import TokenField
from app.market.policy_models import POLICY, MarketPolicy, PolicyState
from app.market.policy_rules import (
    DAY,
    GROUP_NAMES,
    GROUPS,
    HOURS_CODE,
    NAMES,
    Policy,
    fields_of,
    parameter,
    parsed,
    text_of,
)

for _event, _words in {
    "propose": _l("提出调整市场参数"), "confirm": _l("同意，参数生效"), "refuse": _l("不同意调整"), "withdraw": _l("撤回调整"),
}.items():  # fmt: skip
    pages.event_texts.add(MarketPolicy.__tablename__, _event, _words)
pages.menu.add(_l("服务时限"), "market.levels", P.POLICY_PROPOSE, 46, pages.Group.FINANCING)

STATES: dict[str, tuple[Text, str]] = {
    PolicyState.PROPOSED: (_l("待另一人决定"), "wait"), PolicyState.CONFIRMED: (_l("已同意"), "good"),
    PolicyState.REFUSED: (_l("未同意"), "bad"), PolicyState.WITHDRAWN: (_l("已撤回"), "plain"),
}  # fmt: skip
BUTTONS: dict[str, tuple[Text, Text, str]] = {
    "confirm": (_l("同意并生效"), _l("从生效时间起按新参数办理；已经定下的时间不变。"), "primary"),
    "refuse": (_l("不同意"), _l("现行参数不变。"), "outline-danger"),
    "withdraw": (_l("撤回"), _l("现行参数不变。"), "quiet"),
}
DONE: dict[str, Text] = {"confirm": _l("已同意。"), "refuse": _l("已记录不同意。"), "withdraw": _l("已撤回。")}
DAYS: dict[str, Text] = {"": _l("不改"), "true": _l("这一天上班"), "false": _l("这一天休息"), "none": _l("恢复按国务院通知")}


def _name(code: str) -> str:
    return code.replace(".", "_")


class LevelForm(FlaskForm):
    """One field a number, typed as it is read; the fields are added below."""

    hours = StringField(_l("工作时间"), [DataRequired(_l("请填写。"))], description=_l("例如 9:00-12:00 13:30-18:00"))
    day = DateField(_l("单独调整某一天"), [Optional()], description=_l("例如台风停工、临时调班；优先于国务院节假日通知。"))
    day_worked = SelectField(_l("这一天"), [Optional()])
    valid_on = DateField(_l("从哪一天起生效"), [Optional()], description=_l("不填则同意后立即生效。"))
    reason = TextAreaField(
        _l("为什么调整"), [DataRequired(_l("请写明为什么调整。")), Length(max=1000, message=_l("请不要超过 1000 字。"))],
    )  # fmt: skip
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.day_worked.choices = [(key, str(text)) for key, text in DAYS.items()]

    def validate_hours(self, field: StringField) -> None:
        """Spans that rise and do not meet."""
        _read(HOURS_CODE, field.data or "")

    def validate_valid_on(self, field: DateField) -> None:
        """Nothing holds for a day that is over."""
        if field.data is not None and field.data < today():
            raise ValidationError(gettext("生效日期不能早于今天。"))

    def validate_day(self, field: DateField) -> None:
        """A day and what becomes of it go together."""
        if (field.data is not None) != bool(self.day_worked.data):
            raise ValidationError(gettext("请同时填写日期和这一天上班还是休息。"))

    def values(self) -> dict[str, Any]:
        """What was typed, code by code, of a form that is valid."""
        found: dict[str, Any] = {code: parsed(code, self[_name(code)].data or "") for code in NAMES}
        found[HOURS_CODE] = parsed(HOURS_CODE, self.hours.data or "")
        if self.day.data is not None:
            found[f"{DAY}{self.day.data.isoformat()}"] = {"true": True, "false": False}.get(self.day_worked.data)
        return found

    def valid_from(self) -> datetime | None:
        """The moment from which the numbers hold, where one was asked for."""
        return datetime.combine(self.valid_on.data, time(), SHANGHAI) if self.valid_on.data else None


def _read(code: str, typed: str) -> None:
    try:
        parsed(code, typed)
    except ValueError:
        shape = text_of(code, Policy().calendar.spans if code == HOURS_CODE else parameter(Policy(), code))
        raise ValidationError(gettext("请按这样的样子填写：%(shape)s", shape=shape)) from None


def _readable(code: str) -> Any:
    return lambda form, field: _read(code, field.data or "")


for _code, (_words, _unit) in NAMES.items():
    _checks = [InputRequired(_l("请填写。")), _readable(_code)]
    setattr(LevelForm, _name(_code), StringField(_l(_words), _checks, description=_l(_unit)))


@room.page("/levels", P.ACCOUNT_USE, methods=["GET", "POST"])
def levels() -> Any:
    """The numbers in force for everybody; whoever may proposes others here."""
    ctx = context()
    with reading(ctx, P.ACCOUNT_USE):
        now = policy.current()
    typed = {_name(code): text_of(code, parameter(now, code)) for code in NAMES}
    form = LevelForm(data={**typed, "hours": text_of(HOURS_CODE, now.calendar.spans)})
    if ctx.can(P.POLICY_PROPOSE) and form.validate_on_submit():
        done = attempt(form, lambda: policy_service.propose(ctx, form.values(), form.reason.data or "", form.valid_from()))
        if done is not None:
            flash(gettext("已提出，请由金融局负责人决定。"), "success")
            return redirect(url_for("market.levels"))
    with reading(ctx, P.ACCOUNT_USE):
        rows = policy_service.history()
        waiting = next((row for row in rows if row.state == PolicyState.PROPOSED), None)
        return render_template(
            "market/levels.html", form=form, waiting=waiting, changes=change_rows, states=STATES,
            rows=[row for row in rows if row is not waiting], may_propose=ctx.can(P.POLICY_PROPOSE),
            held=[(GROUP_NAMES[group], _facts(now, group)) for group in GROUPS], groups=GROUPS, group_names=GROUP_NAMES,
            fields=lambda group: [_name(code) for code in fields_of(group)], hours=text_of(HOURS_CODE, now.calendar.spans),
            days=[(date_text(day), worked) for day, worked in sorted(now.calendar.overrides.items(), reverse=True)][:20],
            buttons=[
                (event, *BUTTONS[event]) for event in BUTTONS if waiting is not None and can_fire(ctx, POLICY, waiting, event)
            ],
        )  # fmt: skip


def _facts(found: Policy, group: str) -> list[tuple[str, str]]:
    return [(gettext(NAMES[code][0]), _with_unit(code, parameter(found, code))) for code in fields_of(group)]


def _with_unit(code: str, value: Any) -> str:
    unit = NAMES[code][1]
    return f"{text_of(code, value)}%" if unit == "%" else f"{text_of(code, value)} {gettext(unit)}"


def change_rows(row: MarketPolicy) -> list[tuple[str, str, str]]:
    """What a change changes: name, before, after. A number that is no more stands under its own code."""
    return [(_title(code), _shown(code, before), _shown(code, after)) for code, (before, after) in row.changes.items()]


def _title(code: str) -> str:
    if code == HOURS_CODE:
        return gettext("工作时间")
    return code.removeprefix(DAY) if code.startswith(DAY) else gettext(NAMES[code][0]) if code in NAMES else code


def _shown(code: str, value: Any) -> str:
    if code.startswith(DAY):
        return gettext("按国务院通知") if value is None else gettext("上班") if value else gettext("休息")
    return _with_unit(code, value) if code in NAMES else str(value)


@room.page("/levels/<uuid:policy_id>", P.ACCOUNT_USE, methods=["POST"])
def decide_levels(policy_id: UUID) -> Any:
    """The other person's word, or the proposer's own withdrawal."""
    ctx, event, reason = context(), request.form.get("event", ""), request.form.get("reason", "")
    return act(
        lambda: policy_service.withdraw(ctx, policy_id, reason) if event == "withdraw"
        else policy_service.judge(ctx, policy_id, event, reason),
        done=str(DONE.get(event, "")), to=url_for("market.levels"),
    )  # fmt: skip


def waits(ctx: Context) -> list[pages.Wait]:
    """A change on which this very person may decide."""
    row = next((row for row in policy_service.history() if row.state == PolicyState.PROPOSED), None)
    if row is None or not can_fire(ctx, POLICY, row, "confirm"):
        return []
    return [pages.Wait(_l("决定市场参数的调整"), row.reason, url_for("market.levels"), tone="wait", order=41)]


pages.home.add_waits(P.POLICY_APPROVE, waits)
