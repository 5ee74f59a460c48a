"""The demo city: made once on the first start of a demo portal, through the same use cases as everything else.

All firms, banks, people and figures in it are synthetic, and every page of a demo portal says so. One person per role,
one password for all, shown only in demo mode.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from sqlalchemy import select

from app.core import outbox
from app.core.database import session, transaction
from app.core.queries import ROLE_NAMES
from app.core.settings import Settings
from app.demo.people import CITY, FIRM_LOGINS, PASSWORD, SYSTEM
from app.identity.models import Organisation


class Account(NamedTuple):
    """A demo account as the sign-in page and the console show it."""

    login: str
    who: str
    password: str


def accounts() -> list[Account]:
    """One account per role, all with the demo password. Callers show them in demo mode alone."""
    people = [
        (login, f"{ROLE_NAMES[role.value]} · {organisation}") for _, organisation, staff in CITY for login, role, _ in staff
    ]
    return [Account(login, who, PASSWORD) for login, who in [*FIRM_LOGINS, *people]]


def seed_if_empty(settings: Settings) -> bool:
    """Makes the city unless the database already holds an organisation. Returns whether it did.

    The caller has prepared the portal (``app.factory.prepare``). It runs in one process, in the order of the main road;
    what leaves through the outbox is handled here at once.
    """
    outbox.configure_queue(None)
    with transaction(SYSTEM, read_only=True):
        if session().scalar(select(Organisation.id).limit(1)) is not None:
            return False
    from app.credit.model_training import train_model
    from app.demo import business, firms, people

    started = time.monotonic()
    with ThreadPoolExecutor(1) as beside:  # the model learns in a process of its own while the data come in
        learns = None if settings.model_path.is_file() else beside.submit(train_model, settings, settings.model_path)
        staff = people.make()
        city = firms.make(settings, staff, learns)
    business.make(staff, city)
    print(f"The demo city is ready: {len(city)} synthetic firms, {time.monotonic() - started:.0f} s.", flush=True)
    return True
