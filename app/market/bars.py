"""What keeps a bank from taking on more: rooms say what (a report that is overdue), the market asks before a bid."""

from __future__ import annotations

from collections.abc import Callable

from app.core.context import Context

Check = Callable[[Context], None]

_checks: list[Check] = []


def bar(check: Check) -> Check:
    """Registers a check that raises ``Refusal`` where the actor's bank may not take on more. Fit to decorate."""
    _checks.append(check)
    return check


def raise_if_barred(ctx: Context) -> None:
    """Runs every check. Raises the ``Refusal`` of the first that says no."""
    for check in _checks:
        check(ctx)
