"""``huiqiao platform``: the first person of a portal that has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from app.core.embedded import servers
from app.core.paths import ReadableError
from app.core.settings import load_settings

if TYPE_CHECKING:
    from app.core.settings import Settings


def add_to(group: click.Group, prepare: Callable[[Settings], None]) -> None:
    """Adds the commands to the portal's own."""

    @group.group("platform")
    def platform() -> None:
        """Set up the platform itself."""

    @platform.command()
    @click.option("--name", default="惠桥平台", show_default=True, help="Name of the platform's organisation.")
    @click.option("--login", required=True, help="Login name of the first security administrator.")
    @click.option("--person", required=True, help="Name of that person.")
    def found(name: str, login: str, person: str) -> None:
        """Make the platform's organisation and invite its first security administrator, who invites all others.

        Prints the path of a one-time link, good for 72 hours. Refuses where a platform exists already.
        """
        from sqlalchemy import select

        from app.core.context import Context
        from app.core.database import session, transaction
        from app.core.permissions import OrgKind, Role
        from app.identity import staff_service
        from app.identity.models import Organisation

        with servers(load_settings(), with_redis=False) as ready:
            prepare(ready)
            ctx = Context.of_system("cli")
            with transaction(ctx, read_only=True):
                if session().scalar(select(Organisation.id).where(Organisation.kind == OrgKind.PLATFORM.value)) is not None:
                    raise ReadableError("A platform exists already; its security administrator invites people on the page 人员.")
            organisation = staff_service.create_organisation(ctx, OrgKind.PLATFORM, name)
            invitation = staff_service.invite(
                ctx, org_id=organisation.id, login=login, name=person, roles={Role.SECURITY_ADMIN: None},
            )
        click.echo(f"{login} sets a password at: /invitation/{invitation.token}")
