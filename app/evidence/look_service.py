"""Looks: a bank reads a firm's evidence as far as consent goes, and every reading is on record, refused ones too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, session
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.lifecycle import role_of
from app.core.models import Case
from app.core.notices import notify
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.evidence import fact_queries
from app.evidence.consent_queries import Ground, grounds, name_case
from app.evidence.fact_queries import ItemFacts
from app.evidence.models import DataItem, EvidenceLook
from app.evidence.queries import InvoiceSummary
from app.evidence.rules import INVOICES, LOOK, N_, Basis, Purpose


def look(
    ctx: Context, firm_id: UUID, item_code: str = INVOICES, purpose: Purpose = Purpose.PRE_APPROVAL,
    case_id: UUID | None = None,
) -> InvoiceSummary:
    """A bank looks at a firm's invoices; see ``look_at``."""
    summary = look_at(ctx, firm_id, [item_code], purpose, case_id)[item_code].invoices
    assert summary is not None
    return summary


def look_at(
    ctx: Context, firm_id: UUID, item_codes: Sequence[str], purpose: Purpose = Purpose.PRE_APPROVAL,
    case_id: UUID | None = None,
) -> dict[str, ItemFacts]:
    """A bank looks at items of a firm: never more than consent allows, and each item is a look on record.

    ``case_id``: for which of the firm's cases, with ``Purpose.CASE``. A consent for a case covers that case alone, one for
    pre-approval covers both (征信业管理条例 art. 18, 20). The firm is told at the first look of a bank on a day. Call it
    outside a transaction. Raises ``Refusal(CONSENT_MISSING)`` where none of the items may be read; a firm that does not
    exist gets the same sentence.
    """
    seen = _look(ctx, firm_id, tuple(item_codes), Purpose(purpose).value, case_id)
    if not seen:
        raise Refusal(ErrorCode.CONSENT_MISSING)
    return seen


@dataclass(frozen=True)
class _Look:
    """One item that is asked for, and the ground on which it is shown; none: it is refused."""

    item: str
    ground: Ground | None


@use_case(Permission.EVIDENCE_LOOK, "evidence.look")
def _look(
    ctx: Context, firm_id: UUID, item_codes: tuple[str, ...], purpose: str, case_id: UUID | None,
) -> dict[str, ItemFacts]:
    """Returns nothing where there is no ground, rather than raising: the refused look must stay on record."""
    known_case = _case_of(ctx, firm_id, case_id)
    named = known_case if purpose == Purpose.CASE else None
    name_case(named)
    firm = session().get(Enterprise, firm_id)
    lost = firm is None or firm.state != "verified" or (purpose == Purpose.CASE and named is None)
    allowed = {} if lost else grounds(firm_id, ctx.org_id, named)
    looks = [_Look(code, allowed.get(code)) for code in item_codes]
    _record(ctx, firm_id, looks, purpose, named)
    about(
        case_id=named, firm_id=firm_id, items=list(item_codes), purpose=purpose,
        consents=[one.ground.consent_id for one in looks if one.ground is not None and one.ground.consent_id is not None],
        refused=[one.item for one in looks if one.ground is None],
    )
    return {
        one.item: fact_queries.item_facts(firm.firm_no, one.item)
        for one in looks if firm is not None and one.ground is not None
    }


def _case_of(ctx: Context, firm_id: UUID, case_id: UUID | None) -> UUID | None:
    """The case, if it is one of this firm: the bank of a consent need not be a party of it yet."""
    if case_id is None:
        return None
    with elevated(ctx, "evidence.look"):
        return session().scalar(select(Case.id).where(Case.id == case_id, Case.subject_org_id == firm_id))


_FIRST_USE = text("update consent set used_at = :at where id = any(:ids) and used_at is null")


def _record(ctx: Context, firm_id: UUID, looks: Sequence[_Look], purpose: str, case_id: UUID | None) -> None:
    at = now()
    with elevated(ctx, "evidence.look"):
        known = set(session().scalars(select(DataItem.code).where(DataItem.code.in_([one.item for one in looks]))))
        looks = [one for one in looks if one.item in known]
        if not looks or session().get(Enterprise, firm_id) is None:
            return
        told = session().scalar(select(func.count()).select_from(EvidenceLook).where(
            EvidenceLook.firm_id == firm_id, EvidenceLook.org_id == ctx.org_id, EvidenceLook.at > at - LOOK.tell_again,
        ))
        for one in looks:
            ground = one.ground
            session().add(EvidenceLook(
                id=new_id(), firm_id=firm_id, org_id=ctx.org_id, actor_id=ctx.actor_id, actor_role=role_of(ctx), at=at,
                item_code=one.item, purpose=purpose, case_id=case_id, consent_id=ground.consent_id if ground else None,
                result="shown" if ground else "refused", basis=(ground.basis if ground else Basis.NONE).value,
            ))
        used = [one.ground.consent_id for one in looks if one.ground is not None and one.ground.consent_id is not None]
        session().flush()
        session().execute(_FIRST_USE, {"at": at, "ids": used})
        if not told:
            shown = any(one.ground is not None for one in looks)
            message = N_("%(bank)s 查看了您的资料。") if shown else N_("%(bank)s 想查看您的资料，因没有授权被拒绝。")
            notify(firm_id, message, bank=ctx.org_name, path="/my-data/looks")
