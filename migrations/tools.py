"""Words that migrations share: grants for the portal's login role, row-level security, append-only tables."""

from __future__ import annotations

import re

from alembic import op

APP = "huiqiao_app"

OWN = "org_id = hq_org()"
SYSTEM = "hq_kind() = 'system'"
UNSEALED = "(seal_id is null or hq_seal_open(seal_id))"


_WHO = re.compile(
    r"hq_\w+\(\)(?:\s*(?:=|<>)\s*(?:'\w*'(?:::text)?|any\s*\(array\[[^][]*\]\))"
    r"|\s+(?:not\s+)?in\s*\([^()]*\)|\s+is\s+(?:not\s+)?null)?",
    re.IGNORECASE,
)
_ASKED = re.compile(r"\bselect[\s(]*$", re.IGNORECASE)


def once(condition: str) -> str:
    """The same condition with every question that no row changes (who asks: ``hq_org()``, ``hq_kind() = 'bureau'``) as a scalar
    sub-select: PostgreSQL then asks it once a statement instead of once a row. What is one already stays.

    A comparison goes in with its function: of a condition that is true or false the planner expects a half, of a value that it
    does not know a two-hundredth, and then it would look up the rows of a large join one by one.
    """
    def asked(found: re.Match[str]) -> str:
        return found[0] if _ASKED.search(condition, 0, found.start()) else f"(select {found[0]})"

    return _WHO.sub(asked, condition)


def run(sql: str) -> None:
    """Executes one or several statements."""
    op.execute(sql)


def grant(table: str, rights: str) -> None:
    """Gives the portal's login role exactly these rights."""
    op.execute(f"grant {rights} on {table} to {APP}")


def guard(table: str, *, see: str, write: str | None = None, change: str | None = None, remove: str | None = None) -> None:
    """Row-level security of a table: who sees a row, who may insert it (default: who sees it), change it, delete it."""
    see, write = once(see), once(write or see)
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"create policy see on {table} for select to {APP} using ({see})")
    op.execute(f"create policy write on {table} for insert to {APP} with check ({write})")
    if change is not None:
        op.execute(f"create policy change on {table} for update to {APP} using ({once(change)}) with check ({once(change)})")
    if remove is not None:
        op.execute(f"create policy remove on {table} for delete to {APP} using ({once(remove)})")


def append_only(table: str) -> None:
    """Rows are added and never touched again: the rights are missing and a trigger refuses even the owner."""
    grant(table, "select, insert")
    op.execute(
        f"create trigger {table}_append_only before update or delete or truncate on {table} "
        "for each statement execute function hq_refuse_change()"
    )
