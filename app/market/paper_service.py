"""Papers of a need: handed in before it is submitted, only where no data say it, and read by banks that know the firm."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select

from app.core import storage
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.models import Paper
from app.core.permissions import Permission
from app.core.storage import Stored
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.evidence import queries as evidence
from app.evidence.models import Consent, DataItem
from app.market import queries
from app.market.answer_words import PAPERS
from app.market.models import Need, NeedPaper
from app.market.paper_rules import MOST_PAPERS, Line, Replacement, lines, wanted
from app.market.words import Distribution, NeedState

constraint("ck_need_paper_draft", ErrorCode.STATE_CHANGED)
constraint("ck_need_paper_count", ErrorCode.PAPERS_TOO_MANY, "file")


@use_case(Permission.NEED_DRAFT, "need.add_paper", returns=Paper)
def add_paper(ctx: Context, need_id: UUID, kind: str, filename: str, stored: Stored, replaces: UUID | None = None) -> Paper:
    """Takes a paper in with a draft, or with what the desk returned; ``replaces``: instead of one that goes.

    Raises ``INVALID`` (an unknown kind), ``DATA_INSTEAD``, ``FILE_TYPE``, ``PAPERS_TOO_MANY``, ``STATE_CHANGED``.
    """
    need = _draft(need_id)
    line = next((one for one in paper_lines(need) if one.kind == kind), None)
    if line is None:
        raise Refusal(ErrorCode.INVALID, field="kind")
    if line.replaced:
        raise Refusal(ErrorCode.DATA_REPLACES, field="file")
    if replaces is not None:
        _take_out(need, replaces)
    paper = storage.store_paper(
        ctx, subject_type="need", subject_id=need.id, case_id=need.case_id, kind=kind.lower(), filename=filename, stored=stored
    )
    session().add(NeedPaper(paper_id=paper.id, need_id=need.id, org_id=need.org_id, kind=kind, added_at=now()))
    session().flush()
    need.step = max(need.step, 4)
    about(need, kind=kind, paper_id=paper.id)
    return paper


@use_case(Permission.NEED_DRAFT, "need.remove_paper")
def remove_paper(ctx: Context, need_id: UUID, paper_id: UUID) -> None:
    """Takes a paper out again before the need is submitted: no bank has seen it. Raises ``NOT_FOUND``, ``STATE_CHANGED``."""
    need = _draft(need_id)
    _take_out(need, paper_id)
    about(need, paper_id=paper_id)


def _draft(need_id: UUID) -> Need:
    need = get_or_404(Need, need_id, lock=True)
    if need.state not in (NeedState.DRAFT, NeedState.RETURNED):
        raise Refusal(ErrorCode.STATE_CHANGED)
    return need


def _take_out(need: Need, paper_id: UUID) -> None:
    gone = delete(NeedPaper).where(NeedPaper.need_id == need.id, NeedPaper.paper_id == paper_id)
    if session().execute(gone).rowcount != 1:  # type: ignore[attr-defined]
        raise Refusal(ErrorCode.NOT_FOUND)


def carry(ctx: Context, old: Need, need: Need) -> int:
    """Puts the papers of an earlier round beside the draft of the next one, except where data say the same by now.

    Part of the running use case. They are papers of their own, of the same bytes: who reads those of which round stays apart.
    Returns how many.
    """
    taken = {line.kind for line in paper_lines(need) if not line.replaced}
    carried = [(held.kind, paper) for held, paper in papers_of(old.id) if held.kind in taken]
    for kind, paper in carried:
        copy = storage.copy_paper(ctx, paper, subject_id=need.id, case_id=need.case_id)
        session().add(NeedPaper(paper_id=copy.id, need_id=need.id, org_id=need.org_id, kind=kind, added_at=now()))
        session().flush()
    return len(carried)


def papers_of(need_id: UUID) -> Sequence[tuple[NeedPaper, Paper]]:
    """Papers that go with a need, as far as the actor may read them, by kind."""
    found = session().execute(
        select(NeedPaper, Paper).join(Paper, Paper.id == NeedPaper.paper_id).where(NeedPaper.need_id == need_id)
        .order_by(NeedPaper.kind, NeedPaper.added_at)
    ).all()
    return [(row.NeedPaper, row.Paper) for row in found]


def paper_lines(need: Need) -> list[Line]:
    """For the need's firm: the papers usually wanted, and which data of whom say the same to everybody who will look.

    Who will look: the banks named, or, where none is, those that any consent of the firm names; others never see papers.
    """
    firm = get_or_404(Enterprise, need.org_id)
    kinds = wanted(need.product_kind, need.purpose_kind)
    items = {kind: PAPERS[kind][1] for kind in kinds}
    asked = {item for item in items.values() if item}
    known = {one.code: one for one in session().scalars(select(DataItem).where(DataItem.code.in_(asked), DataItem.active))}
    given: dict[UUID, set[str]] = {}
    for receiver, item in session().execute(
        select(Consent.receiver_org_id, Consent.item_code)
        .where(Consent.firm_id == firm.id, Consent.receiver_org_id.is_not(None), *evidence.in_force())
    ):
        if receiver is not None:
            given.setdefault(receiver, set()).add(item)
    banks = queries.invited_banks(need.id) if need.distribution == Distribution.TARGETED else list(given)
    data = {}
    for code, known_item in known.items():
        providers = tuple(dict.fromkeys(source.provider for source in evidence.sources(firm.firm_no, code)))
        by_all = bool(banks) and all(known_item.consent_item in given.get(bank, ()) for bank in banks)
        readable = not known_item.consent_needed or by_all
        data[code] = Replacement(providers, readable)
    return lines(kinds, items, data)


__all__ = ["MOST_PAPERS", "add_paper", "carry", "paper_lines", "papers_of", "remove_paper"]
