"""Pages of an organisation's own administrator: people, invitations, roles, leaving, branches."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.context import Context
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.pages import Figure, Wait
from app.core.permissions import TWO_FACTOR_KINDS, OrgKind, Permission, Role
from app.core.queries import ROLE_NAMES
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import act, attempt, context, send_list
from app.identity import queries, staff_service
from app.identity.forms import BranchChoiceForm, BranchForm, InviteForm, LeaveForm, RolesForm, offers
from app.identity.models import Branch, Membership, Person
from app.identity.rules import APPROVAL_ROLES, RULES
from app.identity.views import room

P = Permission
STATES = {"active": _l("在职"), "invited": _l("待接受邀请"), "left": _l("已离开")}

pages.menu.add(_l("人员"), "identity.staff", P.STAFF_READ, 85, pages.Group.HOUSE)


def role_names(joined: str | None) -> str:
    """Role codes as words."""
    return gettext("、").join(gettext(ROLE_NAMES.get(code, code)) for code in sorted((joined or "").split(",")) if code)


STAFF = Table(
    "staff",
    columns=[
        Column("name", _l("姓名"), Person.name, sub=lambda row: row.login),
        Column("roles", _l("角色"), sortable=False, render=lambda row: role_names(row.roles),
               export=lambda row: role_names(row.roles)),
        Column("branch", _l("网点"), Branch.name),
        Column("limit_fen", _l("审批限额"), kind="money", hide_small=True),
        Column("state", _l("状态"), Person.state, render=lambda row: str(STATES[row.state]),
               export=lambda row: str(STATES[row.state])),
        Column("seen_at", _l("最近在线"), kind="datetime"),
    ],
    filters=[
        Filter("q", _l("姓名或登录名"), kind="text",
               apply=lambda stmt, value: stmt.where(
                   Person.name.icontains(value, autoescape=True) | Person.login.icontains(value, autoescape=True))),
        Filter("role", _l("角色"), choices=[(role.value, _l(ROLE_NAMES[role.value])) for role in Role if role is not Role.SYSTEM],
               apply=lambda stmt, value: stmt.where(Person.memberships.any(Membership.role == value))),
        Filter("state", _l("状态"), choices=list(STATES.items()), apply=lambda stmt, value: stmt.where(Person.state == value)),
    ],
    default_sort="name",
    row_url=lambda row: url_for("identity.person", person_id=row.id),
    empty_title=_l("还没有同事"),
    empty_hint=_l("点“邀请同事”，把一次性链接交给对方即可。"),
)

BRANCHES = Table(
    "branches",
    columns=[Column("name", _l("网点"), Branch.name), Column("people", _l("人数"), kind="count")],
    filters=[Filter("q", _l("名称"), kind="text",
                    apply=lambda stmt, value: stmt.where(Branch.name.icontains(value, autoescape=True)))],
    default_sort="name",
    row_url=lambda row: url_for("identity.branch", branch_id=row.id),
    empty_title=_l("还没有网点"),
    empty_hint=_l("在下方填写名称即可新增。没有网点也能办理全部业务。"),
)


@room.page("/staff", P.STAFF_READ)
def staff() -> Any:
    """Who works here, as what, and since when they were last seen."""
    ctx = context()
    args = remembered(STAFF, request.args, session)
    with reading(ctx, P.STAFF_READ) as db:
        if not wants_export(request.args):
            return render_template("identity/staff.html", page=STAFF.load(db, queries.staff_query(ctx), args))
        rows = STAFF.load_all(db, queries.staff_query(ctx), args, EXPORT_LIMIT)
    return send_list(STAFF, rows, gettext("人员"), "staff.xlsx")


def _branch_choices(ctx: Context) -> list[Any]:
    return offers([("", gettext("不属于网点")), *((str(branch.id), branch.name) for branch in queries.branches(ctx))])


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def link_page(invitation: staff_service.Invitation | None, back: str) -> Any:
    """The one-time link, shown this once. ``None`` means the form came twice: the link is not to be had again."""
    if invitation is None:
        flash(gettext("这张表单已经提交过。链接只显示一次；没有记下的话，请在人员页重新签发。"), "warning")
        return redirect(back)
    return show_link(invitation.person.name, invitation.token, RULES.invitation_hours, back, reset=False)


def show_link(
    name: str, token: str, hours: int, back: str, *, reset: bool, waits: bool = False, keeps_phone: bool = False,
) -> Any:
    """The page that shows a link. ``waits``: it works after a second administrator's word; ``keeps_phone``: else."""
    return render_template(
        "identity/link.html", name=name, link=url_for("identity.ticket", token=token, _external=True), hours=hours, back=back,
        reset=reset, waits=waits, keeps_phone=keeps_phone,
    )


@room.page("/staff/invite", P.STAFF_INVITE, methods=["GET", "POST"])
def invite() -> Any:
    """A new colleague; the link is handed over by the administrator, since the portal sends no mail."""
    ctx = context()
    assert ctx.org_id is not None and ctx.org_kind is not None
    org_id = ctx.org_id
    form = InviteForm()
    form.offer(ctx.org_kind)
    with reading(ctx, P.STAFF_INVITE):
        form.branch.choices = _branch_choices(ctx)
    if form.validate_on_submit():
        invitation = attempt(form, lambda: staff_service.invite(
            ctx, org_id=org_id, login=form.login.data or "", name=form.name.data or "", roles=form.chosen(),
            branch_id=_uuid(form.branch.data), phone=form.phone.data or None, email=form.email.data or None,
        ))
        if not form.errors:
            return link_page(invitation, url_for("identity.staff"))
    return render_template("identity/invite.html", form=form, hours=RULES.invitation_hours)


def _roles_form(person: Person) -> RolesForm:
    roles = [membership.role for membership in person.memberships]
    limits = [row.approval_limit_fen for row in person.memberships if Role(row.role) in APPROVAL_ROLES]
    form = RolesForm(roles=roles, limit=limits[0] if limits else None)
    form.offer(OrgKind(person.organisation.kind))
    return form


def _person_page(ctx: Context, person_id: UUID, roles_form: RolesForm | None = None, status: int = 200) -> Any:
    with reading(ctx, P.STAFF_READ):
        person = queries.colleague(ctx, person_id)
        branch_form = BranchChoiceForm(branch=str(person.branch_id or ""))
        branch_form.branch.choices = _branch_choices(ctx)
        return render_template(
            "identity/person.html", person=person, roles_form=roles_form or _roles_form(person), branch_form=branch_form,
            sessions=queries.open_sessions(person_id), cases=queries.kept_cases(person_id), states=STATES,
            roles=role_names(",".join(row.role for row in person.memberships)), myself=person_id == ctx.actor_id,
            may_invite=ctx.can(P.STAFF_INVITE), rules=RULES, two_factors=ctx.org_kind in TWO_FACTOR_KINDS,
        ), status


@room.page("/staff/<uuid:person_id>", P.STAFF_READ)
def person(person_id: UUID) -> Any:
    """One colleague: roles, limit, branch, sessions, link, leaving."""
    return _person_page(context(), person_id)


@room.page("/staff/<uuid:person_id>/roles", P.STAFF_INVITE, methods=["POST"])
def change_roles(person_id: UUID) -> Any:
    """What a colleague may do."""
    ctx = context()
    with reading(ctx, P.STAFF_READ):
        form = _roles_form(queries.colleague(ctx, person_id))
    if form.validate_on_submit():
        attempt(form, lambda: staff_service.change_roles(ctx, person_id, form.chosen()))
        if not form.errors:
            flash(gettext("角色已更改，对方打开下一页时生效。"), "success")
            return redirect(url_for("identity.person", person_id=person_id))
    return _person_page(ctx, person_id, form, 422)


@room.page("/staff/<uuid:person_id>/branch", P.STAFF_INVITE, methods=["POST"])
def change_branch(person_id: UUID) -> Any:
    """Where a colleague works."""
    form = BranchChoiceForm()
    with reading(context(), P.STAFF_READ):
        form.branch.choices = _branch_choices(context())
    if not form.validate_on_submit():
        flash(gettext("请从列表中选择网点。"), "danger")
        return redirect(url_for("identity.person", person_id=person_id))
    return act(lambda: staff_service.change_branch(context(), person_id, _uuid(form.branch.data)),
               done=gettext("网点已更改。"), to=url_for("identity.person", person_id=person_id))


@room.page("/staff/<uuid:person_id>/end-sessions", P.STAFF_INVITE, methods=["POST"])
def end_sessions(person_id: UUID) -> Any:
    """Signs a colleague out everywhere."""
    return act(lambda: staff_service.end_sessions(context(), person_id), done=gettext("这位同事的登录已全部退出。"),
               to=url_for("identity.person", person_id=person_id))


@room.page("/staff/<uuid:person_id>/reset", P.STAFF_INVITE, methods=["POST"])
def reset(person_id: UUID) -> Any:
    """A link for a colleague who lost password or phone; a form that comes twice gives a fresh link."""
    ctx = context().with_token(None)
    with reading(ctx, P.STAFF_READ):
        name = queries.colleague(ctx, person_id).name
    made = staff_service.issue_reset(ctx, person_id, both=request.form.get("both") == "yes")
    return show_link(
        name, made.token, RULES.reset_hours, url_for("identity.person", person_id=person_id), reset=True, waits=made.waits,
        keeps_phone=ctx.org_kind in TWO_FACTOR_KINDS,
    )


@room.page("/staff/<uuid:person_id>/reinvite", P.STAFF_INVITE, methods=["POST"])
def reinvite(person_id: UUID) -> Any:
    """A fresh link for somebody who has not accepted yet."""
    invitation = staff_service.reissue_invitation(context().with_token(None), person_id)
    return link_page(invitation, url_for("identity.person", person_id=person_id))


@room.page("/staff/<uuid:person_id>/leave", P.STAFF_INVITE, methods=["GET", "POST"])
def leave(person_id: UUID) -> Any:
    """A colleague leaves: their cases go to somebody, their sessions end."""
    ctx = context()
    form = LeaveForm()
    with reading(ctx, P.STAFF_INVITE):
        person = queries.colleague(ctx, person_id)
        form.successor.choices = offers([("", gettext("请选择")), *queries.successors(ctx, person_id)])
        cases = queries.kept_cases(person_id)
    if form.validate_on_submit():
        attempt(form, lambda: staff_service.leave(ctx, person_id, _uuid(form.successor.data), form.reason.data or ""))
        if not form.errors:
            flash(gettext("%(name)s 已办理离开。", name=person.name), "success")
            return redirect(url_for("identity.staff"))
    return render_template("identity/leave.html", form=form, person=person, cases=cases)


@room.page("/branches", P.BRANCH_EDIT, methods=["GET", "POST"])
def branches() -> Any:
    """Branches of the own organisation, and a line to add one."""
    ctx = context()
    form = BranchForm()
    if form.validate_on_submit():
        attempt(form, lambda: staff_service.create_branch(ctx, form.name.data or ""))
        if not form.errors:
            flash(gettext("网点已新增。"), "success")
            return redirect(url_for("identity.branches"))
    args = remembered(BRANCHES, request.args, session)
    with reading(ctx, P.BRANCH_EDIT) as db:
        if wants_export(request.args):
            rows = BRANCHES.load_all(db, queries.branches_query(ctx), args, EXPORT_LIMIT)
            return send_list(BRANCHES, rows, gettext("网点"), "branches.xlsx")
        page = BRANCHES.load(db, queries.branches_query(ctx), args)
        return render_template("identity/branches.html", page=page, form=form)


@room.page("/branches/<uuid:branch_id>", P.BRANCH_EDIT, methods=["GET", "POST"])
def branch(branch_id: UUID) -> Any:
    """Another name for a branch."""
    ctx = context()
    with reading(ctx, P.BRANCH_EDIT):
        found = queries.own_branch(ctx, branch_id)
    form = BranchForm(obj=found)
    if form.validate_on_submit():
        attempt(form, lambda: staff_service.rename_branch(ctx, branch_id, form.name.data or ""))
        if not form.errors:
            flash(gettext("网点名称已更改。"), "success")
            return redirect(url_for("identity.branches"))
    return render_template("identity/branch.html", form=form, branch=found)


def _figures(ctx: Context) -> list[Figure]:
    assert ctx.org_id is not None
    locked = queries.locked_count(ctx.org_id)
    return [
        Figure(_l("在职人员"), str(queries.people_count(ctx.org_id, "active")), _l("人"), url=url_for("identity.staff")),
        Figure(_l("被锁定的账号"), str(locked), _l("个"), tone="wait" if locked else "plain"),
    ]


def _waits(ctx: Context) -> list[Wait]:
    assert ctx.org_id is not None
    count = queries.people_count(ctx.org_id, "invited")
    if not count:
        return []
    return [Wait(
        gettext("%(count)s 位同事还没有接受邀请", count=count), gettext("邀请链接 %(hours)s 小时内有效，过期可重新签发。",
                                                            hours=RULES.invitation_hours),
        url_for("identity.staff", f=1, state="invited"), tone="wait", order=70,
    )]


pages.home.add_figures(P.STAFF_READ, _figures, order=90)
pages.home.add_waits(P.STAFF_INVITE, _waits)
