"""What data providers deliver: the platform gives items and takes them away."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal
from app.core.notices import notify
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.evidence.models import DataItem, ProviderItem
from app.identity.models import Organisation


@use_case(Permission.ORGANISATION_CREATE, "provider.change_items")
def change_items(ctx: Context, provider_org_id: UUID, give: Sequence[str], take: Sequence[str]) -> None:
    """Lets a provider deliver items, and no longer deliver others; what it has and what it lacks already stays as it is.

    Facts that were taken in stay in force: only further files are refused. Raises ``Refusal(NOT_FOUND)`` for who is no data
    provider and for items that have no table.
    """
    provider = get_or_404(Organisation, provider_org_id)
    if provider.kind != OrgKind.DATA_PROVIDER:
        raise Refusal(ErrorCode.NOT_FOUND)
    for code in give:
        item = session().get(DataItem, code)
        if item is None or not item.active:
            raise Refusal(ErrorCode.NOT_FOUND)
        session().execute(insert(ProviderItem).values(
            provider_org_id=provider.id, provider_kind=provider.kind, item_code=code, since=now(),
        ).on_conflict_do_nothing())
    session().execute(delete(ProviderItem).where(
        ProviderItem.provider_org_id == provider.id, ProviderItem.item_code.in_(take),
    ))
    about(provider, given=list(give), taken=list(take))
    with elevated(ctx, "provider.tell"):
        if give:
            notify(provider.id, N_("平台为贵单位登记了 %(count)s 种要供的资料，可以上传了。"), count=len(give),
                   path="/deliveries/new")
        if take:
            notify(provider.id, N_("平台取消了贵单位 %(count)s 种资料的登记；已入库的数据不受影响。"), count=len(take),
                   path="/deliveries")
