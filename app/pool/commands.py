"""``huiqiao pool``: editions of the compensation rule, which are rows and not code (design §4.11)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

import click

from app.core.embedded import servers
from app.core.errors import Refusal
from app.core.paths import ReadableError
from app.core.settings import load_settings

if TYPE_CHECKING:
    from app.core.settings import Settings


def add_to(group: click.Group, prepare: Callable[[Settings], None]) -> None:
    """Adds the commands to the portal's own."""

    @group.group("pool")
    def pool() -> None:
        """The compensation pool: editions of its rule."""

    @pool.command("check")
    def check() -> None:
        """Compute every claim anew, add up every balance, look at every booking; exits with 1 where something differs."""
        from app.core.context import Context
        from app.core.permissions import Permission
        from app.core.use_case import reading
        from app.pool.check_service import check_pool

        with servers(load_settings(), with_redis=False) as ready:
            prepare(ready)
            with reading(Context.of_system("cli"), Permission.CLAIM_TICK):
                outcome = check_pool()
        for one in outcome.findings:
            click.echo(f"{one.code} {one.subject}: expected {one.expected}, found {one.found}")
        looked = f"{outcome.bookings} bookings, {outcome.claims} claims, {outcome.transfers} transfers"
        click.echo(f"{looked}: {outcome.found} differ.")
        if outcome.found:
            raise SystemExit(1)

    @pool.command("rules")
    @click.option("--load", "file", type=click.File(encoding="utf-8"), help="Store this edition (JSON) under its own code.")
    def rules(file: IO[str] | None) -> None:
        """Print the edition in force today as JSON; with --load store another one.

        Bookings keep the edition that judged them. New ones take, of those in force, the one that begins latest.
        """
        from app.core.calendar import today
        from app.core.context import Context
        from app.core.permissions import Permission
        from app.core.use_case import reading
        from app.pool.rules import RuleSet
        from app.pool.service import load_rule_set, rule_set_on

        with servers(load_settings(), with_redis=False) as ready:
            prepare(ready)
            ctx = Context.of_system("cli")
            if file is None:
                with reading(ctx, Permission.RULES_LOAD):
                    stored = rule_set_on(today())
                if stored is None:
                    raise ReadableError("No edition of the rule is in force today.")
                click.echo(json.dumps(stored.rules, ensure_ascii=False, indent=2, sort_keys=True))
                return
            try:
                edition = RuleSet.from_json(json.load(file))
                load_rule_set(ctx, edition)
            except (ValueError, Refusal) as error:
                reason = error.sentence if isinstance(error, Refusal) else str(error)
                raise ReadableError(f"The edition was not stored: {reason}") from error
        click.echo(f"Edition {edition.code} applies from {edition.valid_from} to {edition.valid_to}.")
