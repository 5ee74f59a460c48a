"""Credit profiles: computed from what a firm has consented to, kept with their history."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from app.core.beside import beside
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.outbox import emit, handles
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.credit import model_service
from app.credit.computing import AT_ONCE, Draft, Firm, drafts
from app.credit.models import CreditProfile
from app.credit.queries import among, array_text, current_profile
from app.credit.rules import NEIGHBOURS
from app.credit.storing import News, news, standing_of, write_feature_list
from app.enterprises.models import Enterprise

log = logging.getLogger(__name__)

_LOCK = text("""
select pg_advisory_xact_lock(hashtext('credit_profile'), place) from unnest(cast(:places as integer[])) place order by place
""")
_LOCKS = 1024
"""Neighbours share a lock, and there are so many locks: however many firms are scored at once, the server's table of locks, which
holds some thousands, has room for them."""
_NO_WAIT = text("set local synchronous_commit = off")


@use_case(Permission.PROFILE_COMPUTE, "credit.compute", returns=CreditProfile)
def compute_profile(ctx: Context, firm_id: UUID) -> CreditProfile | None:
    """Computes the firm's profile anew from what its consent covers at this moment.

    Without a consent to the portal the profile that stands from now on says ``no_consent`` and carries no
    score (credit-data-catalogue §3); less than half a year of data says ``insufficient`` (§4). The same input
    leaves the profile that stands as it is. Returns ``None`` where consent is given and no model is
    registered yet. Raises ``NotFound``.
    """
    firm = get_or_404(Enterprise, firm_id)
    told = _compute([Firm(firm.id, firm.firm_no)])
    profile = current_profile(firm.id) if told else None
    if profile is not None:
        about(profile, state=profile.state, model_id=profile.model_id)
    else:
        about(firm, state="no_model")
    return profile


@use_case(Permission.PROFILE_COMPUTE, "credit.compute_many")
def compute_profiles(ctx: Context, firm_ids: Sequence[UUID]) -> int:
    """Computes the profiles of several firms in one transaction. Returns how many firms have a score afterwards."""
    # The commit does not wait for the disk. A crash right after it loses the chunk whole, with what says that it is done, and the
    # chunk is repeated: nothing else has been told of it.
    session().execute(_NO_WAIT)
    found = session().execute(
        select(Enterprise.id, Enterprise.firm_no).where(among(Enterprise.id, firm_ids)).order_by(Enterprise.id)
    )
    firms = [Firm(*row) for row in found]
    scored = sum(1 for draft in _compute(firms) if draft.score is not None)
    about(firms=len(firms), scored=scored)
    return scored


def _compute(firms: Sequence[Firm]) -> list[Draft]:
    """What the profiles say that stand afterwards; firms with a consent and no model are left out."""
    # Two jobs for one firm come one after the other; the second one reads the consent after the first has ended.
    session().execute(_LOCK, {"places": array_text({firm.number // NEIGHBOURS % _LOCKS for firm in firms})})
    scorer = model_service.active_scorer()
    standing = standing_of([firm.id for firm in firms])
    told: list[Draft] = []
    stored: list[tuple[News, Future[None]]] = []
    if scorer is not None:
        write_feature_list()  # before anything else is written, in every chunk: two chunks at once then never wait for each other
    with beside(worthwhile=len(firms) > AT_ONCE) as soon:
        for part in drafts(firms, scorer, soon):
            told += part
            fresh = news(part, standing)
            if fresh is None:
                continue
            stored.append((fresh, soon(fresh.write)))
        for _, written in stored:
            written.result()
    if len(told) < len(firms):
        log.warning("%d firms gave consent, and no scoring model is registered", len(firms) - len(told))
    for fresh, _ in stored:
        for firm_id, profile_id in fresh.made.items():
            emit("profile.computed", firm_id=firm_id, profile_id=profile_id)
    return told


@handles("consent.changed", "credit.after_consent")
def after_consent(ctx: Context, payload: dict[str, Any]) -> None:
    """A firm gave or took back a consent: its profile is computed anew, or ends."""
    compute_profile(ctx, UUID(payload["firm_id"]))
