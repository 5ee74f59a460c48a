"""Firms: signed up by themselves, their figures and size class, their verification by the desk.

Firms that deliveries make known are in ``registration``; its use cases are offered here too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.models import Paper
from app.core.notices import notify
from app.core.outbox import emit
from app.core.permissions import OrgKind, Permission, Role
from app.core.storage import Stored, store_paper
from app.core.uscc import DISTRICTS, normalise, validate
from app.core.use_case import about, use_case
from app.core.working import N_
from app.enterprises.licence import REGISTRY
from app.enterprises.models import Enterprise, EnterpriseFigures
from app.enterprises.registration import KnownFirm, firm_number_for, register_known_firm, register_known_firms
from app.enterprises.rules import (
    DataSource,
    EntityForm,
    SizeResult,
    entity_form,
    industry_is_valid,
    size_class,
)
from app.enterprises.states import LIFECYCLE, EnterpriseState
from app.identity.models import Membership, Organisation, Person, Ticket, UserSession
from app.identity.service import DOOR, set_password
from app.identity.staff_service import issue_reset_for

__all__ = [
    "Figures", "KnownFirm", "Registration", "SignUp", "edit_figures", "edit_registration", "register_known_firm",
    "register_known_firms", "release", "require_verified", "reset_representative", "sign_up", "upload_licence", "verify",
]

constraint("uq_organisation_uscc", ErrorCode.USCC_CLAIMED, "uscc")
constraint("uq_enterprise_uscc", ErrorCode.USCC_CLAIMED, "uscc")

FORMS = {
    EntityForm.ENTERPRISE: "company", EntityForm.SOLE_TRADER: "sole_trader", EntityForm.COOPERATIVE: "cooperative",
}
YEARS_BACK = 2
"""Figures are of the last full year, or of the one before while accounts are not closed."""
LARGEST_FEN = 10**14
"""A revenue or assets above a million million yuan is a slip of the keyboard."""
LARGEST_HEADCOUNT = 10_000_000


@dataclass(frozen=True)
class Figures:
    """What decides the size class: GB/T 4754 code, persons, revenue and assets in 分 of one full year."""

    industry_code: str
    headcount: int | None
    revenue_fen: int | None
    assets_fen: int | None
    year: int
    source: DataSource = DataSource.SELF_STATED


@dataclass(frozen=True)
class Registration:
    """What the licence shows: name, district code, legal representative and their identity number."""

    name: str
    district: str
    representative_name: str = field(repr=False)
    representative_id_no: str = field(repr=False)


@dataclass(frozen=True)
class Reset:
    """Whom a one-time link is for, and its token: shown once, stored nowhere."""

    name: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class SignUp:
    """An application. Secrets and personal data have no ``repr``, since an idempotency digest is taken of it."""

    uscc: str
    registration: Registration
    figures: Figures
    login: str
    terms: str
    """Version of the notice on personal information that was accepted."""
    password: str = field(repr=False)
    phone: str | None = field(default=None, repr=False)
    synthetic: bool = False
    """Made up for the demo city, and said wherever the firm is shown; no form asks for it."""


def sign_up(ctx: Context, application: SignUp) -> Enterprise:
    """A firm signs up by itself. It joins the enterprise a delivery has made under the same code, if any.

    Nobody is signed in yet, so it runs as the portal itself. Raises ``Refusal(USCC_INVALID | USCC_KIND | USCC_CLAIMED |
    LOGIN_TAKEN | PASSWORD_WEAK | INVALID)``.
    """
    ctx.require(Permission.ENTERPRISE_SIGN_UP)
    return _sign_up(DOOR.with_token(ctx.token), application)


@use_case(Permission.ENTERPRISE_SIGN_UP, "enterprise.sign_up", returns=Enterprise)
def _sign_up(ctx: Context, application: SignUp) -> Enterprise:
    code = normalise(application.uscc)
    form = _form_of(code)
    _check_registration(application.registration)
    login = application.login.strip().lower()
    if session().scalar(select(Person.id).where(Person.login == login)) is not None:
        raise Refusal(ErrorCode.LOGIN_TAKEN, field="login")
    firm = session().scalar(select(Enterprise).where(Enterprise.uscc == code).with_for_update())
    joined = firm is not None
    if firm is None:
        firm = _new_firm(code, form, application.registration, application.synthetic)
        begin(ctx, LIFECYCLE, firm, event="sign_up")
    elif firm.state != EnterpriseState.KNOWN:
        raise Refusal(ErrorCode.USCC_CLAIMED, field="uscc")
    else:
        fire(ctx, LIFECYCLE, firm, "claim")
    _write_registration(firm, application.registration)
    _write_figures(ctx, firm, application.figures)
    _representative(firm.id, login, application)
    about(firm, uscc=code, joined=joined, size=firm.size_class, terms=application.terms)
    return firm


def _form_of(code: str) -> str:
    problem = validate(code)
    if problem is not None:
        raise Refusal(ErrorCode.USCC_INVALID, field="uscc", detail=problem.message % problem.shown)
    form = FORMS.get(entity_form(code))
    if form is None:
        raise Refusal(ErrorCode.USCC_KIND, field="uscc")
    return form


def _check_registration(registration: Registration) -> None:
    if registration.district not in DISTRICTS:
        raise Refusal(ErrorCode.INVALID, field="district")
    if not 2 <= len(registration.name.strip()) <= 200:
        raise Refusal(ErrorCode.INVALID, field="name")


def _new_firm(code: str, form: str, registration: Registration, synthetic: bool) -> Enterprise:
    organisation = Organisation(
        kind=OrgKind.ENTERPRISE.value, name=registration.name.strip(), uscc=code, state="active", created_at=now(),
    )
    session().add(organisation)
    session().flush()
    firm = Enterprise(
        id=organisation.id, firm_no=firm_number_for(code), uscc=code,
        form=form, district=registration.district, size_class="unknown", size_working=[],
        state=EnterpriseState.UNVERIFIED.value, synthetic=synthetic, created_at=now(),
    )
    session().add(firm)
    session().flush()
    return firm


def _write_registration(firm: Enterprise, registration: Registration) -> None:
    session().get_one(Organisation, firm.id).name = registration.name.strip()
    firm.district = registration.district
    firm.representative_name = registration.representative_name.strip()
    firm.representative_id_no = registration.representative_id_no.strip().upper()
    session().flush()


def _representative(firm_id: UUID, login: str, application: SignUp) -> None:
    person = Person(
        org_id=firm_id, login=login, name=application.registration.representative_name.strip(),
        phone=application.phone or None, state="invited", created_at=now(),
        memberships=[Membership(
            role=Role.FIRM_REPRESENTATIVE.value, org_id=firm_id, org_kind=OrgKind.ENTERPRISE.value, approval_limit_fen=None,
        )],
    )
    session().add(person)
    session().flush()
    set_password(person, application.password)
    person.state = "active"
    session().flush()


@use_case(Permission.ENTERPRISE_EDIT, "enterprise.figures", returns=Enterprise)
def edit_figures(ctx: Context, figures: Figures) -> Enterprise:
    """New figures of the actor's own firm; the size class is computed anew and the earlier version kept.

    Raises ``Refusal(INVALID | NOT_FOUND)``.
    """
    firm = get_or_404(Enterprise, ctx.org_id, lock=True)
    before = firm.size_class
    _write_figures(ctx, firm, figures)
    about(firm, before=before, after=firm.size_class, year=figures.year)
    return firm


def _write_figures(ctx: Context, firm: Enterprise, figures: Figures) -> None:
    _check_figures(figures)
    result = size_class(
        figures.industry_code, figures.headcount, figures.revenue_fen, figures.assets_fen, figures.year, figures.source,
    )
    firm.industry_code, firm.headcount = figures.industry_code, figures.headcount
    firm.revenue_fen, firm.assets_fen = figures.revenue_fen, figures.assets_fen
    firm.figures_year, firm.figures_source = figures.year, figures.source.value.lower()
    firm.size_class, firm.size_rule, firm.sized_at = result.size.value.lower(), result.rule_version, now()
    firm.size_working = working_of(result)
    last = session().scalar(
        select(func.max(EnterpriseFigures.version)).where(EnterpriseFigures.enterprise_id == firm.id)
    )
    session().add(EnterpriseFigures(
        enterprise_id=firm.id, version=(last or 0) + 1, industry_code=figures.industry_code, headcount=figures.headcount,
        revenue_fen=figures.revenue_fen, assets_fen=figures.assets_fen, year=figures.year,
        source=figures.source.value.lower(), size_class=firm.size_class, size_rule=result.rule_version,
        size_working=firm.size_working, at=now(), actor_id=ctx.actor_id,
    ))
    session().flush()


def _check_figures(figures: Figures) -> None:
    if not industry_is_valid(figures.industry_code):
        raise Refusal(ErrorCode.INVALID, field="industry_code")
    if figures.headcount is not None and not 0 <= figures.headcount <= LARGEST_HEADCOUNT:
        raise Refusal(ErrorCode.INVALID, field="headcount")
    for name in ("revenue_fen", "assets_fen"):
        value = getattr(figures, name)
        if value is not None and not 0 <= value <= LARGEST_FEN:
            raise Refusal(ErrorCode.INVALID, field=name.removesuffix("_fen"))
    if not today().year - YEARS_BACK <= figures.year < today().year:
        raise Refusal(ErrorCode.INVALID, field="year")


def working_of(result: SizeResult) -> list[Any]:
    """The rows that led to a size class, as they are stored: amounts in 分, limits for small, medium and large.

    Where no row could be drawn up, one entry tells why.
    """
    rows: list[Any] = [
        {
            "measure": row.measure.value, "value": row.value, "size": row.size.value,
            "limits": [row.limits.small, row.limits.medium, row.limits.large],
        }
        for row in result.working
    ]
    if result.reason is not None:
        rows.append({"reason": result.reason.value})
    if result.group is not None:
        rows.append({"group": result.group.value})
    return rows


@use_case(Permission.ENTERPRISE_EDIT, "enterprise.registration", returns=Enterprise)
def edit_registration(ctx: Context, registration: Registration) -> Enterprise:
    """Corrects what the desk compares; after a refusal this applies again.

    Raises ``Refusal(STATE_CHANGED)`` once verified, ``LICENCE_MISSING`` when applying again without a licence.
    """
    firm = get_or_404(Enterprise, ctx.org_id, lock=True)
    if firm.state not in (EnterpriseState.UNVERIFIED, EnterpriseState.REFUSED):
        raise Refusal(ErrorCode.STATE_CHANGED)
    _check_registration(registration)
    _write_registration(firm, registration)
    if firm.state == EnterpriseState.REFUSED:
        if firm.licence_sha256 is None:
            raise Refusal(ErrorCode.LICENCE_MISSING)
        firm.refusal_reason = None
        fire(ctx, LIFECYCLE, firm, "reapply")
    about(firm, state=firm.state)
    return firm


@use_case(Permission.ENTERPRISE_EDIT, "enterprise.licence", returns=Paper)
def upload_licence(ctx: Context, filename: str, stored: Stored) -> Paper:
    """Keeps the business licence for the desk. Raises ``Refusal(FILE_TYPE | STATE_CHANGED)``."""
    firm = get_or_404(Enterprise, ctx.org_id, lock=True)
    if firm.state not in (EnterpriseState.UNVERIFIED, EnterpriseState.REFUSED):
        raise Refusal(ErrorCode.STATE_CHANGED)
    paper = store_paper(
        ctx, subject_type=Enterprise.__tablename__, subject_id=firm.id, case_id=None, kind="licence", filename=filename,
        stored=stored,
    )
    firm.licence_sha256 = stored.sha256.hex()
    about(firm, sha256=stored.sha256)
    return paper


@use_case(Permission.ENTERPRISE_VERIFY, "enterprise.decision", returns=Enterprise)
def verify(ctx: Context, enterprise_id: UUID, decision: str, reason: str = "") -> Enterprise:
    """The desk decides on licence and representative; ``decision`` is ``verify`` or ``refuse``. The firm is told.

    Raises ``Refusal(LICENCE_MISSING | REASON_NEEDED | STATE_CHANGED | INVALID)``.
    """
    if decision not in ("verify", "refuse"):
        raise Refusal(ErrorCode.INVALID)
    firm = get_or_404(Enterprise, enterprise_id, lock=True)
    if decision == "refuse":
        if not reason.strip():
            raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
        firm.refusal_reason = reason.strip()
    elif firm.licence_sha256 is None:
        raise Refusal(ErrorCode.LICENCE_MISSING)
    else:
        firm.verified_at = now()
    with session().no_autoflush:
        name = session().get_one(Organisation, firm.id).name
        answer = REGISTRY.check(firm.uscc, name, firm.representative_name or "")
        fire(ctx, LIFECYCLE, firm, decision, reason=reason)
    about(firm, decision=decision, licence=firm.licence_sha256, registry=answer.registry, answer=answer.status.value)
    with elevated(ctx, "desk"):
        if decision == "verify":
            notify(firm.id, N_("企业核验已通过，现在可以授权数据、查看信用画像和发布融资需求。"), path="/enterprise")
        else:
            notify(firm.id, N_("企业核验未通过：%(reason)s。请改正后重新提交。"), path="/enterprise", reason=reason.strip())
        emit("enterprise.decided", firm_id=firm.id, state=firm.state)
    return firm


@use_case(Permission.ENTERPRISE_VERIFY, "enterprise.released", returns=Enterprise)
def release(ctx: Context, enterprise_id: UUID, reason: str) -> Enterprise:
    """Gives a code back that somebody else had claimed: their accounts end, and the firm itself may sign up.

    Raises ``Refusal(REASON_NEEDED | STATE_CHANGED)``; only a refused firm is released.
    """
    firm = get_or_404(Enterprise, enterprise_id, lock=True)
    if firm.state == EnterpriseState.REFUSED:
        firm.refusal_reason = firm.licence_sha256 = firm.representative_name = firm.representative_id_no = None
    with session().no_autoflush:
        fire(ctx, LIFECYCLE, firm, "release", reason=reason)
    with elevated(ctx, "desk"):
        for table in (UserSession, Ticket):
            ended = UserSession.ended_at if table is UserSession else Ticket.used_at
            session().execute(
                update(table).where(table.org_id == firm.id, ended.is_(None)).values({ended.key: now()})
            )
        session().execute(
            update(Person).where(Person.org_id == firm.id, Person.state != "left").values(state="left", left_at=now())
        )
    about(firm)
    return firm


@use_case(Permission.ENTERPRISE_VERIFY, "enterprise.reset_issued")
def reset_representative(ctx: Context, enterprise_id: UUID, reason: str) -> Reset:
    """A one-time link for a representative who lost password and recovery codes and came to the desk with the licence.

    ``reason`` says how the desk made sure who they are. Raises ``Refusal(REASON_NEEDED | NOT_FOUND | STATE_CHANGED)``.
    """
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    firm = get_or_404(Enterprise, enterprise_id)
    with elevated(ctx, "desk") as acting:
        person = session().scalar(
            select(Person).join(Membership, Membership.person_id == Person.id)
            .where(Person.org_id == firm.id, Person.state == "active", Membership.role == Role.FIRM_REPRESENTATIVE.value)
            .order_by(Person.created_at).limit(1).with_for_update(of=Person)
        )
        if person is None:
            raise Refusal(ErrorCode.NOT_FOUND)
        token = issue_reset_for(acting, person)
    about(firm, person_id=person.id, personal={"reason": reason.strip()})
    return Reset(person.name, token)


def require_verified(firm: Enterprise) -> None:
    """Raises ``Refusal(NOT_VERIFIED)`` until the desk has verified licence and representative."""
    if firm.state != EnterpriseState.VERIFIED:
        raise Refusal(ErrorCode.NOT_VERIFIED)
